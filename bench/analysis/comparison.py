"""Methods on the same images: how much two of them differ, and whether significantly."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import gcd, lcm
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.series import Series, find_series, scope
from robobench.analysis.statistics import Floats, holm, sign_flip
from robobench.errors import RobobenchError
from robobench.types import CLEAN, Degradation

if TYPE_CHECKING:
    import pandas as pd

MEAN = "mean"
# Units into which an image's share in a difference is divided at most.
_FINEST = 10**6


@dataclass(frozen=True)
class Standing:
    """A method's mean accuracy over parts, each the mean of its degradations.

    What two of them are compared by is computed once, however many others there are.

    Attributes:
        series: The method.
        parts: For each corruption its degradations, all of which the method has.
    """

    series: Series
    parts: Sequence[Sequence[Degradation]]

    @cached_property
    def accuracy(self) -> Floats:
        """The accuracy as `robobench.analysis.sampling` says, the measured one first."""
        mean: Floats = np.mean([self.series.mean(part) for part in self.parts], axis=0)
        return mean

    @cached_property
    def _shares(self) -> tuple[NDArray[np.int64], int]:
        """int64 N: each image's share in the accuracy times a whole number, and that number.

        Where there are several trainings or corruption seeds, or corruptions have different numbers
        of levels, cells are weighted by means of the least common multiple. Where levels are divided
        among the images, each image counts with its own mean over the levels that it has.
        """
        series = self.series
        found: list[tuple[tuple[int, ...], int]] = []
        for part in self.parts:
            # The levels of an image, as a fraction of whole numbers: those of all over their number.
            levels = round(series.count * series.levels_per_image(part))
            for degradation in part:
                trained = series.rows[degradation]
                for rows in trained.values():
                    found.append((rows, len(self.parts) * levels * len(trained) * len(rows)))
        divisor = gcd(*(size for _, size in found))
        # Sizes without large common factors, of damaged designs, would overflow.
        common = min(lcm(*(size // divisor for _, size in found)), _FINEST)
        shares = np.zeros(series.count, np.int64)
        for rows, size in found:
            right = series.aligned.correct[list(rows)].sum(axis=0, dtype=np.int64)
            shares += round(common * divisor / size) * right
        return shares, common * divisor

    def gained_over(self, other: "Standing") -> NDArray[np.int64]:
        """int64 N, proportional to each image's share in the difference from another method.

        Integers keep the test exact.
        """
        (ours, whole), (theirs, their_whole) = self._shares, other._shares
        common = lcm(whole, their_whole)
        gained = common // whole * ours - common // their_whole * theirs
        return gained // max(int(np.gcd.reduce(gained)), 1)

    def p_against(self, other: "Standing") -> float:
        """Two-sided p of the hypothesis that neither is better.

        The exact sign-flip test over images (McNemar's for a single cell); where trainings differ or
        their spread is given, see `Sampling.p_value`.
        """
        sampling = self.series.sampling
        if sampling.trainings or sampling.networks:
            difference = self.accuracy - other.accuracy
            if sampling.varies_with_training(difference):
                return sampling.p_value(difference)
        return sign_flip(self.gained_over(other))


def compare(
    everything: Sequence[Series], a: str | None = None, b: str | None = None
) -> "pd.DataFrame":
    """Methods compared image by image: one row per pair and corruption.

    Args:
        everything: The series of a run.
        a: ``METHOD`` or ``METHOD@TRAINED_ON``: the method to compare with. Without it, all pairs.
        b: Likewise: the method compared. Without it, every other one.

    Returns:
        dataset, split, backbone, a, b, corruption (``clean`` first, ``mean`` last), n, cells
        (number that both have), accuracy_a, accuracy_b, difference (b minus a: positive where b is
        better) with ``_low`` and ``_high`` (95 %), better and worse (images on which b has more, or
        fewer, of the cells right), p and p_holm. All fractions. docs/tables.md explains each.

        p_holm is adjusted for everything that is compared on a data set and classifier, see
        `adjust`. ``of`` says what intervals and p speak of. With one training of each, of
        ``these trained networks``: training again may change the sign of a small difference; p
        comes from the exact sign-flip test over images, which for a single cell is McNemar's exact
        test. With several, or a given spread, of trainings too: see `Sampling.p_value`.

    Raises:
        RobobenchError: A name is unknown or ambiguous, or no two have a cell in common.
    """
    import pandas as pd

    boards: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    known: dict[Any, Standing] = {}
    for first, second in _pairs(everything, a, b):
        rows = boards.setdefault((second.dataset, second.split, second.backbone), [])
        rows += pair_rows(first, second, known)
    found = [row for rows in boards.values() for row in adjust(rows)]
    if not found:
        what = f"{a or 'the methods'} and {b}" if b else "the methods of this run"
        raise RobobenchError(f"{what} have no cell in common: evaluate both on the same grid")
    return pd.DataFrame(found)


def _pairs(
    everything: Sequence[Series], a: str | None, b: str | None
) -> list[tuple[Series, Series]]:
    def place(series: Series) -> tuple[str, str, str]:
        return series.dataset, series.split, series.backbone

    if a is None and b is not None:
        a, b = b, a
    if a is None:
        ordered = sorted(everything, key=lambda s: s.method != "org")
        return [(s, o) for s, o in combinations(ordered, 2) if place(s) == place(o)]
    firsts = {place(s): s for s in find_series(a, everything)}
    seconds = everything if b is None else find_series(b, everything)
    found = [(firsts[place(s)], s) for s in seconds if place(s) in firsts]
    return found if b is not None else [(s, o) for s, o in found if s is not o]


def pair_rows(first: Series, second: Series, known: dict[Any, Standing]) -> list[dict[str, Any]]:
    """The rows of two series of one data set, without ``p_holm``; empty without common cells.

    Args:
        first: The one to compare with.
        second: The one compared.
        known: What is computed once for all pairs; starts empty.
    """
    common = [d for d in first.accuracies if d in second.accuracies]
    names = list(dict.fromkeys(d.corruption for d in sorted(common, key=lambda d: not d.is_clean)))
    parts = {name: [[d for d in common if d.corruption == name]] for name in names}
    degraded = [part for name, (part,) in parts.items() if name != CLEAN]
    if degraded:
        parts[MEAN] = degraded
    rows = []
    for name, wanted in parts.items():
        key = tuple(map(tuple, wanted))
        one, other = (
            known.setdefault((id(series), key), Standing(series, wanted))
            for series in (first, second)
        )
        rows.append(difference_between(one, other, name))
    return rows


def decided_by(condition: str, corruptions: Collection[str]) -> str:
    """The condition whose test decides: the mean of one corruption is that corruption."""
    return MEAN if list(corruptions) == [condition] else condition


def adjust(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with ``p_holm``: adjusted by Holm's method for all pairs that are compared.

    The means over corruptions, which decide what is best, are one family; the clean images and the
    single corruptions are another. Of one corruption the mean is the corruption: it stands in the
    first family only.
    """
    found = [dict(row) for row in rows]
    degraded = {row["corruption"] for row in found} - {CLEAN, MEAN}
    families: list[list[dict[str, Any]]] = [[], []]
    for row in found:
        if decided_by(row["corruption"], degraded) == row["corruption"]:
            families[row["corruption"] == MEAN].append(row)
    for family in families:
        for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_holm"] = float(p)
    of_means = {(row["a"], row["b"]): row["p_holm"] for row in families[True]}
    for row in found:
        if decided_by(row["corruption"], degraded) != row["corruption"]:
            row["p_holm"] = of_means[row["a"], row["b"]]
    return found


def difference_between(one: Standing, other: Standing, name: str) -> dict[str, Any]:
    """A row of `compare`, without ``p_holm``: the gain of one over the other, in the mean of the same parts."""
    first, second = one.series, other.series
    ours, theirs = one.accuracy, other.accuracy
    low, high = second.sampling.interval(theirs - ours, (-1.0, 1.0))
    gained = other.gained_over(one)
    return {
        "dataset": second.dataset,
        "split": second.split,
        "backbone": second.backbone,
        "a": first.label,
        "b": second.label,
        "corruption": name,
        "n": second.images_of(d for part in one.parts for d in part),
        "cells": sum(len(part) for part in one.parts),
        "accuracy_a": float(ours[0]),
        "accuracy_b": float(theirs[0]),
        "difference": float(theirs[0] - ours[0]),
        "difference_low": low,
        "difference_high": high,
        "better": int((gained > 0).sum()),
        "worse": int((gained < 0).sum()),
        "p": other.p_against(one),
        "of": scope(first, second),
    }
