"""What a run lacks, and what of it is whole and may be compared."""

from __future__ import annotations

from robobench.reports.leaderboard import Leaderboard
from robobench.reports.method_row import MethodRow

_NOT_APPLICABLE = "not applicable"


def lacks_cells(board: Leaderboard) -> list[str]:
    """What is missing, as phrases; empty where every planned cell is there."""
    found = [
        f"`{row.label}`: {_named(lacking)}" for row in board.rows if (lacking := board.lacking(row))
    ]
    planned = board.run.planned
    if len(board.run.cells) < planned:
        found.append(f"{len(board.run.cells):,} of {planned:,} cells are stored")
    return found


def whole_corruptions(board: Leaderboard) -> list[str]:
    """The corruptions of which every method has every level, if it is applicable.

    How many levels an interrupted run has planned is known of severities alone: as many as the other
    corruptions have.
    """
    whole = [c for c in board.corruptions if all(_has(board, row, c) for row in board.rows)]
    if len(board.run.cells) >= board.run.planned:
        return whole
    levels = {c: len({d.level for d in board.levels[c]}) for c in board.graded}
    most = max(levels.values(), default=0)
    several = len(board.graded) > 1
    return [c for c in whole if several and levels.get(c) == most]


def is_applicable(board: Leaderboard, row: MethodRow) -> bool:
    """Whether a method is applicable to all corruptions."""
    return not any(board.reason(row, c).startswith(_NOT_APPLICABLE) for c in board.corruptions)


def _has(board: Leaderboard, row: MethodRow, corruption: str) -> bool:
    applicable = not board.reason(row, corruption).startswith(_NOT_APPLICABLE)
    return board.complete(row, corruption) or not applicable


def _named(cells: list[str], shown: int = 6) -> str:
    more = f" and {len(cells) - shown} more" if len(cells) > shown else ""
    return f"{', '.join(cells[:shown])}{more}"
