"""What methods report besides predictions: quality of restored images, estimated levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.registry import METRICS
from robobench.reports.blocks import Block, Table, Value
from robobench.reports.by_board import by_board
from robobench.reports.estimates import estimate_blocks
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.method_row import MethodRow
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("measured", order=75, title="Quantities that methods report")
def measured(run: Run) -> list[Block]:
    """Extra columns of methods: quality of restored images, estimated levels."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    extra = board.frame[~board.frame["metric"].isin(METRICS.names())]
    columns = {
        f"{row.label}: {metric}": _means(board, extra, row, metric)
        for row in board.rows
        for metric in dict.fromkeys(row.of(extra)["metric"])
    }
    if not columns:
        return []
    frame = pd.DataFrame(columns, index=[CLEAN, *board.corruptions], dtype=object)
    frame.columns.name = "corruption"
    return [
        Table(
            f"measured{board.suffix}",
            "Means over all images and levels of what methods report besides predictions.",
            frame,
        ),
        *estimate_blocks(board),
    ]


def _means(board: Leaderboard, extra: pd.DataFrame, row: MethodRow, metric: str) -> list[Value]:
    mine = row.of(extra)
    values = mine[mine["metric"] == metric].groupby("corruption")["value"].mean()
    return [
        Value(float(values[name]) if name in values else None, unit="number", why="not measured")
        for name in [CLEAN, *board.corruptions]
    ]
