"""Every method against the reference on the same images: paired differences and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.analysis.series import scope
from robobench.reports.blocks import Block, Plot, Table, Text, Value
from robobench.reports.leaderboard import Leaderboard, leaderboards
from robobench.reports.method_row import MethodRow
from robobench.reports.plots import paired_figure
from robobench.reports.ranking import Difference, differences, p_values

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("paired", order=50, title="Gain over the reference")
def paired(run: Run) -> list[Block]:
    """Paired differences from the reference, with intervals and tests."""
    blocks: list[Block] = []
    for board in leaderboards(run):
        if board.reference_row is None or not board.others:
            continue
        gains = {row.label: differences(board, board.reference_row, row) for row in board.others}
        if not any(gains.values()):
            continue
        if not board.alone:
            blocks.append(Text(board.title, "heading"))
        names = ", ".join(row.label for row in board.others)
        blocks.append(
            Plot(
                f"paired{board.suffix}",
                f"Gain of each method over `{board.reference}` on the same images, in points of "
                "accuracy; bars: 95 % intervals of the paired difference. Where the interval "
                f"includes zero, no difference is established. Of {_of(board)}.",
                paired_figure(board),
                f"Gains over {board.reference} with intervals for {names}.",
            )
        )
        blocks.append(_table(board, gains))
        if not board.sweeps:  # with a hundred levels the exact test takes seconds per method
            blocks.append(_chances(board, board.reference_row))
    return blocks


def _of(board: Leaderboard) -> str:
    """Which trainings the intervals and tests speak of."""
    return scope(*board.series.values())


def _table(board: Leaderboard, gains: Mapping[str, Mapping[str, Difference]]) -> Table:
    rows = board.others
    frame = pd.DataFrame(
        {
            row.heading: [
                _value(gains[row.label].get(name), board.reason(row, name))
                for name in board.conditions
            ]
            for row in rows
        },
        index=board.conditions,
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table(
        f"paired{board.suffix}",
        f"Paired gain over `{board.reference}` in points of accuracy, with 95 % intervals.",
        frame,
        notes=tuple(board.marks(rows)),
        folded=True,
    )


def _chances(board: Leaderboard, reference: MethodRow) -> Table:
    rows, names = board.others, board.conditions
    found = {row: p_values(board, reference, row) for row in rows}
    frame = pd.DataFrame(
        {
            row.heading: [Value(p.get(n), unit="p", why=board.reason(row, n)) for n in names]
            for row, p in found.items()
        },
        index=names,
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table(
        f"paired-p{board.suffix}",
        f"p-values of the difference from `{board.reference}`: two-sided exact sign-flip test over "
        "images (with several trainings, Student's t of these added), of "
        f"{_of(board)}, Holm-adjusted over the corruptions (the mean is a test of its own).",
        frame,
        notes=tuple(board.marks(rows)),
        folded=True,
    )


def _value(found: Difference | None, why: str) -> Value:
    if found is None:
        return Value(None, unit="points", why=why)
    return Value(found.value, found.low, found.high, "points")
