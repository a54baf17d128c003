"""What a check will find, told before there is anything to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robobench.analysis.outcomes import Outcomes, Tally
from robobench.analysis.proportions import Proportion, two_proportions
from robobench.analysis.statistics import loss_exceeds
from robobench.checking.judging import proportion_of
from robobench.checking.pairing import by_label, labels

# Numbers of right images less likely than this are left out.
_RARE = 1e-9


@dataclass(frozen=True)
class SmallestLosses:
    """The smallest losses that a check at the default tolerance and alpha finds with 95 %, in points.

    Attributes:
        cell: In one cell, of losses without gains on the same images; None where it is not known which
            images were right.
        mean: In a method's mean, likewise.
        unpaired_cell: In one cell, on as many other images.
        unpaired_mean: In a method's mean, likewise.
    """

    cell: float | None
    mean: float | None
    unpaired_cell: float
    unpaired_mean: float


def smallest_losses(found: Sequence[Outcomes | Tally]) -> SmallestLosses:
    """What a check against these cells will find: the largest over cells, or over methods.

    Args:
        found: The cells of a baseline, at least one.
    """
    cells = [one.cell for one in found]
    groups = by_label(cells, labels(cells))
    alone = [proportion_of([one])[0] for one in found]
    means = [proportion_of([found[i] for i in members]) for members in groups.values()]
    known = all(isinstance(one, Outcomes) for one in found)
    count = int(min(one.count for one in alone))
    return SmallestLosses(
        smallest_loss(count, len(found)) if known else None,
        smallest_loss(min(images for _, images in means), len(means)) if known else None,
        _unpaired_of(alone),
        _unpaired_of([mean for mean, _ in means]),
    )


def _unpaired_of(family: Sequence[Proportion]) -> float:
    """That of the accuracy that is known least well."""
    worst = max(family, key=lambda one: one.accuracy * (1 - one.accuracy) / one.count)
    return smallest_unpaired_loss(worst.accuracy, round(worst.count), len(family))


def smallest_loss(
    count: int, tests: int, *, tolerance: float = 0.5, alpha: float = 0.05, power: float = 0.95
) -> float:
    """The smallest loss that a check will find with a given probability, where no image is gained.

    Images that are gained, as by another training, make the same net loss harder to find.

    Args:
        count: Number of images.
        tests: Number of tests in the family: cells, or methods.
        tolerance: As for `check`, in points.
        alpha: As for `check`.
        power: Probability that the loss is found.

    Returns:
        Points; NaN where not even losing every image would be found.
    """
    from scipy import stats

    def found(lost: int) -> bool:
        loss = np.zeros(count)
        loss[:lost] = 1.0
        return loss_exceeds(loss, tolerance / 100) <= alpha / 2 / tests

    if not found(count):
        return float("nan")
    few, many = 0, count  # `found` is false of the first, true of the second
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if found(middle) else (middle, many)
    # `many` images or more are lost with this probability at that share (Clopper and Pearson 1934).
    return 100 * float(stats.beta.ppf(power, many, count - many + 1))


def smallest_unpaired_loss(
    accuracy: float,
    count: int,
    tests: int,
    *,
    tolerance: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.95,
) -> float:
    """The smallest loss that a check will find with a given probability on as many other images.

    Args:
        accuracy: That of the baseline, a fraction; the loss is largest near one half.
        count: Number of images of the baseline, and of the run.
        tests: Number of tests in the family: cells, or methods.
        tolerance: As for `check`, in points.
        alpha: As for `check`.
        power: Probability that the loss is found, over both choices of images.

    Returns:
        Points; NaN where not even losing all accuracy would be found.
    """
    from scipy import stats

    ends = stats.binom.ppf([_RARE, 1 - _RARE], count, accuracy)
    before = np.arange(ends[0], ends[1] + 1)
    # For each number of right images before, the most after at which the loss is found; -1 for none.
    found, missed = np.full(len(before), -1.0), before + 1
    while (missed - found > 1).any():
        middle = np.floor((found + missed) / 2)
        at = np.maximum(middle, 0.0)
        p = two_proportions(before, count, at, count, tolerance / 100)
        is_found = (p <= alpha / 2 / tests) & (middle >= 0)
        found, missed = np.where(is_found, middle, found), np.where(is_found, missed, middle)
    weights = stats.binom.pmf(before, count, accuracy)

    def chance(loss: float) -> float:
        return float((weights * stats.binom.cdf(found, count, max(accuracy - loss, 0.0))).sum())

    if chance(accuracy) < power:
        return float("nan")
    few, many = 0.0, accuracy
    while many - few > 1e-5:
        middle_loss = (few + many) / 2
        few, many = (few, middle_loss) if chance(middle_loss) >= power else (middle_loss, many)
    return 100 * many
