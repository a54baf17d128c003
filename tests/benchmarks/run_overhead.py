"""How long a run takes beside bare forward passes of the same network on the same degraded images.

    python tests/benchmarks/run_overhead.py --weights FOLDER --photographs FOLDER

needs CIFAR-10 (``ROBOBENCH_DATA``), ``cifar10-resnet56.safetensors`` and ``imagenet-resnet18.safetensors``
in the folder of weights, and ImageNet-like photographs, one folder per class. ``--shipped`` measures
`shapes10` with the classifier that ships instead.

The bare passes are what a user would write: the network as its library makes it, a loop over batches of
the size that is fastest here, and images that have been read and degraded beforehand. The run opens
its images and its network, reads, degrades, judges and stores. The two take turns, so that what else
the machine does affects both alike, and ratios are medians over turns:

- *clock*: of the time on a clock, which says little on a busy machine;
- *one core*: of the processor time of all threads, as if degrading had to wait for classifying;
- *spare core*: of the processor time of the thread that classifies, or of the others together if that is
  longer, as images are degraded ahead of it on another core.

Networks run on one thread of the processor, or on the GPU with ``--device cuda``, where only the clock
counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from benchmarked_networks import add_arguments, networks
from markdown_tables import markdown, write_block
from torch import Tensor

import robobench
from robobench.backbones.backbone import Backbone
from robobench.cli._memory import keep_freed_memory
from robobench.evaluation.classifiers import prepare_all
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import Plan

BATCHES = (16, 32, 64, 128, 256)
SELECTORS = {"JPEG of ten qualities": "jpeg:10-100/10", "common": "common"}


class Spent(NamedTuple):
    """Seconds: on a clock, of the processor in all threads, and in this thread alone."""

    clock: float
    all_threads: float
    one_thread: float


def spent(work: Callable[[], object]) -> Spent:
    """What a piece of work takes."""
    before = time.perf_counter(), time.process_time(), time.thread_time()
    work()
    now = time.perf_counter(), time.process_time(), time.thread_time()
    return Spent(*(b - a for a, b in zip(before, now, strict=True)))


class Bare:
    """A plain loop over degraded images that are in memory.

    Args:
        plan: The run whose images and network it takes.
    """

    def __init__(self, plan: Plan) -> None:
        self.backbone: Backbone = plan.grid.methods[0].backbone
        self.network = self.backbone.module.to(memory_format=torch.contiguous_format)
        source, count = plan.source, len(plan.source)
        self.images = [
            source.batch(0, count, degradation, seed)[1]
            for degradation, seed in plan.grid.conditions()
        ]
        geometry = self.backbone.geometry
        device = self.backbone.device
        self.mean, self.std = (
            torch.tensor(numbers, device=device).view(1, 3, 1, 1)
            for numbers in (geometry.mean, geometry.std)
        )
        # Short trials that take turns; the fastest of each size counts.
        some = self.images[0][: max(BATCHES)]
        trials = {
            batch: [spent(lambda b=batch: self.over(some, b)) for _ in range(3)]
            for batch in BATCHES
        }
        self.batch = min(trials, key=lambda batch: min(t.all_threads for t in trials[batch]))

    def over(self, images: Tensor, batch: int) -> Tensor:
        """Classes of these images."""
        found = []
        with torch.inference_mode():
            for piece in images.split(batch):
                inputs = (piece.to(self.backbone.device).float() / 255 - self.mean) / self.std
                found.append(self.network(inputs).softmax(1).argmax(1).cpu())
        return torch.cat(found)

    def __call__(self) -> None:
        for images in self.images:
            self.over(images, self.batch)


def compared(run: Spent, bare: Spent) -> tuple[float, float, float]:
    """The ratios: clock, one core, spare core."""
    longer = max(run.one_thread, run.all_threads - run.one_thread)
    return run.clock / bare.clock, run.all_threads / bare.all_threads, longer / bare.all_threads


def measure(settings: Mapping[str, Any], turns: int) -> dict[str, str]:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        (plan,) = prepare_all(Configuration.from_settings({**settings, "out": folder}))
    bare = Bare(plan)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            done = robobench.run(**settings, out=folder)
            assert len(done.cells) == len(bare.images)

    ratios, seconds = [], []
    for turn in range(turns):
        pair = [run, bare] if turn % 2 else [bare, run]
        took = {work: spent(work) for work in pair}
        ratios.append(compared(took[run], took[bare]))
        seconds.append(took[bare].all_threads)
    clock, one_core, spare_core = (
        f"{statistics.median(column):.2f}" for column in zip(*ratios, strict=True)
    )
    passes = len(bare.images) * len(plan.source)
    row = {
        "network": bare.backbone.label,
        "pixels": f"{plan.source.side}",
        "corruptions": next(k for k, v in SELECTORS.items() if v == settings["corruptions"]),
        "passes": f"{passes:,}",
        "ms per bare pass": f"{1000 * statistics.median(seconds) / passes:.2f}",
        "batch": f"{bare.batch}",
        "clock": clock,
        "one core": one_core,
        "spare core": spare_core,
    }
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("--small-images", type=int, default=1000, help="of 32 pixels")
    parser.add_argument("--large-images", type=int, default=250, help="of 224 pixels")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--into", type=Path, help="page whose block `overhead` becomes the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as the command line does, for both
    counts = options.small_images, options.large_images
    every = [
        {**network, "limit": images, "corruptions": corruptions, "severities": 3}
        for network, images in zip(networks(parser, options), counts, strict=False)
        for corruptions in SELECTORS.values()
    ]
    if not every:
        return
    measure({**every[0], "limit": 20}, 1)  # compiles and imports
    text = markdown(pd.DataFrame([measure(case, options.turns) for case in every]))
    print(text)
    if options.into:
        write_block(options.into, "overhead", text)


if __name__ == "__main__":
    main()
