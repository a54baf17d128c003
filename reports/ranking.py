"""Paired differences between methods on the same images, and their significance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robobench.reports.blocks import Value
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow
from robobench.types import CLEAN

BOLD_NOTE = (
    "Bold: the best in its column (oracles excluded), if the 95 % interval of its paired "
    "difference from the second best excludes zero."
)


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


def differences(board: Leaderboard, a: MethodRow, b: MethodRow) -> Mapping[str, Difference]:
    """The paired gain of `b` over `a`, where both have every level.

    Args:
        board: The leaderboard of both.
        a: The method to compare with.
        b: The method compared.

    Returns:
        The difference of the mean accuracies by corruption, including ``clean`` and ``mean``.
    """
    first, second = board.series[a.label], board.series[b.label]
    found: dict[str, Any] = {}
    for corruption in [CLEAN, *board.corruptions]:
        levels, others = (
            [d for d in series.accuracies if d.corruption == corruption]
            for series in (first, second)
        )
        whole = board.complete(a, corruption) and board.complete(b, corruption)
        if levels and whole and set(levels) == set(others):
            found[corruption] = second.mean(levels) - first.mean(levels)
    degraded = [samples for name, samples in found.items() if name != CLEAN]
    if degraded and len(degraded) == len(board.corruptions):
        found[MEAN] = sum(degraded) / len(degraded)
    return {
        name: Difference(float(samples[0]), *first.sampling.interval(samples, (-1.0, 1.0)))
        for name, samples in found.items()
    }


def p_values(board: Leaderboard, a: MethodRow, b: MethodRow) -> Mapping[str, float]:
    """p-values of the difference by corruption, adjusted by Holm.

    Exact sign-flip test over images (for a single cell, McNemar's exact test); with several
    trainings, Student's t of these added.
    """
    from robobench.analysis.comparison import compare_pair

    rows = compare_pair(board.series[a.label], board.series[b.label])
    return {str(row["corruption"]): float(row["p_holm"]) for row in rows}


def embolden(
    board: Leaderboard, rows: Sequence[MethodRow], values: Sequence[Value], corruption: str
) -> list[Value]:
    """The same accuracies, the best in bold if it is distinguishable from the second best."""
    ranked = sorted(
        (place for place, row in enumerate(rows) if not row.oracle and not values[place].missing),
        key=lambda place: -(values[place].value or 0.0),
    )
    if len(ranked) < 2:
        return list(values)
    best, second = ranked[:2]
    found = differences(board, rows[second], rows[best]).get(corruption)
    if found is None or found.low <= 0:
        return list(values)
    return [v.strong() if place == best else v for place, v in enumerate(values)]
