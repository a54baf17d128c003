"""The cost of each method against its accuracy."""

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
        except RobobenchError:  # no degraded cell was evaluated: the table is still shown
            pass
        else:
            blocks.append(
                Plot(
                    f"cost{board.suffix}",
                    "Mean accuracy on degraded images against the cost of a method; bars: 95 % "
                    "intervals. Towards the upper left is better.",
                    figure,
                    f"Accuracy against multiply-adds and parameters for {', '.join(board.labels)}.",
                )
            )
        blocks.append(_table(board))
    return blocks


def _table(board: Leaderboard) -> Table:
    first = next((row for row in board.rows if row.label == board.reference), board.rows[0])
    why = "not recorded in the run"
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
        "Cost of everything that runs for one image: parameters, multiply-adds, and these as a "
        f"multiple of `{first.label}`'s; with the mean accuracy on degraded images in percent.",
        frame,
        notes=tuple(board.marks()),
    )
