"""How much memory a run's tables and report take: run ``python tests/benchmarks/table_memory.py``.

Runs of 25 and 250 cells of 20,000 made-up images each; a process of its own for each measurement,
which says how much its largest size rose above what it had with everything imported.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from robobench.corruptions import catalogue
from robobench.results.manifest import write_manifest
from robobench.results.run import load
from robobench.results.store import Store
from robobench.types import Cell, Predictions

IMAGES = 20_000
WORKS = ("frame", "summary", "report")


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


def measure(work: str, folder: Path, small: Path) -> tuple[float, float]:
    """MB and seconds of one kind of work; a small run is worked on first, for all imports."""
    _do(work, small)
    before, start = largest(), time.perf_counter()
    _do(work, folder)
    return largest() - before, time.perf_counter() - start


def _do(work: str, folder: Path) -> None:
    run = load(folder)
    if work == "frame":
        assert len(run.frame)
    elif work == "summary":
        assert len(run.summary())
    else:
        from robobench.reports.builder import build

        build(run, folder / "report", formats=("csv",))


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        write_run(small := Path(scratch, "small"), 25, 20)
        for cells in (25, 250):
            write_run(folder := Path(scratch, str(cells)), cells)
            for work in WORKS:
                child = [sys.executable, __file__, work, str(folder), str(small)]
                told = subprocess.run(child, check=True, capture_output=True, text=True).stdout
                rise, seconds = map(float, told.split())
                print(f"{cells} cells, {work}: {rise:.0f} MB, {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(*measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        main()
