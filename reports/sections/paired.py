"""Every method against the reference on the same images: paired differences and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.analysis.pairwise import Difference
from robobench.analysis.series import scope
from robobench.reports.blocks import Block, Plot, Table, Value
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.method_row import MethodRow
from robobench.reports.plots import MOST_PANELS, paired_figure
from robobench.reports.ranking import differences, judged

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("paired", order=50, title="Gain over the reference")
def paired(run: Run) -> list[Block]:
    """Paired differences from the reference, with intervals and tests."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    if board.reference_row is None or not board.others:
        return []
    gains = {row.label: differences(board, board.reference_row, row) for row in board.others}
    if not any(gains.values()):
        return []
    names = ", ".join(row.label for row in board.others)
    return [
        Plot(
            f"paired{board.suffix}",
            f"Gain of each method over `{board.reference}` on the same images, in points of "
            "accuracy; bars: 95 % intervals of the paired difference, each for itself. Which "
            f"differences are established, the p-values below say. Of {_of(board)}.{_shown(board)}",
            paired_figure(board),
            f"Gains over {board.reference} with intervals for {names}.",
        ),
        _table(board, gains),
        _chances(board),
    ]


def _shown(board: Leaderboard) -> str:
    """Which methods the plot leaves out."""
    count = len(board.others)
    if count <= MOST_PANELS:
        return ""
    return f" The {MOST_PANELS} most accurate of {count} methods; the table below has all."


def _of(board: Leaderboard) -> str:
    """Which trainings the intervals and tests speak of."""
    return scope(*board.series.values())


def _table(board: Leaderboard, gains: Mapping[str, Mapping[str, Difference]]) -> Table:
    rows = board.others
    frame = pd.DataFrame(
        {
            row.heading: [
                _value(board, row, gains[row.label].get(name), name) for name in board.conditions
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


def _chances(board: Leaderboard) -> Table:
    rows, names = board.others, board.conditions
    frame = pd.DataFrame(
        {
            row.heading: [
                Value(
                    board.tests.p(name, board.reference, row.label),
                    unit="p",
                    why=board.reason(row, name),
                )
                for name in names
            ]
            for row in rows
        },
        index=names,
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table(
        f"paired-p{board.suffix}",
        f"p-values of the difference from `{board.reference}`: two-sided exact sign-flip test over "
        "images (with several trainings, Student's t of these added), of "
        f"{_of(board)}, adjusted by Holm's method for all pairs of methods: the means over corruptions "
        "are one family, clean images and single corruptions another.",
        frame,
        notes=tuple(board.marks(rows)),
        folded=True,
    )


def _value(board: Leaderboard, row: MethodRow, found: Difference | None, name: str) -> Value:
    if found is None:
        return Value(None, unit="points", why=board.reason(row, name))
    value = Value(found.value, found.low, found.high, "points")
    return judged(board, row, value, name)
