"""What a method that was trained on one corruption does for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Table
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.types import is_matched
from robobench.weights.coverage import trained_corruptions

if TYPE_CHECKING:
    from robobench.reports.method_row import MethodRow
    from robobench.results.run import Run


@section("transfer", order=46, title="Trained on one corruption, evaluated on another")
def transfer(run: Run) -> list[Block]:
    """The share of the loss that each training of a method recovers, by corruption evaluated."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    if not board.degraded:
        return []
    several: dict[str, list[MethodRow]] = {}
    for row in board.others:
        if row.trained_on and not is_matched(row.trained_on):
            several.setdefault(row.method, []).append(row)
    return [
        _table(board, method, rows)
        for method, rows in several.items()
        if len({row.trained_on.partition("#")[0] for row in rows}) > 1
    ]


def _table(board: Leaderboard, method: str, rows: list[MethodRow]) -> Table:
    names = [name for name in board.degraded if name != MEAN]
    frame = pd.DataFrame(
        {
            **{n: [board.summed(r, n, "recovered") for r in rows] for n in (*names, MEAN)},
            "seen": [_seen(row, names) for row in rows],
        },
        index=[row.trained_on for row in rows],
        dtype=object,
    )
    frame.columns.name = "trained on"
    return Table(
        f"transfer-{method}{board.suffix}",
        f"`{method}`: share of the loss of `{board.reference}` recovered, in percent, by what it was "
        "trained on (rows) and evaluated on (columns). Seen: of how many of them in training.",
        frame,
    )


def _seen(row: MethodRow, names: Sequence[str]) -> str:
    seen = set(trained_corruptions(row.trained_on))
    return f"{len(seen.intersection(names))} of {len(names)}"
