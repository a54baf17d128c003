"""Families of tests: is the loss larger than tolerated, in each cell and in the mean of each method?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.outcomes import Outcomes, Tally, image_shares
from robobench.analysis.proportions import (
    Proportion,
    difference_interval,
    exceeds,
    standard_error,
)
from robobench.analysis.sampling import paired_intervals
from robobench.analysis.statistics import Floats, holm, loss_exceeds, paired_loss
from robobench.checking.pairing import Pair
from robobench.checking.verdict import BETTER, SAME, WORSE, Verdict


@dataclass(frozen=True)
class _Paired:
    """The same images before and after.

    Attributes:
        before: Accuracy in the baseline.
        after: Accuracy now.
        loss: float N, per image 1 where it was right and no longer is, -1 for the reverse; shares in a mean.
        cells: Number of cells that it is the mean of; one with some of the images counts as the square
            of their share.
    """

    before: float
    after: float
    loss: Floats
    cells: float

    @property
    def counts(self) -> tuple[int, None]:
        """Number of images, the same on both sides."""
        return len(self.loss), None

    @property
    def error(self) -> float:
        """Standard error of the loss."""
        return paired_loss(self.loss)[1]

    def chances(self, margin: float) -> tuple[float, float]:
        """The p-values of a loss and of a gain above the margin."""
        return loss_exceeds(self.loss, margin), loss_exceeds(-self.loss, margin)


@dataclass(frozen=True)
class _Unpaired:
    """Two accuracies.

    Attributes:
        was: That of the baseline.
        now: That of the run.
        counts: Numbers of images of the run and of the baseline.
    """

    was: Proportion
    now: Proportion
    counts: tuple[int, int]

    @property
    def before(self) -> float:
        """Accuracy in the baseline."""
        return self.was.accuracy

    @property
    def after(self) -> float:
        """Accuracy now."""
        return self.now.accuracy

    @property
    def error(self) -> float:
        """Standard error of the loss."""
        return standard_error(self.was, self.now)

    def chances(self, margin: float) -> tuple[float, float]:
        """The p-values of a loss and of a gain above the margin."""
        return exceeds(self.was, self.now, margin), exceeds(self.now, self.was, margin)


def judge_cells(
    pairs: Sequence[Pair], names: Sequence[str], margin: float, alpha: float
) -> list[Verdict]:
    """A verdict for each cell.

    Args:
        pairs: What is compared.
        names: The label of the method of each.
        margin: The tolerated loss, a fraction.
        alpha: Probability of a false alarm in this family and that of the means together.
    """
    found = [_compared([pair]) for pair in pairs]
    what = [pair.after.cell.degradation.label for pair in pairs]
    return _judge(list(zip(names, what, strict=True)), found, margin, alpha)


def judge_means(
    pairs: Sequence[Pair], groups: Mapping[str, Sequence[int]], margin: float, alpha: float
) -> tuple[list[Verdict], float]:
    """A verdict for each method over its cells, and the loss in points found four times out of five.

    Args:
        pairs: What is compared.
        groups: The places of the cells of each method.
        margin: The tolerated loss, a fraction.
        alpha: Probability of a false alarm in this family and that of the cells together.
    """
    from scipy import stats

    found = [_compared([pairs[i] for i in members]) for members in groups.values()]
    names = [(label, f"mean of {len(members)} cells") for label, members in groups.items()]
    verdicts = _judge(names, found, margin, alpha)
    reach = stats.norm.isf(alpha / 2 / max(len(found), 1)) + stats.norm.isf(0.2)
    error = max((one.error for one in found), default=0.0)
    return verdicts, 100 * (margin + float(reach) * error)


def _compared(pairs: Sequence[Pair]) -> _Paired | _Unpaired:
    """The mean over cells before and after: paired where all cells are."""
    before, after = [pair.before for pair in pairs], [pair.after for pair in pairs]
    then = [one for one in before if isinstance(one, Outcomes)]
    if len(then) == len(pairs) and all(pair.on_the_same_images for pair in pairs):
        return _paired(then, after)
    now, many = proportion_of(after)
    was, count = proportion_of(before)
    return _Unpaired(was, now, (many, count))


def _paired(before: Sequence[Outcomes], after: Sequence[Outcomes]) -> _Paired:
    today = [
        Outcomes(old.cell, old.index, _on(new, old.index))
        for old, new in zip(before, after, strict=True)
    ]
    if len(before) == 1:
        then, now = before[0].correct.astype(np.float64), today[0].correct.astype(np.float64)
    else:
        then, now = image_shares(before)[1], image_shares(today)[1]
    # A cell with few of the images, by design, has noise like that of fewer cells with all.
    cells = sum(min(len(one.index) / len(then), 1.0) ** 2 for one in before)
    return _Paired(float(then.mean()), float(now.mean()), then - now, cells)


def _on(outcomes: Outcomes, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The outcomes on a subset of the images."""
    if np.array_equal(outcomes.index, index):
        return outcomes.correct
    chosen: NDArray[np.bool_] = outcomes.correct[np.searchsorted(outcomes.index, index)]
    return chosen


def proportion_of(cells: Sequence[Outcomes | Tally]) -> tuple[Proportion, int]:
    """The mean accuracy over cells, and the number of images that it is on."""
    known = [one for one in cells if isinstance(one, Outcomes)]
    if len(known) == len(cells) > 1:
        _, shares = image_shares(known)
        return Proportion.of_shares(shares), len(shares)
    tallies = [
        Tally(one.cell, len(one.index), int(one.correct.sum()))
        if isinstance(one, Outcomes)
        else one
        for one in cells
    ]
    counts = [one.count for one in tallies]
    return Proportion.of_tallies([one.right for one in tallies], counts), min(counts)


def _judge(
    names: Sequence[tuple[str, str]],
    found: Sequence[_Paired | _Unpaired],
    margin: float,
    alpha: float,
) -> list[Verdict]:
    """One family of tests at half of alpha: adjusted p-values are doubled."""
    chances = [one.chances(margin) for one in found]
    lost = np.minimum(1.0, 2 * holm([p for p, _ in chances]))
    gained = np.minimum(1.0, 2 * holm([q for _, q in chances]))
    verdicts = []
    for (method, what), one, (low, high), p, q in zip(
        names, found, _intervals(names, found), lost, gained, strict=True
    ):
        outcome = WORSE if p <= alpha else BETTER if q <= alpha else SAME
        large = outcome == SAME and one.before - one.after > margin
        count, baseline_count = one.counts
        verdicts.append(
            Verdict(
                method=method,
                what=what,
                count=count,
                before=one.before,
                after=one.after,
                low=low,
                high=high,
                p=float(p),
                outcome=outcome,
                remark="larger than tolerated, but not significant" if large else "",
                baseline_count=baseline_count,
            )
        )
    return verdicts


def _intervals(
    names: Sequence[tuple[str, str]], found: Sequence[_Paired | _Unpaired]
) -> list[tuple[float, float]]:
    """The 95 % interval of each loss."""
    paired = [
        (name, one) for name, one in zip(names, found, strict=True) if isinstance(one, _Paired)
    ]
    made: Any = iter(
        paired_intervals(
            [one.loss for _, one in paired],
            [one.cells for _, one in paired],
            [f"{method} {what}" for (method, what), _ in paired],
        )
    )
    return [
        next(made) if isinstance(one, _Paired) else difference_interval(one.was, one.now)
        for one in found
    ]
