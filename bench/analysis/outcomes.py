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
from robobench.types import Cell, Degradation, Predictions


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


@dataclass(frozen=True)
class Tally:
    """How many images of a cell are right, where it is not known which.

    Attributes:
        cell: The cell.
        count: Number of images, at least 1.
        right: How many of them were classified correctly.
    """

    cell: Cell
    count: int
    right: int


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
        seen: bool, cells x N: the images that each cell has, where cells have their own by design
            (`correct` is false elsewhere); None where each has all.
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
    """Restrict cells to the images that all of them have, or all on one level.

    Cells of one data set may have different numbers of images (``--limit`` was raised, a run was
    interrupted); comparisons must be on the same images. Where a sweep's levels are divided among
    the images, those of one level differ from those of another by design, and cells are restricted
    to the images that all cells of the same degradation and seed have.

    Raises:
        RobobenchError: There are no cells, data sets are mixed, or no image is common to all.
    """
    if not found:
        raise RobobenchError("there are no cells: compute them with `robobench run`")
    sources = sorted({(one.cell.dataset, one.cell.split) for one in found})
    if len(sources) > 1:
        names = ", ".join(f"{d} {s}" for d, s in sources)
        raise RobobenchError(f"cells of different data sets have no images in common: {names}")
    index = _images_of(found)
    if not len(index):
        raise _nothing_in_common(sources[0][0])
    if any(one.cell.sweep for one in found):
        return _align_levels(found, index)
    sizes = [len(one.index) for one in found]
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
        equal = len(one.index) == len(index)
        correct[row] = one.correct if equal else one.correct[np.searchsorted(one.index, index)]
    cells = tuple(one.cell for one in found)
    return Aligned(cells, index, correct, notes, commonest=_commonest(found))


def _commonest(found: Sequence[Outcomes]) -> float:
    """The share of the most frequent class, by the cell with most images."""
    return max(found, key=lambda one: len(one.index)).commonest


def _images_of(found: Sequence[Outcomes]) -> NDArray[np.int64]:
    """The images that all cells have whose images are not chosen by level; without any, all images."""
    whole = {id(one.index): one.index for one in found if not one.cell.sweep}
    if whole:
        return reduce(np.intersect1d, whole.values())
    return np.unique(np.concatenate([one.index for one in found]))


def _align_levels(found: Sequence[Outcomes], index: NDArray[np.int64]) -> Aligned:
    """The same as `align`, where some cells have images of their own by design."""
    shared: dict[tuple[Degradation, int], NDArray[np.bool_]] = {}
    own = [np.isin(index, one.index, assume_unique=True) for one in found]
    for one, has in zip(found, own, strict=True):
        condition = one.cell.degradation, one.cell.seed
        shared[condition] = shared[condition] & has if condition in shared else has
    seen = np.stack([shared[one.cell.degradation, one.cell.seed] for one in found])
    if not seen.any(axis=1).all():
        raise _nothing_in_common(found[0].cell.dataset)
    correct = np.zeros_like(seen)
    for row, one in enumerate(found):
        correct[row, seen[row]] = one.correct[np.searchsorted(one.index, index[seen[row]])]
    sizes = seen.sum(axis=1).tolist()
    left_out = sum(len(one.index) > size for one, size in zip(found, sizes, strict=True))
    note = (
        f"{left_out} of {len(found)} cells of {found[0].cell.dataset} have images that other cells "
        "of the same level lack: means, differences and their intervals are without them"
    )
    cells = tuple(one.cell for one in found)
    return Aligned(cells, index, correct, (note,) if left_out else (), seen, _commonest(found))


def image_shares(found: Sequence[Outcomes]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What each image contributes to the mean accuracy over cells.

    Where all cells have the same images, it is the mean of an image's outcomes. Where the levels of
    a sweep are divided among them, an outcome counts as often as its cell has few images.

    Args:
        found: The cells.

    Returns:
        The images, int64 N ascending, and their contributions, whose mean is the mean accuracy.
    """
    index = _images_of(found)
    total = np.zeros(len(index))
    for one in found:
        has = np.isin(index, one.index, assume_unique=True)
        right = one.correct[np.searchsorted(one.index, index[has])]
        total[has] += right * (len(index) / max(int(has.sum()), 1))
    return index, total / len(found)


def _nothing_in_common(dataset: str) -> RobobenchError:
    return RobobenchError(
        f"the cells of {dataset} have no image in common: compare runs on the same images"
    )
