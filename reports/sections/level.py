"""Accuracy along a sweep of native levels, and its interval mean accuracies (Endo et al. 2020)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Plot, Table, Text, Value, name_in_files
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.line_plots import level_figure, unit_of

if TYPE_CHECKING:
    from robobench.results.run import Run

_MOST_LEVELS = 10  # with a column of their own, as in Peng et al. (2024), Tables V and VI
_INTERVAL = re.compile(r"Acc\((\d+),\s*(\d+)\)$")


@section("level", order=30, title="Accuracy by level")
def level(run: Run) -> list[Block]:
    """Accuracy along sweeps of levels (JPEG quality, noise sigma), with interval means."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    blocks: list[Block] = []
    if not board.sweeps:
        return []
    blocks.append(
        Plot(
            f"level{board.suffix}",
            "Accuracy by level. Bands: pointwise 95 % Wilson intervals."
            + "".join(f" {told}" for name in board.sweeps if (told := board.divided(name))),
            level_figure(board),
            f"Accuracy against level for {', '.join(board.labels)}, one panel for each of "
            f"{', '.join(board.sweeps)}.",
        )
    )
    for name in board.sweeps:
        blocks += _intervals(board, name)
        blocks += _by_level(board, name)
    return blocks


def _by_level(board: Leaderboard, corruption: str) -> list[Block]:
    """Accuracy at each level of a short sweep, with the mean."""
    rows = board.rows
    lines = {row.label: board.points(row, corruption, "level") for row in rows}
    levels = sorted({point.x for line in lines.values() for point in line})
    if len(levels) > _MOST_LEVELS:
        return []
    found = {label: {point.x: point.shown for point in line} for label, line in lines.items()}
    why = {row.label: board.reason(row, corruption) for row in rows}
    columns = {
        f"{x:g}": [found[r.label].get(x, Value(None, why=why[r.label])) for r in rows]
        for x in levels
    }
    columns["mean"] = [board.summed(row, corruption, "accuracy") for row in rows]
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "method"
    return [
        Table(
            f"levels-{name_in_files(corruption)}{board.suffix}",
            f"`{corruption}`: accuracy by {unit_of(corruption)}, in percent, with 95 % intervals.",
            frame,
            notes=tuple(board.marks()),
        )
    ]


def _interval_columns(board: Leaderboard, corruption: str) -> list[str]:
    """The interval means that the summary has for a corruption, in ascending order."""
    table = board.summary[board.summary["corruption"] == corruption]
    found = [
        (tuple(map(int, match.groups())), str(column))
        for column in table
        if (match := _INTERVAL.match(str(column))) and table[column].notna().any()
    ]
    return [column for _, column in sorted(found)]


def _intervals(board: Leaderboard, corruption: str) -> list[Block]:
    columns = _interval_columns(board, corruption)
    if not columns:
        return [
            Text(f"`{corruption}`: no interval mean, as no interval has all its levels.", "note")
        ]
    rows = board.rows
    why = "a level of the interval is missing"
    frame = pd.DataFrame(
        {
            **{c: [board.summed(row, corruption, c, why=why) for row in rows] for c in columns},
            "all levels": [board.summed(row, corruption, "accuracy") for row in rows],
        },
        index=[row.heading for row in rows],
        dtype=object,
    )
    frame.columns.name = "method"
    return [
        Table(
            f"level-{name_in_files(corruption)}{board.suffix}",
            f"`{corruption}`: interval mean accuracy by {unit_of(corruption)}, in percent, with "
            "95 % intervals. Acc(a,b) is the plain mean of the accuracies at every integer level "
            "from a to b (Endo et al. 2020, eq. 1)."
            + (f" {told}" if (told := board.divided(corruption)) else ""),
            frame,
            notes=tuple(board.marks()),
        )
    ]
