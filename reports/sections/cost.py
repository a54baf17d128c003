"""What each method costs beside what it brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.errors import RobobenchError
from robobench.reports.blocks import Block, Plot, Table, Text, Value
from robobench.reports.leaderboard import MEAN, Leaderboard, leaderboards
from robobench.reports.plots import cost_figure

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("cost", order=60)
def cost(run: Run) -> list[Block]:
    """Parameters and multiply-adds of each method."""
    blocks: list[Block] = []
    for board in leaderboards(run):
        if all(row.parameters is None and row.macs is None for row in board.rows):
            continue
        if not board.alone:
            blocks.append(Text(board.title, "heading"))
        try:
            figure = cost_figure(board)
        except RobobenchError:  # nothing degraded was evaluated: the table still stands
            pass
        else:
            blocks.append(
                Plot(
                    f"cost{board.suffix}",
                    "Mean accuracy on degraded images against what a method costs; bars are 95 % "
                    "intervals. Up and left is better.",
                    figure,
                    f"Accuracy by multiply-adds and by parameters for {', '.join(board.labels)}.",
                )
            )
        blocks.append(_table(board))
    return blocks


def _table(board: Leaderboard) -> Table:
    first = next((row for row in board.rows if row.label == board.reference), board.rows[0])
    why = "the run does not say"
    frame = pd.DataFrame(
        {
            "parameters": [Value(r.parameters, unit="count", why=why) for r in board.rows],
            "multiply-adds": [Value(r.macs, unit="count", why=why) for r in board.rows],
            f"times {first.label}": [
                Value(
                    r.macs / first.macs if r.macs and first.macs else None, unit="number", why=why
                )
                for r in board.rows
            ],
            "accuracy": [board.summed(row, MEAN, "accuracy") for row in board.rows],
        },
        index=[row.heading for row in board.rows],
        dtype=object,
    )
    frame.columns.name = "method"
    return Table(
        f"cost{board.suffix}",
        "Everything that runs for one image: parameters, multiply-adds, and these as a multiple of "
        f"`{first.label}`; beside it the mean accuracy on degraded images in percent.",
        frame,
        notes=tuple(board.marks()),
    )
