"""What `run` prints: one row per method, and two verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import pandas as pd

from robobench.reports.blocks import LEVEL, Table, Value
from robobench.reports.by_severity import groups_of
from robobench.reports.joined import join
from robobench.reports.leaderboard import MEAN, Leaderboard, leaderboards
from robobench.reports.method_row import MethodRow
from robobench.reports.method_verdicts import verdicts
from robobench.reports.ranking import judged, marked
from robobench.reports.screen import accuracy_heading, print_table, print_text, screen
from robobench.reports.tables import footnotes
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.results.run import Run

_MOST_COLUMNS = 6
_ENDINGS = ("_noise", "_blur", "_compression", "_transform")
_RECOVERED = "recovered"


def print_results(run: Run, *, file: TextIO | None = None) -> None:
    """Print a run: a table per data set and classifier, sorted by accuracy, with its verdicts.

    Args:
        run: The run.
        file: Where to print; standard output by default.
    """
    console = screen(file)
    boards = leaderboards(join([run])) if run.cells else []
    if not boards:
        console.print("no cells: nothing to summarise")
        return
    several = len({board.backbone for board in boards}) > 1
    for board in boards:
        # Of classifiers alone, one compared with itself is no verdict.
        found = verdicts(board) if board.others or not several else []
        table = method_table(board)
        console.print(table.caption, style="bold")
        console.print()
        print_table(console, table)
        if console.is_terminal:
            console.print()
        for verdict in found:
            print_text(console, verdict.sentence(board.reference))
        for note in _notes(board, table):
            print_text(console, note, "dim")
        console.print()
    if several:
        print_text(console, f"`robobench rank {run.folder}` compares the classifiers.")
        console.print()


def method_table(board: Leaderboard) -> Table:
    """One row per method, the most accurate first: clean, corruptions or groups, mean, CE, recovered.

    Args:
        board: The leaderboard.
    """
    rows = sorted(board.rows, key=lambda row: -(board.summed(row, MEAN, "accuracy").value or -1.0))
    clean = [_bare(board.clean(row)) for row in rows]
    columns: dict[str, list[Value]] = {"clean": marked(board, rows, clean, CLEAN)}
    for heading, names in headings(board.corruptions).items():
        values = [_mean(board, row, names) for row in rows]
        columns[heading] = marked(board, rows, values, names[0]) if len(names) == 1 else values
    if len(board.corruptions) > 1:
        means = [board.summed(row, MEAN, "accuracy") for row in rows]
        columns[MEAN] = marked(board, rows, means, MEAN)
    if board.corruptions and board.others and board.reference_row is not None:
        ce = f"CE[{board.reference}]"
        columns[ce] = [_bare(board.summed(row, MEAN, ce)) for row in rows]
        columns[_RECOVERED] = [
            Value(None)
            if row.label == board.reference
            else judged(board, row, _bare(board.summed(row, MEAN, _RECOVERED)), MEAN)
            for row in rows
        ]
    labels = [f"{row.label}*" if row.told else row.label for row in rows]
    frame = pd.DataFrame(columns, index=labels, dtype=object)
    frame.columns.name = "method"
    return Table(
        f"console{board.suffix}",
        accuracy_heading(board.dataset, board.split, board.backbone, board.images),
        frame,
    )


def headings(corruptions: Sequence[str]) -> dict[str, list[str]]:
    """Short column headings and the corruptions behind each: single ones, or groups if many."""
    if len(corruptions) <= _MOST_COLUMNS:
        short = {name: _short(name) for name in corruptions}
        unique = len(set(short.values())) == len(short)
        return {(short[name] if unique else name): [name] for name in corruptions}
    return groups_of(corruptions)


def _short(name: str) -> str:
    return next((name.removesuffix(end) for end in _ENDINGS if name.endswith(end)), name)


def _bare(value: Value) -> Value:
    """A number without its interval."""
    return Value(value.value, unit=value.unit, why=value.why)


def _mean(board: Leaderboard, row: MethodRow, names: Sequence[str]) -> Value:
    """Mean accuracy over corruptions; with its interval if it is the only one."""
    values = [board.summed(row, name, "accuracy") for name in names]
    if len(board.corruptions) == 1:
        return values[0]
    known = [value.value for value in values if value.value is not None]
    if len(known) < len(values):
        return Value(None, why=next(v.why for v in values if v.value is None))
    return Value(sum(known) / len(known))


def _notes(board: Leaderboard, table: Table) -> list[str]:
    lines = []
    if board.others and board.reference_row is not None and board.corruptions:
        reference = board.reference
        lines.append(
            f"CE[{reference}]: errors as a share of {reference}'s; below 100 is better. recovered: "
            f"share of the accuracy lost by {reference} that comes back."
        )
    if any(row.told for row in board.rows):
        lines.append("*: is told the corruption or its strength, which no deployment knows.")
    lines += [f"({sign}) {note}" for sign, note in footnotes(table)]
    if any(value.level for _, column in table.frame.items() for value in column):
        lines.append(f"{LEVEL}: the tests do not separate it from the best in its column.")
    return lines
