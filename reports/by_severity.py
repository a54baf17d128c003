"""Means over several corruptions, at one severity or at all: for curves and for views of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robobench.analysis.long_table import severity_in_table
from robobench.corruptions.catalogue import GROUPS
from robobench.reports.blocks import Value

if TYPE_CHECKING:
    from robobench.reports.leaderboard import Leaderboard
    from robobench.reports.method_row import MethodRow
    from robobench.types import Degradation

SEVERITIES = (1, 2, 3, 4, 5)
_DISJOINT = ("noise", "blur", "weather", "digital", "extra", "c-bar", "geometry")
OTHERS = "others"


def mean_over(
    board: Leaderboard, row: MethodRow, corruptions: Sequence[str], severity: int | None = None
) -> Value:
    """A method's mean accuracy over corruptions, each the mean of its levels, with its interval.

    Args:
        board: The leaderboard.
        row: A method of it.
        corruptions: Which corruptions.
        severity: The only severity to take, or None for all levels.
    """
    series, profile = board.series[row.label], str(board.run.manifest.get("profile", ""))
    parts = [
        [
            degradation
            for degradation in series.degradations(name)
            if severity in (None, severity_in_table(degradation, profile))
        ]
        for name in corruptions
    ]
    lacking = next((name for name in corruptions if not board.complete(row, name)), "")
    if lacking or not parts or not all(parts):
        return Value(None, why=board.reason(row, lacking) if lacking else "not evaluated")
    if len(parts) == 1:
        means = series.mean(parts[0])
        return Value(float(means[0]), *series.interval(parts[0]))
    means = np.mean([series.mean(part) for part in parts], axis=0)
    return Value(float(means[0]), *series.sampling.interval(means, (0.0, 1.0)))


def strength(degradation: Degradation, profile: str) -> str:
    """The name of a corruption's strength: its severity if the table has one, else its level."""
    found = severity_in_table(degradation, profile)
    return f"level {degradation.level:g}" if found is None else f"severity {found}"


def groups_of(corruptions: Iterable[str]) -> dict[str, list[str]]:
    """Corruptions by their group, in the order of the catalogue: noise first, others last."""
    home = {name: group for group in _DISJOINT for name in GROUPS[group]}
    found: dict[str, list[str]] = {}
    for name in corruptions:
        found.setdefault(home.get(name, OTHERS), []).append(name)
    return {group: found[group] for group in (*_DISJOINT, OTHERS) if group in found}
