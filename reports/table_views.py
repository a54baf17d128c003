"""What else a page shows in the place of the table of corruptions: single severities, groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from robobench.reports.blocks import Table, Value
from robobench.reports.by_severity import SEVERITIES, groups_of, mean_over
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow

_FEWEST_FOR_GROUPS = 7


def with_views(board: Leaderboard, table: Table) -> Table:
    """A table of methods and corruptions, either way around, with a view for each severity."""
    groups = {
        name: group for group, names in groups_of(board.corruptions).items() for name in names
    }
    if not board.graded or board.sweeps:
        return replace(table, groups=groups)
    across = [row.heading for row in board.rows] == [str(name) for name in table.frame.index]
    views = {}
    for severity in SEVERITIES:
        frame = _at(board, severity)
        if not all(value.missing for column in frame for value in frame[column]):
            views[f"severity {severity}"] = frame if across else frame.T
    return replace(table, groups=groups, views=views)


def _at(board: Leaderboard, severity: int) -> pd.DataFrame:
    """Accuracy at one severity, methods down and corruptions across."""
    columns = {
        name: [
            mean_over(board, row, board.corruptions, severity)
            if name == MEAN
            else _single(board, row, name, severity)
            for row in board.rows
        ]
        for name in board.degraded
    }
    return pd.DataFrame(columns, index=[row.heading for row in board.rows], dtype=object)


def _single(board: Leaderboard, row: MethodRow, corruption: str, severity: int) -> Value:
    for point in board.points(row, corruption, "severity"):
        if point.x == severity:
            return point.shown
    return Value(None, why=board.reason(row, corruption))


def by_group(board: Leaderboard, notes: Sequence[str] = ()) -> list[Table]:
    """The means over groups of corruptions, where there are several groups and many corruptions."""
    groups = groups_of(board.corruptions)
    if len(groups) < 2 or len(board.corruptions) < _FEWEST_FOR_GROUPS:
        return []
    columns = {
        group: [mean_over(board, row, names) for row in board.rows]
        for group, names in groups.items()
    }
    columns[MEAN] = [board.summed(row, MEAN, "accuracy") for row in board.rows]
    frame = pd.DataFrame(columns, index=[row.heading for row in board.rows], dtype=object)
    frame.columns.name = "method"
    members = "; ".join(f"{group}: {', '.join(names)}" for group, names in groups.items())
    return [
        Table(
            f"by-group{board.suffix}",
            "Accuracy by group of corruptions, each the mean over its corruptions, in percent.",
            frame,
            notes=(f"{members[:1].upper()}{members[1:]}.", *notes, *board.marks()),
        )
    ]
