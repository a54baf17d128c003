"""What a run would cost: ``robobench run --dry-run``."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from robobench.plan import Plan
from robobench.runner import chunk_size, missing_cells
from robobench.store import Store
from robobench.types import Context

# Bytes of one stored prediction, compressed (measured on runs of 2,000 to 10,000 images).
_BYTES = 11


@dataclass(frozen=True)
class Estimate:
    """The size of what is left to do.

    Attributes:
        cells: Of the whole grid.
        stored: Of those, complete already.
        predictions: Left to make.
        seconds: That they will take here, from a trial of one chunk of each method.
        megabytes: That the folder will grow by.
        missing: One line a cell that is left.
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
    missing = missing_cells(plan.grid, plan.entrants, plan.source, store)
    speed: dict[int, float] = {}
    seconds = 0.0
    for entrant, cell, images in missing:
        if id(entrant) not in speed:
            speed[id(entrant)] = _seconds_per_image(plan, entrant.method)
        degrade = 0.0 if cell.degradation.is_clean else 1e-4  # shared by all methods of a condition
        seconds += images * (speed[id(entrant)] + degrade)
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


def _seconds_per_image(plan: Plan, method: object) -> float:
    """Of one prediction, the second of two chunks (the first one warms up)."""
    from robobench.runner import predict_chunk

    size = chunk_size(plan.source.side)
    images = plan.source.clean(0, min(size, len(plan.source)))
    elapsed = 0.0
    for _ in range(2):
        began = time.perf_counter()
        with torch.inference_mode():
            predict_chunk(method, images, Context())  # type: ignore[arg-type]
        elapsed = time.perf_counter() - began
    return elapsed / len(images)
