"""Accuracies on different images: without pairs, only how many images each side gets right counts.

A mean over cells is no proportion, but is known as well as one of more images: those cells are on
the same images, so that each image contributes a share. `Proportion.count` is the number of images,
each right or wrong, at which a proportion would have the standard error of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robobench.analysis.statistics import CONFIDENCE, Floats


@dataclass(frozen=True)
class Proportion:
    """An accuracy and how well it is known.

    Attributes:
        accuracy: A fraction.
        count: Number of images, each right or wrong, that would give its standard error.
    """

    accuracy: float
    count: float

    @classmethod
    def of_shares(cls, shares: Floats) -> Proportion:
        """The mean over images of shares of cells that are right.

        Args:
            shares: float N, 0 to 1; N at least 1.
        """
        return _with_error(float(shares.mean()), *_padded(shares), len(shares))

    @classmethod
    def of_tallies(cls, right: Sequence[int], counts: Sequence[int]) -> Proportion:
        """The mean over cells of which only the number of right images is known.

        Whatever the cells have in common, the standard error of their mean is at most the mean of
        their standard errors, which is taken.

        Args:
            right: Number of right images in each cell.
            counts: Number of images in each.
        """
        if len(right) == 1:
            return cls(right[0] / counts[0], counts[0])
        many = np.asarray(counts, np.float64)
        padded = (np.asarray(right) + 1) / (many + 2)
        error = float(np.sqrt(padded * (1 - padded) / (many + 2)).mean())
        accuracy = float((np.asarray(right) / many).mean())
        return _with_error(accuracy, float(padded.mean()), error, min(counts))


def _padded(shares: Floats) -> tuple[float, float]:
    """Mean and standard error with two pseudo-images, one right and one wrong in all cells."""
    many = len(shares) + 2
    mean = (float(shares.sum()) + 1) / many
    variance = (float((shares**2).sum()) + 1) / many - mean**2
    return mean, float(np.sqrt(variance / many))


def _with_error(accuracy: float, padded: float, error: float, images: int) -> Proportion:
    count = padded * (1 - padded) / error**2 - 2
    # Of shares that are all 0 or 1, it is the number of images but for rounding.
    whole = abs(count - images) < 1e-6 * images
    return Proportion(accuracy, images if whole else max(count, 1.0))


def exceeds(first: Proportion, second: Proportion, margin: float) -> float:
    """One-sided p-value for the first accuracy being more than a margin above the second, on other images.

    Args:
        first: An accuracy.
        second: One on other images. On the same images p is too large, as the two then vary together.
        margin: The tolerated difference, a fraction.
    """
    return float(
        two_proportions(
            *(first.accuracy * first.count, first.count),
            *(second.accuracy * second.count, second.count, margin),
        )
    )


def two_proportions(right: Any, count: float, others: Any, of: float, margin: float) -> Floats:
    """One-sided p-values for a first proportion more than a margin above a second, independent one.

    The larger one of two tests: Student's t with one right and one wrong image added to each side (Agresti &
    Caffo, American Statistician, 2000; Welch's degrees of freedom), and the score test (Farrington & Manning,
    Statistics in Medicine, 1990). Where the sides differ in size, the small p-values of each are too small
    on the side where those of the other are too large. Both are corrected for continuity by half of the
    least step between differences.

    Args:
        right: Number of right images of the first (number or array).
        count: Number of its images.
        others: Number of right images of the second, to be broadcast with `right`.
        of: Number of its images.
        margin: A fraction.
    """
    larger: Floats = np.maximum(*both_tests(right, count, others, of, margin))
    return larger


def both_tests(
    right: Any, count: float, others: Any, of: float, margin: float
) -> tuple[Floats, Floats]:
    """The p-values of the two tests of `two_proportions`: Student's t, and the score test."""
    from scipy import stats

    right, others = np.asarray(right, np.float64), np.asarray(others, np.float64)
    if float(count).is_integer() and float(of).is_integer():
        margin = min(margin + np.gcd(int(count), int(of)) / (2.0 * count * of), 1.0)
    difference, error, freedom = _agresti_caffo(right, count, others, of)
    excess = right / count - others / of - margin
    spread = _spread_at(right / count, count, others / of, of, margin)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(spread > 0, excess / spread, np.where(excess > 0, np.inf, -np.inf))
    return stats.t.sf((difference - margin) / error, freedom), stats.norm.sf(score)


def difference_interval(first: Proportion, second: Proportion) -> tuple[float, float]:
    """The 95 % interval of the first accuracy minus the second, on other images.

    Source: Agresti & Caffo, American Statistician, 2000, with Welch's degrees of freedom.
    """
    from scipy import stats

    difference, error, freedom = _of(first, second)
    half = float(stats.t.isf((1 - CONFIDENCE) / 2, freedom)) * error
    return max(difference - half, -1.0), min(difference + half, 1.0)


def standard_error(first: Proportion, second: Proportion) -> float:
    """Standard error of the difference of two accuracies on different images."""
    return _of(first, second)[1]


def _of(first: Proportion, second: Proportion) -> tuple[float, float, float]:
    found = _agresti_caffo(
        *(np.asarray(first.accuracy * first.count), first.count),
        *(np.asarray(second.accuracy * second.count), second.count),
    )
    difference, error, freedom = map(float, found)
    return difference, error, freedom


def _agresti_caffo(
    right: Floats, count: float, others: Floats, of: float
) -> tuple[Floats, Floats, Floats]:
    """Difference, standard error and degrees of freedom with two pseudo-images on each side."""
    first, second = (right + 1) / (count + 2), (others + 1) / (of + 2)
    ours, theirs = first * (1 - first) / (count + 2), second * (1 - second) / (of + 2)
    freedom = (ours + theirs) ** 2 / (ours**2 / (count + 1) + theirs**2 / (of + 1))
    return first - second, np.sqrt(ours + theirs), freedom


def _spread_at(first: Floats, count: float, second: Floats, of: float, margin: float) -> Floats:
    """Standard error of the difference at the most likely proportions that differ by the margin.

    The root of a cubic equation (Farrington & Manning 1990, appendix), by trigonometry.
    """
    ratio = of / count
    cubic = 1 + ratio
    square = -(cubic + first + ratio * second + margin * (ratio + 2))
    linear = margin**2 + margin * (2 * first + cubic) + first + ratio * second
    constant = -first * margin * (1 + margin)
    bend = square**3 / (27 * cubic**3) - square * linear / (6 * cubic**2) + constant / (2 * cubic)
    reach = np.sqrt(np.maximum(square**2 / (9 * cubic**2) - linear / (3 * cubic), 0.0))
    reach = np.copysign(reach, bend)
    turned = np.clip(bend / np.where(reach == 0, 1.0, reach**3), -1.0, 1.0)
    likely = 2 * reach * np.cos((np.pi + np.arccos(turned)) / 3) - square / (3 * cubic)
    likely = np.clip(likely, margin, 1.0)
    other = np.clip(likely - margin, 0.0, 1.0)
    found: Floats = np.sqrt(likely * (1 - likely) / count + other * (1 - other) / of)
    return found
