"""Accuracy at each severity: the plot, and one table per corruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Plot, Table, Value, name_in_files
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.line_plots import MOST_COLORED, in_color, methods_figure, severity_figure
from robobench.reports.method_row import MethodRow

if TYPE_CHECKING:
    from robobench.results.run import Run

_FOLD_FROM = 3  # tables beyond this many are shown on demand in HTML: the plot says the same


@section("severity", order=20, title="Accuracy by severity")
def severity(run: Run) -> list[Block]:
    """Accuracy at every severity, by corruption."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    blocks: list[Block] = []
    if not board.graded:
        return []
    if len(board.others) > MOST_COLORED:
        blocks.append(_by_method(board))
    blocks.append(
        Plot(
            f"severity{board.suffix}",
            "Accuracy on clean images and at each severity. Bands: pointwise 95 % Wilson "
            f"intervals{_seeds(board)}. {_grey(board)}".rstrip(),
            severity_figure(board),
            f"Accuracy against severity for {', '.join(board.labels)}, one panel for each "
            f"of {', '.join(board.graded)}.",
        )
    )
    folded = len(board.graded) >= _FOLD_FROM
    blocks += [_table(board, name, folded=folded) for name in board.graded]
    return blocks


def _by_method(board: Leaderboard) -> Plot:
    return Plot(
        f"severity-methods{board.suffix}",
        f"Mean accuracy over all corruptions by severity: each method against `{board.reference}` "
        "(dark) and all others (grey). Bands: 95 % intervals.",
        methods_figure(board),
        f"Mean accuracy against severity, one panel for each of {', '.join(board.labels)}.",
    )


def _grey(board: Leaderboard) -> str:
    """Which methods a plot of many shows in colour."""
    colored = in_color(board)
    if len(colored) == len(board.labels):
        return ""
    named = ", ".join(f"`{label}`" for label in board.labels if label in colored)
    return f"In colour: {named}; grey: the other methods."


def _seeds(board: Leaderboard) -> str:
    several = (
        board.summary["train_seeds"].max() > 1
        or board.accuracy.loc[board.accuracy["severity"].notna(), "seed"].nunique() > 1
    )
    return "; several seeds are averaged, with the hull of their intervals" if several else ""


def _table(board: Leaderboard, corruption: str, *, folded: bool) -> Table:
    rows = board.rows
    lines = {row.label: _points(board, row, corruption) for row in rows}
    strengths = sorted({x for line in lines.values() for x in line})
    columns: dict[str, list[Value]] = {
        f"{x}": [
            lines[r.label].get(x) or Value(None, why=board.reason(r, corruption)) for r in rows
        ]
        for x in strengths
    }
    mean, column = (
        ("Acc(1,5)", "Acc(1,5)") if strengths == [1, 2, 3, 4, 5] else ("mean", "accuracy")
    )
    columns[mean] = [board.summed(row, corruption, column) for row in rows]
    columns["drop"] = [board.summed(row, corruption, "drop") for row in rows]
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "severity"
    return Table(
        f"severity-{name_in_files(corruption)}{board.suffix}",
        f"`{corruption}`: accuracy at each severity and drop from clean images (percent, 95 % "
        "intervals).",
        frame,
        notes=tuple(board.marks()),
        folded=folded,
    )


def _points(board: Leaderboard, row: MethodRow, corruption: str) -> dict[int, Value]:
    return {int(point.x): point.shown for point in board.points(row, corruption, "severity")}
