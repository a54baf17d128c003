"""Outcomes (right or wrong, image by image): all that tables over several cells need.

A cell's predictions take at least 32 bytes per image, its outcomes one. Tables over a whole run
therefore read its cells one by one and keep only outcomes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from robobench.errors import RobobenchError
from robobench.types import Cell, Predictions


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of one cell: right or wrong, image by image.

    Attributes:
        cell: The cell.
        index: int64 N, ascending: indices in the data set.
        correct: bool N, whether each image was classified correctly.
        commonest: Share of the most frequent class, which naming it always would get right; 0 where
            it is not known.
    """

    cell: Cell
    index: NDArray[np.int64]
    correct: NDArray[np.bool_]
    commonest: float = 0.0


def outcomes_of(cells: Iterable[tuple[Cell, Predictions]]) -> list[Outcomes]:
    """The outcomes of cells, read one at a time; cells on the same images share `index`."""
    found: list[Outcomes] = []
    for _ in keeping_outcomes(cells, found):
        pass
    return found


def keeping_outcomes(
    cells: Iterable[tuple[Cell, Predictions]], found: list[Outcomes]
) -> Iterator[tuple[Cell, Predictions]]:
    """The same cells, one at a time, for a reader that needs more of them; their outcomes go into `found`."""
    indices: list[NDArray[np.int64]] = []
    for cell, predictions in cells:
        index = np.asarray(predictions.index)
        known = next((other for other in indices if np.array_equal(other, index)), None)
        if known is None:
            indices.append(known := index)
        _, counts = np.unique(predictions.label, return_counts=True)
        commonest = float(counts.max(initial=0)) / max(len(predictions), 1)
        found.append(Outcomes(cell, known, predictions.correct, commonest))
        yield cell, predictions


@dataclass(frozen=True)
class Aligned:
    """Cells on the same images.

    Attributes:
        cells: The cell of each row of `correct`.
        index: int64 N, ascending: indices in the data set.
        correct: bool, cells x N, whether each image was classified correctly.
        notes: What had to be left out, as sentences.
        seen: bool, cells x N: the images that each cell has, where cells have their own by design;
            None where each has all.
        commonest: Share of the most frequent class.
    """

    cells: tuple[Cell, ...]
    index: NDArray[np.int64]
    correct: NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    seen: NDArray[np.bool_] | None = None
    commonest: float = 0.0

    def count_of(self, row: int) -> int:
        """Number of images of a cell."""
        return len(self.index) if self.seen is None else int(self.seen[row].sum())

    def gain_of_leaving_out(self, row: int) -> NDArray[np.float64]:
        """By how much a cell's accuracy changes with each image left out in turn, float64 N."""
        count = self.count_of(row)
        right = self.correct[row].astype(np.float64)
        seen = np.ones(count, np.bool_) if self.seen is None else self.seen[row]
        change: NDArray[np.float64] = np.where(seen, right[seen].mean() - right, 0.0)
        return change / max(count - 1, 1)


def align(found: Sequence[Outcomes]) -> Aligned:
    """Restrict cells to the images that all of them have.

    Cells of one data set may have different numbers of images (``--limit`` was raised, a run was
    interrupted); comparisons must be on the same images.

    Raises:
        RobobenchError: There are no cells, data sets are mixed, or no image is common to all.
    """
    if not found:
        raise RobobenchError("there are no cells: compute them with `robobench run`")
    sources = sorted({(one.cell.dataset, one.cell.split) for one in found})
    if len(sources) > 1:
        names = ", ".join(f"{d} {s}" for d, s in sources)
        raise RobobenchError(f"cells of different data sets have no images in common: {names}")
    distinct = {id(one.index): one.index for one in found}
    index = reduce(np.intersect1d, distinct.values())
    sizes = [len(one.index) for one in found]
    if not len(index):
        raise RobobenchError(
            f"the cells of {sources[0][0]} have no image in common: compare runs on the same images"
        )
    notes: tuple[str, ...] = ()
    if max(sizes) != len(index) or min(sizes) != len(index):
        fewer = sum(size < max(sizes) for size in sizes)
        note = (
            f"{fewer} of {len(found)} cells of {sources[0][0]} have fewer images than the "
            f"{max(sizes)} of the others: means, differences and their intervals are over the "
            f"{len(index)} images that all of them have"
        )
        notes = (note,)
    correct = np.empty((len(found), len(index)), np.bool_)
    for row, one in enumerate(found):
        whole = len(one.index) == len(index)
        correct[row] = one.correct if whole else one.correct[np.searchsorted(one.index, index)]
    commonest = max(one.commonest for one in found)
    return Aligned(tuple(one.cell for one in found), index, correct, notes, commonest=commonest)
