"""All pairs of methods under one test: what is best, level with it, or worse than the reference.

Bold, marks, colours and sentences of a report follow from these tests and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import nan

from robobench.analysis.comparison import MEAN, Standing, decided_by
from robobench.analysis.series import Series
from robobench.analysis.statistics import CONFIDENCE, holm
from robobench.types import CLEAN, Degradation

ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True)
class Difference:
    """The difference in accuracy between two methods on the same images.

    Attributes:
        value: The difference, a fraction.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


class PairwiseTests:
    """Tests of every pair of methods, on clean images, under each corruption and in the mean.

    The means over corruptions, which decide what is best, are one family of Holm's adjustment; clean
    images and single corruptions are another, with all pairs in each. The mean of one corruption is
    that corruption.

    Args:
        methods: The methods by label, on the same images.
        levels: For each corruption, and for ``clean``, the degradations that a method must have to be
            compared. What lacks one of a corruption is not in its mean either.
    """

    def __init__(
        self, methods: Mapping[str, Series], levels: Mapping[str, Sequence[Degradation]]
    ) -> None:
        self._corruptions = [name for name in levels if name != CLEAN]
        parts = {name: [list(part)] for name, part in levels.items() if part}
        if self._corruptions:
            parts[MEAN] = [list(levels[name]) for name in self._corruptions]
        self.standings: dict[str, dict[str, Standing]] = {
            condition: {
                label: Standing(series, wanted)
                for label, series in methods.items()
                if all(d in series.rows for part in wanted for d in part)
            }
            for condition, wanted in parts.items()
        }

    @cached_property
    def _means(self) -> dict[tuple[str, str, str], float]:
        return self._family([MEAN])

    @cached_property
    def _others(self) -> dict[tuple[str, str, str], float]:
        return self._family(
            [c for c in self.standings if decided_by(c, self._corruptions) == c != MEAN]
        )

    def _family(self, conditions: Iterable[str]) -> dict[tuple[str, str, str], float]:
        """The adjusted p of each condition and pair of a family."""
        pairs = [
            (condition, a, b)
            for condition in conditions
            for a, b in combinations(self.standings.get(condition, {}), 2)
        ]
        raw = [self.standings[c][a].p_against(self.standings[c][b]) for c, a, b in pairs]
        return dict(zip(pairs, holm(raw).tolist(), strict=True))

    def p(self, condition: str, a: str, b: str) -> float:
        """The adjusted p of a pair, the same in both directions; NaN where it is not compared."""
        condition = decided_by(condition, self._corruptions)
        found = self._means if condition == MEAN else self._others
        return found.get((condition, a, b), found.get((condition, b, a), nan))

    def gain(self, condition: str, a: str, b: str) -> Difference | None:
        """The paired gain of `b` over `a`; None where the two are not compared."""
        standings = self.standings.get(condition, {})
        if a not in standings or b not in standings:
            return None
        samples = standings[b].accuracy - standings[a].accuracy
        ends = standings[b].series.sampling.interval(samples, (-1.0, 1.0))
        return Difference(float(samples[0]), *ends)

    def is_better(self, condition: str, a: str, b: str) -> bool:
        """Whether `a` is more accurate than `b` and the tests separate them."""
        if not self.p(condition, a, b) <= ALPHA:
            return False
        standings = self.standings[condition]
        return bool(standings[a].accuracy[0] > standings[b].accuracy[0])

    def is_separate(self, condition: str, a: str, b: str) -> bool:
        """Whether the tests separate two methods; False where they are not compared."""
        return self.p(condition, a, b) <= ALPHA

    def ranked(self, condition: str, among: Iterable[str]) -> list[str]:
        """Those of the methods that are compared, the most accurate first; equal ones as given."""
        standings = self.standings.get(condition, {})
        known = [label for label in among if label in standings]
        return sorted(known, key=lambda label: -round(float(standings[label].accuracy[0]), 12))

    def level_with(self, condition: str, best: str, among: Iterable[str]) -> list[str]:
        """Those of the methods that the tests do not separate from one of them."""
        return [
            label
            for label in self.ranked(condition, among)
            if label != best and not self.is_separate(condition, best, label)
        ]
