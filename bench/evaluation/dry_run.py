"""What a run would cost: ``robobench run --dry-run``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.evaluation.chunks import context_for, predict_chunk
from robobench.evaluation.plan import Plan
from robobench.evaluation.runner import first_clean, missing_cells
from robobench.evaluation.timing import images_at_once
from robobench.results.store import Store
from robobench.types import Cell, Degradation

# Bytes of one stored prediction, compressed (measured on runs of 2,000 to 10,000 images).
_BYTES = 16
_DEGRADING = 1e-4  # seconds per image, roughly


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
    """Count what is missing and time one chunk of each method on this machine.

    Raises:
        RobobenchError: See `ImageSource.check`.
    """
    plan.source.check()
    store = Store(plan.configuration.folder)
    missing = missing_cells(plan.part, plan.source, store)
    trial = _Trial(plan)
    seconds = 0.0
    shared: dict[tuple[Degradation, int, int], tuple[float, int]] = {}
    for method, cell, images in missing:
        seconds += images * trial.own_seconds(method, cell)
        for key, each in trial.shared_seconds(method, cell).items():
            known = shared.get((cell.degradation, cell.seed, key), (each, 0))[1]
            shared[cell.degradation, cell.seed, key] = each, max(known, images)
    seconds += sum(each * images for each, images in shared.values())  # once per condition
    predictions = sum(images for _, _, images in missing)
    cells = len(plan.part.cells())
    return Estimate(
        cells=cells,
        stored=cells - len(missing),
        predictions=predictions,
        seconds=seconds,
        megabytes=sum(n * _bytes(method, plan.grid.keep_logits) for method, _, n in missing) / 1e6,
        missing=[f"{cell.title}: {images} images" for _, cell, images in missing],
    )


def _bytes(method: Method, with_logits: bool) -> int:
    """Size of one stored prediction; logits take two bytes each."""
    return _BYTES + (2 * method.backbone.num_classes if with_logits else 0)


class _Trial:
    """Times one chunk of each method on a run's own images, after a warm-up.

    Methods on one classifier share the images that were degraded and the stem's features; both are
    timed apart from what is a method's own.
    """

    def __init__(self, plan: Plan) -> None:
        self._source = plan.source
        self._own: dict[int, float] = {}
        self._stem: dict[int, float] = {}

    def own_seconds(self, method: Method, cell: Cell) -> float:
        """Seconds per image of what only this method does."""
        if id(method) not in self._own:
            self._measure(method, cell)
        return self._own[id(method)]

    def shared_seconds(self, method: Method, cell: Cell) -> dict[int, float]:
        """Seconds per image of what other methods share in the same condition, by what it is."""
        found = {} if cell.degradation.is_clean else {0: _DEGRADING}
        if _uses_stem(method):
            found[id(method.backbone)] = self._stem.get(id(method.backbone), 0.0)
        return found

    def _measure(self, method: Method, cell: Cell) -> None:
        source = self._source
        indices = source.order[: images_at_once(method, source.side)]
        clean, images = source.batch(0, len(indices), cell.degradation, cell.seed)
        context = context_for(method, source, cell.degradation, indices, len(indices))
        stems: dict[int, Tensor] = {}

        def predict() -> None:
            predict_chunk(method, images, context, stems)
            method.columns(images, clean, context)

        try:
            with torch.inference_mode():
                method.begin(partial(first_clean, source))
                predict()  # fills `stems`
                self._own[id(method)] = _timed(predict) / len(images)
                if _uses_stem(method) and id(method.backbone) not in self._stem:
                    elapsed = _timed(lambda: method.backbone.stem(images))
                    self._stem[id(method.backbone)] = elapsed / len(images)
        except RobobenchError:
            raise
        except Exception:  # noqa: BLE001 - the run itself reports which cell failed, and why
            self._own[id(method)] = 0.0


def _uses_stem(method: Method) -> bool:
    return type(method).from_stem is not Method.from_stem and method.backbone.splittable


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
