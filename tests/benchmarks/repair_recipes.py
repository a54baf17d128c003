"""Fill in a classifier's table in docs/repair-recipes.md: which recipe should modules for photographs have?

    python tests/benchmarks/repair_recipes.py --photographs CUB --more T91 --evaluated IMAGENET_LIKE \\
        --weights imagenet-resnet18.safetensors

trains modules on JPEG images from a hundred photographs of the first folder, one change of the
standard recipe at a time, with three seeds, and evaluates each on labelled photographs: the first
half of them chooses, the other half is reported. ``--only`` names the rows that are wanted. Results
are kept in ``--folder``, one file per training; the same command resumes, ``--time-limit`` stops it
in time. Rows of the page of which the folder has fewer trainings stay.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from markdown_tables import markdown, read_table, write_block
from numpy.typing import NDArray
from repair_variants import JPEG, VARIANTS, Variant

from robobench.analysis.draws import DRAWS
from robobench.analysis.sampling import Sampling, sampled_mean
from robobench.backbones.backbone import Backbone
from robobench.cli.train import seconds_in
from robobench.corruptions import apply, catalogue
from robobench.datasets import open_dataset
from robobench.environment import choose_device
from robobench.files import write_whole
from robobench.registry import METHODS
from robobench.training.fitting import TimeLimitReached
from robobench.training.pools import open_pools
from robobench.training.task import TrainingTask
from robobench.types import Context
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone

QUALITIES = (7, 10, 15, 18, 25)
BATCH = 50
# `afd` with its standard recipe, with which the other rows are compared.
PLAIN_AFD = ("standard", "10 photographs")
_Answers = Mapping[str, NDArray[np.float64]]
PAGE = Path(__file__).parents[2] / "docs" / "repair-recipes.md"
TEXT = """\
{count} labelled photographs, {clean:.1%} right on clean images without a module; at most {trainings} trainings per row.

{table}

Made by `{command}`.
"""


def photographs(options: argparse.Namespace, more: bool) -> Path:
    """The folder to train on; with ``--more`` a joint one."""
    if not more:
        return Path(options.photographs)
    joint = Path(options.folder) / "joint"
    for folder in (options.photographs, options.more):
        for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            target = joint / f"{Path(folder).name}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copyfile(path, target)
    return joint


def weights_of(
    variant: Variant, seed: int, backbone: Backbone, options: argparse.Namespace, deadline: float
) -> Path:
    """The card of a variant's training, trained if it is not there."""
    folder = Path(options.folder) / f"{slug(variant.name)}-s{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (cards := list(folder.glob("*.json"))):
        source = photographs(options, variant.more)
        images = open_pools(
            "folder:none", backbone.geometry, images=str(source),
            limit=None if variant.more else variant.images, root=None, download=False,
            class_names=None, labelled=False, seed=seed,
        )  # fmt: skip
        task = TrainingTask(
            method=variant.method, dataset=source.name, architecture=backbone.name,
            backbone=backbone, trained_on=JPEG, train_seed=seed, recipe=variant.changed(backbone),
            images=images, class_names=backbone.class_names, folder=folder, deadline=deadline,
            command="tests/benchmarks/repair_recipes.py", device=str(backbone.device),
            keep_anyway=True,
        )  # fmt: skip
        METHODS[variant.method].fit(task)
        backbone.precision = "fp32"
        cards = list(folder.glob("*.json"))
    return cards[0]


def slug(name: str) -> str:
    """A variant's name as part of a file name."""
    return name.replace(" ", "-").replace(",", "").replace("'", "")


def answers_file(folder: str, name: str, seed: int) -> Path:
    """Where the answers of one training are kept."""
    return Path(folder) / f"{slug(name)}-s{seed}-answers.json"


