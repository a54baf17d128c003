"""Outputs of every built-in corruption and shipped method on tiny inputs, with their versions.

    python tests/recorded_outputs.py

writes `recorded_outputs.npz` anew: after the version of whatever changed was raised. With the names
of corruptions, as in

    python tests/recorded_outputs.py webp avif

it adds only these: what another release of an encoder makes of the images.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from robobench.corruptions import apply, catalogue
from robobench.errors import RobobenchError
from robobench.registry import CORRUPTIONS, METHODS
from robobench.registry.versions import version_of
from robobench.types import CLEAN, Context
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone
from robobench.weights.selection import select

FILE = Path(__file__).with_suffix(".npz")
SIDE = 24
ADAPTING = ("bn-adapt", "tent", "eata", "sar", "roid")
UNTRAINED = ("median", "bilateral", "nlm", "jpg-exactqf", *ADAPTING)


def images(count, side):
    """uint8 N x 3 x side x side: smooth colours with edges, texture and noise."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    rng = np.random.default_rng(0)
    found = []
    for k in range(count):
        waves = [128 + 80 * torch.sin((x * (c + 1) + y * (k + 1)) / 4.0) for c in range(3)]
        image = torch.stack(waves) + torch.from_numpy(rng.normal(0, 8, (3, side, side)))
        image[:, side // 3 : side // 2, side // 4 : side // 2] = 230
        found.append(image)
    return torch.stack(found).clamp(0, 255).round().to(torch.uint8)


def corruption_outputs(name):
    """uint8 conditions x 3 x SIDE x SIDE, over profiles and severities, or a few native levels."""
    image, indices = images(1, SIDE), torch.tensor([7])
    found = []
    for profile in catalogue.PROFILE_SIZES:
        try:
            conditions = [catalogue.at_severity(name, s, profile) for s in range(1, 6)]
        except RobobenchError:  # no severities: codecs by quality
            conditions = [catalogue.at_level(name, level) for level in (5, 50, 95)]
        found += [apply(image, condition, indices, seed=3)[0] for condition in conditions]
    return torch.stack(found).numpy()


def shipped():
    """Specification, data set, backbone and train seed of every shipped method, untrained ones too."""
    for name in UNTRAINED:
        yield name, "shapes10", "vgg-tiny", 0
    for place in storage.search_path()[1:]:
        for path in sorted(place.glob("*.json")):
            card = storage.read_card(path)
            backbone = card.backbone or ("vgg-tiny" if card.dataset == "shapes10" else "resnet-56")
            fixed = METHODS[card.method].trained_on
            spec = card.method if fixed else f"{card.method}@{card.trained_on}"
            yield spec, card.dataset, backbone, card.train_seed


def method_outputs(spec, dataset, backbone_name, seed, device="cpu"):
    """float32 4 x classes: probabilities."""
    backbone = load_backbone(backbone_name, dataset=dataset, train_seed=seed, device=device)
    chosen = select(
        spec, dataset=dataset, backbone=backbone, corruptions=["jpeg_compression"], train_seed=seed
    )
    method, count = chosen.method, 4
    known = Context("jpeg_compression", 3, 40.0, torch.full((count,), 40), torch.arange(count))
    context = known.told(method.needs)
    batch = images(count, 32).to(device)
    with torch.inference_mode():
        if method.adapts:  # the second answer depends on what was learned from the first batch
            method.begin(lambda most: batch)
            method.predict(batch, context)
        return method.predict(batch, context).float().cpu().numpy()


def built_in_corruptions():
    return [n for n in CORRUPTIONS if CORRUPTIONS.entry(n).module.startswith("robobench.")]


def label(spec, dataset, backbone, seed):
    return f"{spec} {dataset} {backbone} {seed}"


def corruption_key(name):
    """``corruption NAME``, with its version where that names the release of an encoder."""
    version = version_of(CORRUPTIONS.entry(name))
    return f"corruption {name} {version}" if " " in version else f"corruption {name}"


def read():
    """Outputs and versions by key."""
    with np.load(FILE) as file:
        outputs = {name: file[name] for name in file.files}
    return outputs, json.loads(outputs.pop("versions").tobytes())


def main(names):
    outputs, versions = read()
    if not names:  # of the encoders, those of other releases are kept
        outputs, versions = (
            {key: value for key, value in held.items() if key.endswith(")")}
            for held in (outputs, versions)
        )
    for name in names or built_in_corruptions():
        if name != CLEAN:
            made = corruption_outputs(name)  # imports it, which decides the version
            outputs[corruption_key(name)] = made
            versions[corruption_key(name)] = version_of(CORRUPTIONS.entry(name))
    for case in () if names else shipped():
        key = f"method {label(*case)}"
        outputs[key] = method_outputs(*case)
        versions[key] = version_of(METHODS.entry(case[0].partition("@")[0]))
    text = json.dumps(versions, sort_keys=True).encode()
    np.savez_compressed(FILE, versions=np.frombuffer(text, np.uint8), **outputs)
    print(f"{len(outputs)} outputs, {FILE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
