"""What sections need of single images, read in one pass: confidence, estimates, who errs where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robobench.reports.leaderboard import Leaderboard
from robobench.reports.ranking import leading
from robobench.types import CLEAN, Predictions

if TYPE_CHECKING:
    from robobench.types import Cell, Degradation

BINS = 10  # of confidence
MOST_METHODS = 20  # whose single predictions are kept
MOST_IMAGES = 400  # of which they are kept
INVALID, ABSENT = -1, -2  # no valid answer; no cell
_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Estimate:
    """The levels that a method estimated under one condition.

    Attributes:
        level: The true level.
        count: Number of images.
        low: The 5 % quantile of the estimates.
        median: Their median.
        high: Their 95 % quantile.
        error: Their mean absolute error.
    """

    level: float
    count: int
    low: float
    median: float
    high: float
    error: float


@dataclass
class Reliability:
    """Images by confidence: float64 `BINS` each.

    Attributes:
        count: Their number.
        right: How many of them were right.
        confidence: The sum of their confidences.
    """

    count: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    right: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    confidence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))

    def add(self, found: Predictions) -> None:
        """Count the images of a cell."""
        known = np.isfinite(found.confidence)
        confidence = np.asarray(found.confidence[known], np.float64)
        place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        self.count += np.bincount(place, minlength=BINS)
        self.right += np.bincount(place, found.correct[known], minlength=BINS)
        self.confidence += np.bincount(place, confidence, minlength=BINS)


@dataclass
class PerImage:
    """Single images of a leaderboard.

    Attributes:
        reliability: By label and whether the images are clean.
        estimates: By label and corruption, in order of level.
        labels: The methods whose predictions are kept.
        conditions: The conditions in order, clean first.
        index: int64 K: the images that are kept, as indices in the data set.
        truth: int64 K: their classes.
        total: Number of images that all cells have.
        predicted: int64, conditions x labels x K: classes, `INVALID` or `ABSENT`.
        confidence: uint8, likewise: in percent.
        better: int64, conditions x labels x labels: on how many of all images the first is right
            and the second wrong.
    """

    reliability: dict[tuple[str, bool], Reliability]
    estimates: dict[tuple[str, str], list[Estimate]]
    labels: list[str]
    conditions: list[Degradation]
    index: NDArray[np.int64]
    truth: NDArray[np.int64]
    total: int
    predicted: NDArray[np.int64]
    confidence: NDArray[np.uint8]
    better: NDArray[np.int64]


def per_image(board: Leaderboard) -> PerImage:
    """The single images of a leaderboard; computed once for all sections.

    Of several trainings and seeds of corruptions, reliability and estimates take all, and what is
    kept of single images comes from the first.
    """
    known: dict[str, PerImage] = vars(board)
    if "_per_image" not in known:
        known["_per_image"] = _read(board)
    return known["_per_image"]


def _read(board: Leaderboard) -> PerImage:
    labels = {(row.method, row.trained_on): row.label for row in board.rows}
    mine = (board.dataset, board.split, board.backbone)
    cells = [c for c in board.run.cells if (c.dataset, c.split, c.backbone) == mine]
    conditions = list(dict.fromkeys(c.degradation for c in sorted(cells, key=_order(board))))
    kept = [row.label for row in leading(board, MOST_METHODS - 1)]
    common = next(iter(board.series.values())).aligned.index
    index = _candidates(board, common)
    truth = np.zeros(len(index), np.int64)
    shape = len(conditions), len(kept), len(index)
    predicted = np.full(shape, ABSENT, np.int64)
    confidence = np.zeros(shape, np.uint8)
    reliability: dict[tuple[str, bool], Reliability] = {}
    estimates: dict[tuple[str, str], list[Estimate]] = {}
    right: dict[tuple[int, int], NDArray[np.bool_]] = {}
    for cell, found in board.run.each(cells):
        label = labels[cell.method, cell.trained_on]
        reliability.setdefault((label, cell.degradation.is_clean), Reliability()).add(found)
        if "estimated_level" in found.extra and not cell.degradation.is_clean:
            told = _estimate(cell, found.extra["estimated_level"])
            estimates.setdefault((label, cell.corruption), []).append(told)
        if label not in kept:
            continue
        place = conditions.index(cell.degradation), kept.index(label)
        if place in right:  # another seed
            continue
        _, ours, theirs = np.intersect1d(index, found.index, return_indices=True)
        truth[ours] = found.label[theirs]
        predicted[place][ours] = found.predicted[theirs]
        confidence[place][ours] = np.nan_to_num(100 * found.confidence[theirs]).round()
        right[place] = np.isin(common, found.index[found.correct])
    return PerImage(
        reliability,
        {key: sorted(part, key=lambda e: e.level) for key, part in estimates.items()},
        kept,
        conditions,
        index,
        truth,
        len(common),
        predicted,
        confidence,
        _better(right, len(conditions), len(kept)),
    )


def _order(board: Leaderboard) -> Callable[[Cell], tuple[int, float]]:
    names = [CLEAN, *board.corruptions]
    return lambda cell: (names.index(cell.corruption), cell.level)


def images_of(board: Leaderboard) -> Mapping[str, Any]:
    """What the manifest says of images, if it is of those of the leaderboard; else nothing."""
    manifest = board.run.manifest
    own = manifest.get("dataset", {}).get("name") == board.dataset
    return manifest if own else {}


def _candidates(board: Leaderboard, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """The images that may be shown: those with a thumbnail, else some spread over all."""
    drawn = images_of(board).get("thumbnails", {}).get("index", [])
    with_thumbnail = np.intersect1d(np.array(drawn, np.int64), index)
    if len(with_thumbnail):
        return with_thumbnail[:MOST_IMAGES]
    places = np.linspace(0, len(index) - 1, min(len(index), MOST_IMAGES)).round().astype(np.int64)
    spread: NDArray[np.int64] = np.asarray(index, np.int64)[np.unique(places)]
    return spread


def _estimate(cell: Cell, levels: NDArray[np.float32]) -> Estimate:
    low, median, high = (float(q) for q in np.nanquantile(levels, _QUANTILES))
    error = float(np.nanmean(np.abs(levels - cell.level)))
    return Estimate(cell.level, len(levels), low, median, high, error)


def _better(
    right: Mapping[tuple[int, int], NDArray[np.bool_]], conditions: int, methods: int
) -> NDArray[np.int64]:
    found = np.zeros((conditions, methods, methods), np.int64)
    for place in range(conditions):
        present = [m for m in range(methods) if (place, m) in right]
        if not present:
            continue
        stacked = np.stack([right[place, m] for m in present]).astype(np.float32)
        both = stacked @ stacked.T
        count = np.diag(both)[:, None] - both
        found[place][np.ix_(present, present)] = count.round().astype(np.int64)
    return found
