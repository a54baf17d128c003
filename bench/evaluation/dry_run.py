"""What a run would cost: ``robobench run --dry-run``."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.evaluation.plan import Plan
from robobench.evaluation.runner import chunk_size, context_for, missing_cells, predict_chunk
from robobench.results.store import Store
from robobench.types import Cell

# Bytes of one stored prediction, compressed (measured on runs of 2,000 to 10,000 images).
_BYTES = 11


@dataclass(frozen=True)
class Estimate:
    """The work that is left to do.

    Attributes:
        cells: Number of cells in the grid.
        stored: Number of cells that are already complete.
        predictions: Number of predictions left to make.
        seconds: Estimated time for them here, from a trial of one chunk per method.
        megabytes: Estimated growth of the folder.
        missing: One line per missing cell.
    """

    cells: int
    stored: int
    predictions: int
    seconds: float
    megabytes: float
    missing: list[str]


def estimate(plan: Plan) -> Estimate:
    """Count what is missing and time one chunk of each method on this machine."""
    store = Store(plan.configuration.folder)
    missing = missing_cells(plan.grid, plan.source, store)
    speed: dict[int, float] = {}
    seconds = 0.0
    for method, cell, images in missing:
        if id(method) not in speed:
            speed[id(method)] = _seconds_per_image(plan, method, cell)
        degrade = 0.0 if cell.degradation.is_clean else 1e-4  # shared by all methods of a condition
        seconds += images * (speed[id(method)] + degrade)
    predictions = sum(images for _, _, images in missing)
    cells = len(plan.grid.cells())
    return Estimate(
        cells=cells,
        stored=cells - len(missing),
        predictions=predictions,
        seconds=seconds,
        megabytes=predictions * _BYTES / 1e6,
        missing=[
            f"{c.method}{f'@{c.trained_on}' if c.trained_on else ''} on {c.degradation.label}: "
            f"{images} images"
            for _, c, images in missing
        ],
    )


def _seconds_per_image(plan: Plan, method: Method, cell: Cell) -> float:
    """Seconds per prediction on a cell's images, from the second of two chunks (after warm-up)."""
    source = plan.source
    size = chunk_size(source.side)
    indices = source.order[: min(size, len(source))]
    clean, images = source.batch(0, len(indices), cell.degradation, cell.seed)
    context = context_for(method, source, cell.degradation, indices, len(indices))
    elapsed = 0.0
    for _ in range(2):
        began = time.perf_counter()
        try:
            with torch.inference_mode():
                predict_chunk(method, images, context)
                method.columns(images, clean, context)
        except RobobenchError:
            raise
        except Exception:  # noqa: BLE001 - the run itself reports which cell failed, and why
            return 0.0
        elapsed = time.perf_counter() - began
    return elapsed / len(images)