@dataclass(frozen=True)
class Evaluated:
    """Labelled photographs under each condition, on the device: 0 is clean, others are qualities."""

    images: Mapping[int, torch.Tensor]
    labels: torch.Tensor

    @classmethod
    def read(cls, backbone: Backbone, folder: str) -> Evaluated:
        """All photographs of a folder by class."""
        data = open_dataset(f"folder:{folder}", class_names=backbone.class_names)
        indices = np.arange(len(data))
        clean = data.read(indices, backbone.geometry)
        keys = torch.from_numpy(indices)
        found = {0: clean} | {
            q: apply(clean, catalogue.at_level(JPEG, q), keys, 0) for q in QUALITIES
        }
        labels = torch.from_numpy(data.labels).to(backbone.device)
        return cls({k: v.to(backbone.device) for k, v in found.items()}, labels)


def answers(method: Any, evaluated: Evaluated) -> dict[str, NDArray[np.float64]]:
    """Condition -> whether the first class is the true one and its probability, images x 2."""
    found = {}
    for quality, images in evaluated.images.items():
        with torch.inference_mode():
            parts = [method.predict(part, Context()) for part in images.split(BATCH)]
        shares = torch.cat(parts)
        right = (shares.argmax(1) == evaluated.labels).double()
        sure = shares.gather(1, evaluated.labels[:, None])[:, 0].double()
        found[str(quality)] = torch.stack([right, sure], 1).cpu().numpy()
    return found


def measured(
    name: str, seed: int, method: Any, evaluated: Evaluated, folder: str
) -> dict[str, NDArray[np.float64]]:
    """The same, kept in a file."""
    path = answers_file(folder, name, seed)
    if not path.is_file():
        made = {k: v.round(6).tolist() for k, v in answers(method(), evaluated).items()}
        write_whole(path, json.dumps(made).encode())
    return read_answers(path)


