"""Two methods on the same images: how much they differ, and whether significantly."""

from collections.abc import Sequence
from math import gcd, lcm
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.series import Series, find_series, scope
from robobench.analysis.statistics import holm, sign_flip
from robobench.errors import RobobenchError
from robobench.types import CLEAN, Degradation

if TYPE_CHECKING:
    import pandas as pd

MEAN = "mean"
# Units into which an image's share in a difference is divided at most.
_FINEST = 10**6


def compare(everything: Sequence[Series], a: str, b: str) -> "pd.DataFrame":
    """Method `b` against method `a`, image by image, one row per corruption.

    Args:
        everything: The series of a run.
        a: ``METHOD`` or ``METHOD@TRAINED_ON``: the method to compare with.
        b: Likewise: the method compared.

    Returns:
        dataset, split, backbone, a, b, corruption (``clean`` first, ``mean`` last), n, cells
        (number that both have), accuracy_a, accuracy_b, difference (b minus a: positive where b is
        better) with ``_low`` and ``_high`` (95 %), better and worse (images on which b has more, or
        fewer, of the cells right), p and p_holm. All fractions.

        p_holm is adjusted for the number of corruptions; the row ``mean`` is a separate test and
        not adjusted. ``of`` says what intervals and p speak of. With one training of each, of
        ``these trained networks``: training again may change the sign of a small difference; p
        comes from the exact sign-flip test over images, which for a single cell is McNemar's exact
        test. With several, or a given spread, of trainings too: see `Sampling.p_value`.

    Raises:
        RobobenchError: A name is unknown or ambiguous, or the two have no cell in common.
    """
    import pandas as pd

    firsts = {(s.dataset, s.split, s.backbone): s for s in find_series(a, everything)}
    rows: list[dict[str, Any]] = []
    for second in find_series(b, everything):
        first = firsts.get((second.dataset, second.split, second.backbone))
        if first is not None:
            rows += compare_pair(first, second)
    if not rows:
        raise RobobenchError(f"{a} and {b} have no cell in common: evaluate both on the same grid")
    return pd.DataFrame(rows)


def compare_pair(first: Series, second: Series) -> list[dict[str, Any]]:
    """The rows of `compare` for two series of one data set; empty without common cells."""
    common = [d for d in first.accuracies if d in second.accuracies]
    names = list(dict.fromkeys(d.corruption for d in sorted(common, key=lambda d: not d.is_clean)))
    rows = [
        difference_between(first, second, name, [[d for d in common if d.corruption == name]])
        for name in names
    ]
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = float(p)
    degraded = [name for name in names if name != CLEAN]
    if degraded:
        parts = [[d for d in common if d.corruption == name] for name in degraded]
        mean = difference_between(first, second, MEAN, parts)
        rows.append({**mean, "p_holm": mean["p"]})
    return rows


def difference_between(
    first: Series, second: Series, name: str, parts: Sequence[Sequence[Degradation]]
) -> dict[str, Any]:
    """A row of `compare`, over the mean of parts, each the mean of its degradations."""
    ours, theirs = (np.mean([s.mean(part) for part in parts], axis=0) for s in (first, second))
    sampling, difference = second.sampling, theirs - ours
    low, high = sampling.interval(difference, (-1.0, 1.0))
    gained = _gained(first, second, parts)
    of_training = sampling.varies_with_training(difference)
    return {
        "dataset": second.dataset,
        "split": second.split,
        "backbone": second.backbone,
        "a": first.label,
        "b": second.label,
        "corruption": name,
        "n": second.images_of(d for part in parts for d in part),
        "cells": sum(len(part) for part in parts),
        "accuracy_a": float(ours[0]),
        "accuracy_b": float(theirs[0]),
        "difference": float(theirs[0] - ours[0]),
        "difference_low": low,
        "difference_high": high,
        "better": int((gained > 0).sum()),
        "worse": int((gained < 0).sum()),
        "p": sampling.p_value(difference) if of_training else sign_flip(gained),
        "of": scope(first, second),
    }


def _gained(
    first: Series, second: Series, parts: Sequence[Sequence[Degradation]]
) -> NDArray[np.int64]:
    """int64 N, proportional to each image's share in the difference; integers keep the test exact.

    Where the two have different numbers of trainings or corruption seeds, or corruptions different
    numbers of levels, cells are weighted by means of the least common multiple. Where levels are
    divided among the images, each image counts with its own mean over the levels that it has.
    """
    count = second.count
    shares: list[tuple[tuple[int, ...], int, int, Series]] = []
    for part in parts:
        # The levels of an image, as a fraction of whole numbers: those of all over their number.
        levels = round(count * second.levels_per_image(part))
        for degradation in part:
            for series, sign in ((first, -1), (second, 1)):
                trained = series.rows[degradation]
                for rows in trained.values():
                    size = len(parts) * levels * len(trained) * len(rows)
                    shares.append((rows, sign, size, series))
    divisor = gcd(*(size for _, _, size, _ in shares))
    # Sizes without large common factors, of damaged designs, would overflow.
    common = min(lcm(*(size // divisor for _, _, size, _ in shares)), _FINEST)
    gained = np.zeros(count, np.int64)
    for rows, sign, size, series in shares:
        right = series.aligned.correct[list(rows)].sum(axis=0, dtype=np.int64)
        gained += sign * round(common * divisor / size) * right
    smallest = np.gcd.reduce(gained)
    return gained // max(int(smallest), 1)
