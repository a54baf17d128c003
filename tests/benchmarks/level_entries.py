"""Write docs/level-entries.md: where should the level of the degradation enter a classifier?

    python tests/benchmarks/level_entries.py --start cifar10-resnet20.safetensors

trains a `resnet-20` on JPEG images from the same start with the same batches: without a level, and
with the true quality (the best that an estimate could do) entering in each of the ways that
`LevelNetwork` supports. ``--steps`` shortens the training. Trained networks are kept in ``--folder``,
and the same command resumes from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import robobench
from robobench.analysis.draws import DRAWS
from robobench.analysis.sampling import Sampling, sampled_mean
from robobench.backbones.backbone import Backbone
from robobench.backbones.level_network import ENTRIES
from robobench.datasets import open_dataset
from robobench.files import write_whole
from robobench.registry import METHODS
from robobench.training.degrader import degrade_all
from robobench.training.pools import open_pools, validation_order
from robobench.training.recipes import recipe_named
from robobench.training.task import TrainingTask
from robobench.types import Context, Degradation
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone

DATASET = "cifar10"
QUALITIES = range(3, 101, 5)
INTERVALS = ((1, 20), (21, 40), (41, 60), (61, 80), (81, 100))
SEVERAL = ("none", "film")  # what is trained with several seeds, for time
PAGE = Path(__file__).parents[2] / "docs" / "level-entries.md"
TEXT = """\
# Where the level enters a classifier

Endo et al. 2020 give a classifier the estimated level of the degradation, but do not say where it enters the network.
`LevelNetwork` supports three entry points: `film` (a scale and a shift for every channel of the stem and of every stage),
`plane` (constant planes in addition to red, green and blue) and `concat` (concatenated with the pooled features, before
the last layer). Here they are compared on a small network, a ResNet-20 for CIFAR-10, with the *true* JPEG quality, the
best that an estimate could do, and with the same network without a level (`none`). All start from the same clean-trained
network and see {steps} batches of the recipe `endo-2020`; those of one training seed see the same batches.

Interval mean accuracy in per cent on {images:,} held-out training images, at every fifth quality, mean over trainings
(the published network that all start from has seen these images, so the figures are too high, for all alike). Gain:
over `none` with the same seeds, mean over all qualities, in points, with a 95 % interval over images and trainings. Of each training: the same for single trainings; for `none`, how far the other trainings are from the
first, which shows the variation between trainings.

{table}

{choice} has the largest gain over `none` in the first training; ResNets here get the level through `film`. Made by
`python tests/benchmarks/level_entries.py --start {start} --steps {steps}`.
"""


def trained(entry: str, seed: int, backbone: Backbone, steps: int, place: Path) -> robobench.Method:
    """The method, trained or found: `jpg` for no entry, else `jpg-trueqf` with that entry."""
    name = "jpg" if entry == "none" else "jpg-trueqf"
    folder = place / f"{entry}-s{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    cards = list(folder.glob("*.json"))
    if not cards:
        images = open_pools(
            DATASET, backbone.geometry, images=None, limit=None, root=None, download=False,
            class_names=None, labelled=True, seed=seed,
        )  # fmt: skip
        recipe = recipe_named(name, backbone, "endo-2020")
        recipe = recipe.in_one_cycle(steps=steps).with_options(entry=entry)
        task = TrainingTask(
            method=name, dataset=DATASET, architecture=backbone.name, backbone=backbone,
            trained_on="jpeg_compression", train_seed=seed, recipe=recipe, images=images,
            class_names=backbone.class_names, command="tests/benchmarks/level_entries.py",
            folder=folder,
        )  # fmt: skip
        METHODS[name].fit(task)
        cards = list(folder.glob("*.json"))
    return METHODS[name](backbone, storage.load(cards[0]))


def right_answers(method: robobench.Method, images: int) -> NDArray[np.bool_]:
    """bool, qualities x images: the held-out images under each quality."""
    data = open_dataset(DATASET, split="validation")
    chosen = np.sort(validation_order(data.labels))[:images]
    clean = data.read(chosen, method.backbone.geometry)
    labels = torch.from_numpy(data.labels[chosen])
    rows = []
    for quality in QUALITIES:
        degraded = degrade_all(clean, Degradation("jpeg_compression", level=float(quality)))
        probabilities = method.predict(degraded, Context(level=float(quality)))
        rows.append((probabilities.argmax(1) == labels).numpy())
    return np.stack(rows)


def table(right: Mapping[str, Sequence[NDArray[np.bool_]]]) -> pd.DataFrame:
    """A row an entry, as `TEXT` explains it.

    Args:
        right: Entry -> one array of `right_answers` a training; seeds count up from zero.
    """
    qualities = np.array(QUALITIES)
    rows = {}
    for entry, trainings in right.items():
        answers = np.mean(trainings, axis=0)
        row = {
            f"{low}-{high}": f"{100 * answers[(qualities >= low) & (qualities <= high)].mean():.1f}"
            for low, high in INTERVALS
        }
        if entry == "none":
            row["gain"] = ""
            apart = [100 * (t.mean() - trainings[0].mean()) for t in trainings[1:]]
        else:
            gains = 100 * np.stack(
                [t.mean(0) - n.mean(0) for t, n in zip(trainings, right["none"], strict=False)]
            )
            low, high = _interval(gains)
            row["gain"] = f"{gains.mean():+.1f} [{low:+.1f}, {high:+.1f}]"
            apart = list(gains.mean(1))
        row["of each training"] = " ".join(f"{gain:+.1f}" for gain in apart)
        rows[entry] = row
    return pd.DataFrame.from_dict(rows, orient="index").fillna("").rename_axis("entry")


def _interval(gains: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the mean of gains, trainings x images."""
    trainings, images = gains.shape
    sampling = Sampling(DRAWS, images, (trainings,) if trainings > 1 else ())
    return sampling.interval(sampled_mean(gains))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--start", required=True, help="weights of a clean-trained resnet-20")
    parser.add_argument("--steps", type=int, default=720)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of none and film")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path("level-entries"))
    options = parser.parse_args()
    backbone = load_backbone("resnet-20", weights=options.start)
    right = {
        entry: [
            right_answers(
                trained(entry, seed, backbone, options.steps, options.folder), options.images
            )
            for seed in range(options.seeds if entry in SEVERAL else 1)
        ]
        for entry in ("none", *ENTRIES)
    }
    rows = table(right).reset_index()
    lines = [" | ".join(rows.columns), " | ".join(["---"] + ["---:"] * (len(rows.columns) - 1))]
    lines += [" | ".join(row) for row in rows.astype(str).to_numpy()]
    best = max(ENTRIES, key=lambda entry: right[entry][0].mean())
    text = TEXT.format(
        steps=options.steps,
        images=options.images,
        table="\n".join(f"| {line} |" for line in lines),
        choice=f"`{best}`",
        start=Path(options.start).name,
    )
    write_whole(PAGE, text.encode("utf-8"))


if __name__ == "__main__":
    main()
