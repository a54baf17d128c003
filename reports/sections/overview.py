"""The main findings of a run: a few sentences and the two central tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Card, Table, Text, Value, counted
from robobench.reports.by_board import by_board
from robobench.reports.facts import fact_of
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow, headings
from robobench.reports.method_verdicts import verdicts
from robobench.reports.ranking import bold_notes, marked
from robobench.reports.table_views import by_group, with_views
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.results.run import Run

_INTERVALS = "Brackets: 95 % intervals (bootstrap over images, the same draws for all methods)."


@section("summary", order=10)
def summary(run: Run) -> list[Block]:
    """The findings in words, and the two central tables."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    blocks: list[Block] = []
    blocks.append(_sentences(board))
    blocks.append(_headline(board))
    if len(board.corruptions) > 1:
        blocks += by_group(board, (_INTERVALS,))
        blocks.append(with_views(board, _by_corruption(board)))
    blocks += _published(board)
    return blocks


def _sentences(board: Leaderboard) -> Text:
    """The findings in words, each with its uncertainty."""
    said: list[str] = []
    found = verdicts(board)
    if board.reference_row is not None:
        said += _loss(board, board.reference_row)
        said += [v.sentence(board.reference) for v in found]
    under = f" and under {counted(len(board.corruptions), 'corruption')}"
    return Card(
        f"{counted(len(board.rows), 'method')} on {counted(board.images, 'image')} of "
        f"{board.title}, clean{under if board.corruptions else ''}.",
        items=tuple(said),
        facts=tuple(fact_of(verdict, board.reference) for verdict in found),
    )


def _loss(board: Leaderboard, reference: MethodRow) -> list[str]:
    clean, mean = board.clean(reference), board.summed(reference, MEAN, "accuracy")
    if clean.missing or mean.value is None:
        return []
    said = (
        f"`{reference.label}` classifies {clean.text} % of the clean images correctly, and "
        f"{mean.text} % {mean.interval} of the degraded ones (mean over {_over(board)})"
    )
    drops = {name: board.summed(reference, name, "drop") for name in board.corruptions}
    known = {name: drop for name, drop in drops.items() if drop.value is not None}
    if len(known) > 1:
        worst = max(known, key=lambda name: known[name].value or 0.0)
        said += f"; its largest drop is on `{worst}`, by {known[worst].text} points"
    return [f"{said}."]


def _over(board: Leaderboard) -> str:
    return board.corruptions[0] if len(board.corruptions) == 1 else "all corruptions"


def _headline(board: Leaderboard) -> Table:
    rows = board.rows
    columns: dict[str, list[Value]] = {
        "clean": marked(board, rows, [board.clean(row) for row in rows], CLEAN)
    }
    if board.corruptions:
        accuracy = [board.summed(row, MEAN, "accuracy") for row in rows]
        columns["accuracy"] = marked(board, rows, accuracy, MEAN)
        columns["drop"] = [board.summed(row, MEAN, "drop") for row in rows]
        ce = f"CE[{board.reference}]"
        columns[ce] = [board.summed(row, MEAN, ce) for row in rows]
        columns["recovered"] = [
            Value(None, why="this is the reference itself")
            if row.label == board.reference
            else board.summed(row, MEAN, "recovered")
            for row in rows
        ]
    frame = pd.DataFrame(columns, index=headings(rows), dtype=object)
    frame.columns.name = "method"
    return Table(
        f"summary{board.suffix}",
        f"Accuracy on clean images and on degraded ones (mean over {_over(board)}"
        f"{', which is Acc(1,5)' if _is_interval_mean(board) else ''}); the drop "
        f"between the two; corruption error relative to `{board.reference}`; and the share of the "
        f"loss of `{board.reference}` that a method recovers. All in percent."
        if board.corruptions
        else "Accuracy on clean images, in percent.",
        frame,
        notes=(_INTERVALS, *bold_notes(frame), *board.marks()),
    )


def _is_interval_mean(board: Leaderboard) -> bool:
    """Whether the mean accuracy is the interval mean over severities 1 to 5."""
    table = board.summary[board.summary["corruption"] == MEAN]
    if "Acc(1,5)" not in table or table["Acc(1,5)"].isna().any():
        return False
    return bool((table["Acc(1,5)"] - table["accuracy"]).abs().max() < 1e-9)


def _by_corruption(board: Leaderboard) -> Table:
    rows = board.rows
    columns = {
        name: marked(board, rows, [board.summed(r, name, "accuracy") for r in rows], name)
        for name in board.degraded
    }
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "method"
    turned = len(frame.columns) > max(7, len(rows))  # the longer side runs down the page
    if turned:
        frame = frame.T
        frame.index.name, frame.columns.name = None, "corruption"
    return Table(
        f"by-corruption{board.suffix}",
        "Accuracy by corruption, each the mean over its severities or levels, in percent.",
        frame,
        notes=(_INTERVALS, *bold_notes(frame, "row" if turned else "column"), *board.marks()),
    )


def _published(board: Leaderboard) -> list[Block]:
    """MCE relative to AlexNet, where its errors on the data set are published."""
    if "mCE" not in board.summary:
        return []
    rows = board.rows
    official = board.dataset.endswith("-c")
    columns = {
        name if official else f"{name} (regenerated)": [board.summed(r, MEAN, name) for r in rows]
        for name in ("mCE", "relative mCE")
        if name in board.summary
    }
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "method"
    where = "" if official else " The images are regenerated: small differences from mCE on the "
    where += "" if official else "published files are expected."
    return [
        Table(
            f"mce{board.suffix}",
            "Mean corruption error over the 15 common corruptions; AlexNet is 100, lower is better."
            + where,
            frame,
            notes=(_INTERVALS, *board.marks()),
        )
    ]
