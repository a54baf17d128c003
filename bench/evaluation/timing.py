"""How long each method takes for an image, measured on the device of a run.

A trial before the cells are filled: while they are, the next images are degraded at the same time, on
the same cores or the same GPU, and the features of a stem are shared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from typing import Any, Final

import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.evaluation.chunks import chunk_size, context_for, padded
from robobench.evaluation.grid import Grid
from robobench.evaluation.images import ImageSource
from robobench.evaluation.runner import first_clean
from robobench.results.store import Store
from robobench.types import Context, Degradation
from robobench.weights.selection import SelectedMethod

_Read = Callable[[int, int, Degradation, int], tuple[Tensor, Tensor]]

_CALLS: Final = 3
_SECONDS: Final = 1.0  # per condition, the first call included, after which there is no other
_SLOW: Final = 10.0  # seconds of a first call beside which compiling and filling caches is little


def time_methods(grid: Grid, source: ImageSource, store: Store) -> list[dict[str, Any]]:
    """Time every method that has cells to fill, on its first condition and its last.

    The images are those of the run, as many at once as in it. The fastest of three calls after a
    first one counts, or the first where it took over ten seconds; methods take turns, so that other
    load on the machine affects all alike.

    Returns:
        For each method ``backbone``, ``method``, ``trained_on``, ``train_seed`` (as in the manifest's
        list of methods), ``milliseconds`` per image, and the number of images of a ``batch``. A method
        that raises is left out: the run says which of its cells failed.
    """
    trials = [
        [_Trial(selected, condition) for condition in _conditions(grid, selected, source, store)]
        for selected in grid.methods
    ]
    read = cache(source.batch)  # methods share the images of a condition
    for _ in range(1 + _CALLS):
        for trial in chain.from_iterable(trials):
            trial.call(source, read)
    return [
        {
            "backbone": own[0].selected.backbone.label,
            "method": own[0].selected.name,
            "trained_on": own[0].selected.trained_on,
            "train_seed": own[0].selected.train_seed,
            "milliseconds": float(f"{1000 * sum(t.fastest for t in own) / len(own):.4g}"),
            "batch": own[0].size,
        }
        for own in trials
        if own and all(t.fastest < math.inf for t in own)
    ]


def _conditions(
    grid: Grid, selected: SelectedMethod, source: ImageSource, store: Store
) -> list[tuple[Degradation, int]]:
    """The first and the last condition under which a method has nothing stored."""
    missing = [
        condition
        for condition in grid.conditions()
        if (cell := grid.cell(selected, *condition)) is not None
        and source.has(condition[0])
        and not store.has(cell)
    ]
    return list(dict.fromkeys((missing[0], missing[-1]))) if missing and len(source) else []


def images_at_once(method: Method, side: int) -> int:
    """Number of images of this side that a method gets together."""
    return method.batch_size(side) if method.adapts else chunk_size(side)


@dataclass
class _Trial:
    """A method under one condition.

    Attributes:
        selected: The method.
        condition: Degradation and seed.
        fastest: Seconds per image in its fastest call; infinite before, and if it raised.
        size: Number of images of a batch.
    """

    selected: SelectedMethod
    condition: tuple[Degradation, int]
    fastest: float = math.inf
    size: int = 0
    _input: tuple[Tensor, Context] | None = None
    _spent: float = 0.0
    _failed: bool = False

    def call(self, source: ImageSource, read: _Read) -> None:
        """Predict once; the first time to compile and fill caches, unless it is slow, then timed."""
        if self._failed or (self._spent > _SECONDS and self.fastest < math.inf):
            return
        first = self._input is None
        try:
            with torch.inference_mode():
                self._input = self._input or self._prepare(source, read)
                seconds = self._predict(*self._input)
        except (Exception, SystemExit):  # noqa: BLE001 - foreign code, whose cells fail by name
            self.fastest, self._failed = math.inf, True
            return
        self._spent += seconds
        if not first or seconds >= _SLOW:
            self.fastest = min(self.fastest, seconds / len(self._input[0]))

    def _prepare(self, source: ImageSource, read: _Read) -> tuple[Tensor, Context]:
        """Images and context, as in the run."""
        method = self.selected.method
        size = images_at_once(method, source.side)
        self.size, count = size, min(size, len(source))
        degradation, seed = self.condition
        _, images = read(0, count, degradation, seed)
        if method.adapts:  # such a method gets fewer images at the end, others get padding
            method.begin(partial(first_clean, source))
        else:
            images = padded(images, size)
        return images, context_for(method, source, degradation, source.order[:count], len(images))

    def _predict(self, images: Tensor, context: Context) -> float:
        """Duration in seconds; the result is fetched, so that a GPU has finished."""
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
        began = time.perf_counter()
        self.selected.method.predict(images, context).sum().item()
        return time.perf_counter() - began
