"""Whether a real network loses the same on our corruptions as on the published ones.

    python tests/benchmarks/network_agreement.py --weights cifar10-resnet20.safetensors
        --data-root DIR [--images 1000] [--severity 3]

A ResNet-20 for CIFAR-10 (He et al. 2016, shortcuts without parameters; keys conv1, layer1.0.conv1,
..., linear) classifies the same test images under ours and under
``tests/published_corruptions.py`` with *other* random numbers. McNemar's exact test of each pair,
Holm's correction over the corruptions.
"""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from scipy import stats
from torch import Tensor

from robobench.analysis.statistics import holm
from robobench.corruptions import apply, catalogue, random
from robobench.datasets import open_dataset
from robobench.types import Geometry

_SPEC = importlib.util.spec_from_file_location("fidelity", Path(__file__).with_name("fidelity.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
fidelity: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fidelity)


def logits(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    """ResNet-20 on uint8 N x 3 x 32 x 32."""
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]

    def normed(x: Tensor, name: str) -> Tensor:
        return F.batch_norm(
            x, weights[f"{name}.running_mean"], weights[f"{name}.running_var"],
            weights[f"{name}.weight"], weights[f"{name}.bias"],
        )  # fmt: skip

    x = (images.float() / 255 - mean) / std
    x = F.relu(normed(F.conv2d(x, weights["conv1.weight"], padding=1), "bn1"))
    for layer in (1, 2, 3):
        for block in (0, 1, 2):
            name = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            y = F.conv2d(x, weights[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(
                F.relu(normed(y, f"{name}.bn1")), weights[f"{name}.conv2.weight"], padding=1
            )
            if stride == 2:
                grown = y.shape[1] // 4
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, grown, grown))
            x = F.relu(normed(y, f"{name}.bn2") + x)
    return F.linear(x.mean((2, 3)), weights["linear.weight"], weights["linear.bias"])


def published(name: str, severity: int, images: Tensor) -> Tensor:
    """The published corruption with random numbers of its own."""
    level = catalogue.severity_table(name, "cifar-c")[severity - 1]
    rng = np.random.default_rng(99)
    made = []
    for index, image in enumerate(images.permute(0, 2, 3, 1).contiguous().numpy()):
        x = image / 255
        if name == "gaussian_noise":
            done = np.clip(x + rng.normal(size=x.shape, scale=level / 255), 0, 1) * 255
        elif name == "shot_noise":
            done = np.clip(rng.poisson(x * level) / level, 0, 1) * 255
        elif name == "speckle_noise":
            done = np.clip(x + x * rng.normal(size=x.shape, scale=level), 0, 1) * 255
        elif name == "impulse_noise":
            done = fidelity.util.random_noise(x, "s&p", rng=rng, amount=level) * 255
        else:
            degradation = catalogue.at_severity(name, severity, "cifar-c")
            key = int(random.keys(1, degradation, torch.tensor([index]))[0])
            done = fidelity.published.reference(name, image, level, key)
        made.append(np.uint8(done))
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--severity", type=int, default=3)
    chosen = parser.parse_args()
    weights = load_file(chosen.weights)
    dataset = open_dataset("cifar10", root=chosen.data_root)
    places = np.arange(chosen.images)
    images = dataset.read(places, Geometry())
    labels = torch.from_numpy(dataset.labels[places])

    def right(batch: Tensor) -> Any:
        with torch.inference_mode():
            parts = [logits(weights, part).argmax(1) for part in batch.split(250)]
        return (torch.cat(parts) == labels).numpy()

    print(f"clean {right(images).mean():.2%}, {len(images)} images, severity {chosen.severity}")
    rows = []
    for name in catalogue.GROUPS["all"]:
        degradation = catalogue.at_severity(name, chosen.severity, "cifar-c")
        ours = right(apply(images, degradation, torch.arange(len(images))))
        theirs = right(published(name, chosen.severity, images))
        only = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        p = stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
        rows.append((name, ours.mean(), theirs.mean(), p))
    corrected = holm([row[3] for row in rows])
    print("| corruption | ours | published | p (McNemar, Holm) |\n|---|---:|---:|---:|")
    for (name, ours, theirs, _), p in zip(rows, corrected, strict=True):
        print(f"| {name} | {ours:.1%} | {theirs:.1%} | {p:.2g} |")


if __name__ == "__main__":
    main()
