"""Every method against every other: under how many corruptions it wins, is level and loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import DASH, Block, Table
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.plots import MOST_PANELS
from robobench.reports.ranking import leading

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("pairs", order=52, title="Every pair of methods")
def pairs(run: Run) -> list[Block]:
    """Wins, ties and losses of every pair of methods over the corruptions."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    if len(board.rows) < 3 or not board.corruptions:  # of two, the gains say it all
        return []
    return [_table(board)]


def _table(board: Leaderboard) -> Table:
    rows = leading(board, MOST_PANELS)
    frame = pd.DataFrame(
        {
            other.heading: [
                DASH if other is row else _told(board, row.label, other.label) for row in rows
            ]
            for other in rows
        },
        index=[row.heading for row in rows],
        dtype=object,
    )
    frame.columns.name = "method"
    fewer = len(rows) < len(board.rows)
    some = f" Of {len(board.rows)} methods, the best {MOST_PANELS}." if fewer else ""
    return Table(
        f"pairs{board.suffix}",
        "The method of the row against the one of the column: corruptions under which it wins, is level "
        f"and loses, as won/level/lost.{some}",
        frame,
        notes=(
            "Paired tests over the images, all pairs and corruptions together adjusted by Holm's method.",
            *board.marks(rows),
        ),
    )


def _told(board: Leaderboard, one: str, other: str) -> str:
    """Wins, ties and losses; corruptions that one of them lacks do not count."""
    wins = losses = compared = 0
    for name in board.corruptions:
        if board.tests.gain(name, one, other) is None:
            continue
        compared += 1
        wins += board.tests.is_better(name, one, other)
        losses += board.tests.is_better(name, other, one)
    return f"{wins}/{compared - wins - losses}/{losses}" if compared else DASH
