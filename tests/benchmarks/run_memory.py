"""Write docs/memory.md: how much memory a run takes, and its tables and report.

    python tests/benchmarks/run_memory.py

takes some minutes: a process of its own for each measurement, whose largest size is told. Runs are of
1,000 to 20,000 made-up images; tables and reports of 25 and 250 cells of 20,000 images each.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from markdown_tables import markdown

from robobench.cli._memory import keep_freed_memory
from robobench.corruptions import catalogue
from robobench.files import write_whole
from robobench.results.manifest import write_manifest
from robobench.results.run import load
from robobench.results.store import Store
from robobench.types import Cell, Predictions

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"
IMAGES = 20_000
EVALUATED = (1_000, 10_000, 20_000)
SIDE = 32
WORKS = ("frame", "summary", "report")
TEXT = """\
# Memory

The largest size of a process, in MB, on one thread of the processor. *Beyond* is how much it rises from one line to the next,
without the bytes of the images that are more.

`org` and `median` on made-up images of {side} pixels under JPEG of ten qualities and noise of five severities, tables included:

{evaluated}

Tables and report, of runs of five methods with {images:,} images in each cell:

{reported}

Made by `python tests/benchmarks/run_memory.py`.
"""


def write_run(folder: Path, cells: int, images: int = IMAGES) -> None:
    """A run of five methods, each on qualities of JPEG."""
    store, rng = Store(folder), np.random.default_rng(0)
    luck, label = rng.random(images), rng.integers(0, 10, images)
    methods = ["org", *(f"m{place}" for place in range(1, 5))]
    for place, method in enumerate(methods):
        for quality in range(1, cells // len(methods) + 1):
            made = catalogue.at_level("jpeg_compression", quality)
            right = luck + 0.1 * rng.standard_normal(images) < 0.5 + 0.05 * place + quality / 250
            cell = Cell(
                *("toy", "test", "as-is", "crop", made.profile, made.corruption, made.level, 0),
                *(method, "net", "w", "clean", 0),
            )
            share = rng.random(images, np.float32)
            predicted = np.where(right, label, (label + 1) % 10)
            store.put(cell, Predictions(np.arange(images), label, predicted, share, share))
    told = {"trained_on": "clean", "train_seed": 0, "weights": {"": "w"}, "backbone": "net"}
    dataset = {"name": "toy", "split": "test", "fingerprint": "f", "count": images}
    write_manifest(
        folder,
        {
            "command": "robobench run",
            "profile": "cifar-c",
            "dataset": {**dataset, "total": images},
            "methods": [{"label": m, "method": m, **told} for m in methods],
        },
    )


def largest() -> float:
    """The largest size that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(work: str, folder: Path) -> tuple[float, float]:
    """MB and seconds of one kind of work, imports included."""
    start = time.perf_counter()
    _do(work, folder)
    return largest(), time.perf_counter() - start


def evaluate(images: int, folder: Path) -> tuple[float, float]:
    """MB and seconds of a run on so many images."""
    import torch

    import robobench

    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()  # as the command line does
    pixels = np.random.default_rng(0).integers(0, 255, (images, SIDE, SIDE, 3), dtype=np.uint8)
    network = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 16, 3, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)),
        *(torch.nn.Flatten(), torch.nn.Linear(16, 10)),
    )
    start = time.perf_counter()
    robobench.run(
        methods="org,median",
        corruptions="jpeg:10-100/10,gaussian_noise",
        dataset=(pixels, np.arange(images) % 10),
        backbone=network,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        out=folder,
    )
    return largest(), time.perf_counter() - start


def _do(work: str, folder: Path) -> None:
    run = load(folder)
    if work == "frame":
        assert len(run.frame)
    elif work == "summary":
        assert len(run.summary())
    else:
        from robobench.reports.builder import build

        build(run, folder / "report", formats=("csv",))


def in_a_process(*arguments: str) -> tuple[float, float]:
    """What `measure` or `evaluate` says in a process of its own."""
    child = [sys.executable, __file__, *arguments]
    told = subprocess.run(child, check=True, capture_output=True, text=True).stdout
    size, seconds = map(float, told.split("\n")[-2].split())
    print(*arguments, f"{size:.0f} MB, {seconds:.1f} s", flush=True)
    return size, seconds


def table_of_runs(scratch: str) -> pd.DataFrame:
    rows, before = [], (0, 0.0)
    for images in EVALUATED:
        size, _ = in_a_process("run", str(images), str(Path(scratch, f"run-{images}")))
        more = 3 * SIDE**2 * (images - before[0]) / 2**20
        beyond = (size - before[1] - more) / before[1] if before[1] else None
        rows.append(
            {
                "images": f"{images:,}",
                "MB": f"{size:.0f}",
                "beyond": "" if beyond is None else f"{beyond:+.1%}",
            }
        )
        before = images, size
    return pd.DataFrame(rows)


def table_of_reports(scratch: str) -> pd.DataFrame:
    found: dict[str, list[float]] = {work: [] for work in WORKS}
    for cells in (25, 250):
        write_run(folder := Path(scratch, str(cells)), cells)
        for work in WORKS:
            found[work].append(in_a_process(work, str(folder))[0])
    rows = [
        {
            "": work,
            "25 cells": f"{few:.0f}",
            "250 cells": f"{many:.0f}",
            "beyond": f"{many / few - 1:+.1%}",
            "bytes per image and cell": f"{(many - few) * 2**20 / (225 * IMAGES):.1f}",
        }
        for work, (few, many) in found.items()
    ]
    return pd.DataFrame(rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        text = TEXT.format(
            side=SIDE,
            images=IMAGES,
            evaluated=markdown(table_of_runs(scratch)),
            reported=markdown(table_of_reports(scratch)),
        )
    write_whole(PAGE, text.encode())


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        print(*evaluate(int(sys.argv[2]), Path(sys.argv[3])))
    elif sys.argv[1:]:
        print(*measure(sys.argv[1], Path(sys.argv[2])))
    else:
        main()
