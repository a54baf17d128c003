"""Which method is best in a column and which are level with it: marks that follow from the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robobench.analysis.pairwise import Difference
from robobench.reports.blocks import LEVEL, Value
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow

if TYPE_CHECKING:
    import pandas as pd


def bold_notes(frame: pd.DataFrame, along: str = "column") -> list[str]:
    """What bold and the mark of ties mean, where a table has them.

    Args:
        frame: The cells of the table.
        along: Where methods are compared: in a ``column``, or in a ``row`` of a transposed table.
    """
    if not any(
        isinstance(cell, Value) and cell.bold for _, cells in frame.items() for cell in cells
    ):
        return []
    return [
        (
            f"Bold: the best in its {along} of the methods that are usable as they are; {LEVEL}: the "
            "tests do not separate it from the best (paired tests over the images, all pairs of "
            "methods, adjusted by Holm's method)."
        )
    ]


def leading(board: Leaderboard, most: int) -> list[MethodRow]:
    """The reference and the methods with the highest means, in the order of the tables.

    Args:
        board: The leaderboard.
        most: At most how many methods beside the reference.
    """
    means = {r.label: board.summed(r, MEAN, "accuracy").value or 0.0 for r in board.others}
    best = {board.reference, *sorted(means, key=lambda label: -means[label])[:most]}
    return [row for row in board.rows if row.label in best]


def differences(board: Leaderboard, a: MethodRow, b: MethodRow) -> Mapping[str, Difference]:
    """The paired gain of `b` over `a`, where both have every level.

    Args:
        board: The leaderboard of both.
        a: The method to compare with.
        b: The method compared.

    Returns:
        The difference of the mean accuracies by corruption, including ``clean`` and ``mean``.
    """
    tests = board.tests
    found = {condition: tests.gain(condition, a.label, b.label) for condition in tests.standings}
    return {condition: gain for condition, gain in found.items() if gain is not None}


def marked(
    board: Leaderboard, rows: Sequence[MethodRow], values: Sequence[Value], condition: str
) -> list[Value]:
    """The same accuracies: the best in bold, what is level with it marked, each against the reference.

    Best and level are the methods usable as they are; one alone is not the best of anything.
    """
    tests, reference = board.tests, board.reference
    usable = [row.label for row in rows if not row.told]
    ranked = tests.ranked(condition, usable)
    best = ranked[0] if len(ranked) > 1 else None
    level = tests.level_with(condition, best, usable) if best is not None else []
    found = []
    for row, value in zip(rows, values, strict=True):
        value = replace(value, bold=row.label == best, level=row.label in level)
        found.append(judged(board, row, value, condition) if row.label != reference else value)
    return found


def judged(board: Leaderboard, row: MethodRow, value: Value, condition: str) -> Value:
    """The same number, as better or worse than the reference where the tests separate the two."""
    if board.tests.is_better(condition, row.label, board.reference):
        return replace(value, against="better")
    if board.tests.is_better(condition, board.reference, row.label):
        return replace(value, against="worse")
    return value
