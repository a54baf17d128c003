"""The share of the loss that each method recovers, as a heat map of methods by corruptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Plot, Table
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.plots import heatmap_figure

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("recovered", order=40, title="Share of the loss recovered")
def recovered(run: Run) -> list[Block]:
    """Share of the reference's loss that each method recovers, as a heat map."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    rows = board.others
    shares = [
        board.summed(row, name, "recovered").value for row in rows for name in board.corruptions
    ]
    if not any(share is not None for share in shares):
        return []
    return [
        Plot(
            f"recovered{board.suffix}",
            f"Share of the loss of `{board.reference}` that a method recovers, in percent: 100 "
            "is as good as on clean images, below 0 is worse than no remedy. Blank where the "
            "loss itself is within noise, or the method is not applicable.",
            heatmap_figure(board),
            f"Heat map of the share recovered: {', '.join(r.label for r in rows)} by "
            f"{', '.join(board.corruptions)}.",
        ),
        _table(board),
    ]


def _table(board: Leaderboard) -> Table:
    rows, names = board.others, board.degraded
    frame = pd.DataFrame(
        {r.heading: [board.summed(r, n, "recovered") for n in names] for r in rows},
        index=names,
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table(
        f"recovered{board.suffix}",
        f"Share of the loss of `{board.reference}` recovered, in percent, with 95 % intervals.",
        frame,
        notes=tuple(board.marks(rows)),
        folded=True,
    )