def read_answers(path: Path) -> dict[str, NDArray[np.float64]]:
    """The answers in a file."""
    return {k: np.array(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()}


def recovered(
    org: _Answers,
    trainings: Sequence[_Answers],
    part: slice,
    which: int,
    qualities: Sequence[int] = QUALITIES,
    *,
    than: Sequence[_Answers] | None = None,
) -> str:
    """Share of the loss that comes back, with its interval over images; its gain over other trainings."""
    names = [str(quality) for quality in qualities]
    bad = np.mean([org[n][part, which] for n in names], axis=0)
    good = org["0"][part, which]
    ours = np.mean([t[n][part, which] for t in trainings for n in names], axis=0)
    theirs = (
        bad if than is None else np.mean([t[n][part, which] for t in than for n in names], axis=0)
    )
    rows = sampled_mean((ours - theirs)[None]) / sampled_mean((good - bad)[None])
    low, high = Sampling(DRAWS, len(bad)).interval(rows)
    share = rows[0]
    sign = "" if than is None else "+"
    return f"{100 * share:{sign}.0f} [{100 * low:{sign}.0f}, {100 * high:{sign}.0f}]"


def table(org: _Answers, found: Mapping[str, Mapping[int, _Answers]]) -> pd.DataFrame:
    """A row per variant, as the page explains it.

    Args:
        org: Answers of the classifier alone.
        found: Variant -> training seed -> its answers.
    """
    plain = {v.images: found.get(v.name, {}) for v in VARIANTS if v.name in PLAIN_AFD}
    known = {v.name: v for v in VARIANTS}
    half = len(org["0"]) // 2
    first, other, whole = slice(0, half), slice(half, None), slice(None)
    rows = {}
    for name, by_seed in found.items():
        trainings = list(by_seed.values())
        rival = plain[known[name].images] if name not in PLAIN_AFD else {}
        both = sorted(by_seed.keys() & rival.keys())
        rows[name] = {
            "first half": recovered(org, trainings, first, 0),
            "other half": recovered(org, trainings, other, 0),
            "sure, all": recovered(org, trainings, whole, 1),
            "quality 7, all": recovered(org, trainings, whole, 0, (7,)),
            **{
                f"{label}, minus `afd`": ""
                if not both
                else recovered(
                    org, [by_seed[s] for s in both], part, 0, than=[rival[s] for s in both]
                )
                for label, part in (("other half", other), ("all", whole))
            },
            "clean": f"{100 * np.mean([t['0'][:, 0].mean() for t in trainings]):.1f}",
            "trainings": str(len(trainings)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("recipe")


def chosen_variants(options: argparse.Namespace) -> list[Variant]:
    """The variants to train, in the order of their worth."""
    chosen = [v for v in VARIANTS if options.more or not v.more]
    if options.only:
        chosen = [v for v in chosen if v.name in options.only.split(";")]
    return chosen


def work(options: argparse.Namespace, counter: Any, threads: int) -> None:
    """Train and evaluate one after the other of what nobody else has taken, until the time is up."""
    torch.set_num_threads(threads)
    deadline = time.monotonic() + options.seconds
    backbone = load_backbone(
        options.backbone, weights=options.weights, dataset=f"folder:{options.evaluated}",
        device=choose_device("auto"), resize=options.resize,
    )  # fmt: skip
    evaluated = Evaluated.read(backbone, options.evaluated)
    org = measured("org", 0, lambda: METHODS["org"](backbone), evaluated, options.folder)
    tasks = [(seed, v) for seed in range(options.seeds) for v in chosen_variants(options)]
    while time.monotonic() < deadline:
        with counter.get_lock():
            place, counter.value = counter.value, counter.value + 1
        if place >= len(tasks):
            return
        seed, variant = tasks[place]

        def method(variant: Variant = variant, seed: int = seed) -> Any:
            card = weights_of(variant, seed, backbone, options, deadline)
            return METHODS[variant.method](backbone, storage.load(card))

        try:
            told = measured(variant.name, seed, method, evaluated, options.folder)
        except TimeLimitReached as error:
            print(error)
            return
        print(seed, table(org, {variant.name: {seed: told}}).to_string(header=False), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backbone", default="torchvision:resnet18")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--photographs", required=True, help="folder to train on")
    parser.add_argument("--more", help="folder of further photographs")
    parser.add_argument("--evaluated", required=True, help="labelled photographs, by class")
    parser.add_argument("--resize", type=int, help="shorter side to resize all photographs to")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="names of variants, separated by semicolons")
    parser.add_argument("--time-limit", default="24h")
    parser.add_argument("--workers", type=int, default=1, help="processes, which share the device")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of each")
    parser.add_argument("--folder", default="repair-recipes")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table is written")
    options = parser.parse_args()
    options.seconds = seconds_in(options.time_limit)
    Path(options.folder).mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    counter = spawn.Value("i", 0)
    workers = [
        spawn.Process(target=work, args=(options, counter, options.threads))
        for _ in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    write_page(options)


def write_page(options: argparse.Namespace) -> None:
    """Write the table of everything that is in the folder.

    Rows of the page stay where the folder has fewer trainings of them.
    """

    def kept(name: str, seed: int) -> dict[str, NDArray[np.float64]] | None:
        path = answers_file(options.folder, name, seed)
        return read_answers(path) if path.is_file() else None

    org = kept("org", 0)
    if org is None:
        return
    found = {
        v.name: {s: told for s in range(options.seeds) if (told := kept(v.name, s)) is not None}
        for v in VARIANTS
    }
    if not any(found.values()):
        return
    made = table(org, {name: told for name, told in found.items() if told})
    known = read_table(options.page, options.backbone)
    if len(known):
        known = known.set_index("recipe")
        now = made["trainings"].astype(int).reindex(known.index, fill_value=0)
        known = known[known["trainings"].astype(int) > now]
        made = pd.concat([known, made[~made.index.isin(known.index)]])
    rows = made.reindex([v.name for v in VARIANTS if v.name in made.index]).reset_index()
    more = f"--more {Path(options.more).name} " if options.more else ""
    text = TEXT.format(
        count=len(org["0"]),
        clean=org["0"][:, 0].mean(),
        trainings=options.seeds,
        table=markdown(rows, left=1),
        command=f"python tests/benchmarks/repair_recipes.py --backbone {options.backbone} --weights "
        f"{Path(options.weights).name} --photographs {Path(options.photographs).name} {more}"
        f"--evaluated {Path(options.evaluated).name}",
    )
    write_block(options.page, options.backbone, text)


if __name__ == "__main__":
    main()
