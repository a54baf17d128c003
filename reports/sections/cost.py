"""The cost of each method against its accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.errors import RobobenchError
from robobench.reports.blocks import Block, Plot, Table, Value
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow
from robobench.reports.plots import cost_figure

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("cost", order=60)
def cost(run: Run) -> list[Block]:
    """Parameters, multiply-adds and measured time of each method."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    blocks: list[Block] = []
    if all(row.parameters is None and row.macs is None for row in board.rows):
        return []
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
    timed = [row for row in board.rows if row.milliseconds is not None]
    machines = list(dict.fromkeys(row.timed_on for row in timed))
    frame = pd.DataFrame(
        {
            "parameters": [Value(r.parameters, unit="count", why=why) for r in board.rows],
            "multiply-adds": [Value(r.macs, unit="count", why=why) for r in board.rows],
            f"times {first.label}": [
                Value(_ratio(r.macs, first.macs), unit="number", why=why) for r in board.rows
            ],
            "ms per image": [
                Value(r.milliseconds, unit="number", why="not measured in the run")
                for r in board.rows
            ],
            f"time, times {first.label}": [_slower(row, first) for row in board.rows],
            "accuracy": [board.summed(row, MEAN, "accuracy") for row in board.rows],
        },
        index=[row.heading for row in board.rows],
        dtype=object,
    )
    frame.columns.name = "method"
    return Table(
        f"cost{board.suffix}",
        "Cost of everything that runs for one image: parameters, multiply-adds, and these as a "
        f"multiple of `{first.label}`'s; measured milliseconds per image, and these likewise; with "
        "the mean accuracy on degraded images in percent.",
        frame,
        notes=(
            "Multiply-adds are those of networks; filters and searches on pixels show in the time.",
            *([f"Time: measured in the run, on {' and on '.join(machines)}."] if machines else []),
            *board.marks(),
        ),
    )


def _ratio(value: float | None, reference: float | None) -> float | None:
    """How many times the reference it is; None where one is unknown or the reference is 0."""
    return value / reference if value is not None and reference else None


def _slower(row: MethodRow, first: MethodRow) -> Value:
    """How many times as long it takes, on the same machine."""
    if row.milliseconds is None or first.milliseconds is None:
        return Value(None, why="not measured in the run")
    if row.timed_on != first.timed_on:
        return Value(None, why=f"`{first.label}` was measured on another machine")
    return Value(_ratio(row.milliseconds, first.milliseconds), unit="number")
