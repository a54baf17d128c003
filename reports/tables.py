"""A table, laid out once and written in each format.

`lay_out` decides what goes where; a `Dialect` escapes a text and decorates a cell; a function for
each format joins them. `robobench.reports.screen` does so for a terminal,
`robobench.reports.html_tables` for a page,
`robobench.reports.latex_tables` for a paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from robobench.reports import markup
from robobench.reports.blocks import DASH, LEVEL, MINUS, Table, Value, raw
from robobench.reports.method_row import unmarked

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ASCII = str.maketrans({MINUS: "-", DASH: "-"})


@dataclass(frozen=True)
class TableCell:
    """A cell as readers see it, independent of the format.

    Attributes:
        text: The number without its interval, or text.
        value: The number, where it is one.
        sign: For a dash: the letter of its footnote; else empty.
    """

    text: str
    value: Value | None = None
    sign: str = ""

    @property
    def bold(self) -> bool:
        """Whether it is in bold."""
        return self.value is not None and self.value.bold and not self.value.missing

    @property
    def level(self) -> str:
        """The mark of what is level with the best in its column, or an empty string."""
        return LEVEL if self.value and self.value.level and not self.value.missing else ""

    def interval(self, form: str = "[{}, {}]") -> str:
        """Its interval in the given form, or an empty string."""
        return self.value.ends_as(form) if self.value else ""


@dataclass(frozen=True)
class Line:
    """A row: the heading of its group (empty without groups), its own heading and its cells."""

    group: str
    name: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class Layout:
    """The layout of a table.

    Attributes:
        corner: Headings of the row headings: one, or two for group and row.
        columns: Headings of the columns.
        kinds: Kind of each column: text, numbers, or numbers of which any has an interval.
        lines: The rows.
        reasons: Reasons for dashes, by footnote letter.
    """

    corner: tuple[str, ...]
    columns: tuple[str, ...]
    kinds: tuple[Literal["text", "number", "interval"], ...]
    lines: tuple[Line, ...]
    reasons: dict[str, str]

    @property
    def headed(self) -> bool:
        """Whether any column has a name; a list of facts needs no header."""
        return any(self.columns)

    def headings(self, line: Line) -> list[str]:
        """The headings of a row, one text for each of `corner`."""
        parts = [line.group, line.name]
        return parts if len(self.corner) == 2 else [", ".join(filter(None, parts))]


def lay_out(table: Table) -> Layout:
    """The layout of a table, the same for all formats."""
    frame = table.frame
    columns = [list(column) for _, column in frame.items()]
    found = dict.fromkeys(
        cell.why
        for column in columns
        for cell in column
        if isinstance(cell, Value) and cell.missing and cell.why
    )
    signs = {why: _LETTERS[place % 26] * (1 + place // 26) for place, why in enumerate(found)}
    grouped = frame.index.nlevels == 2
    named = grouped and all(frame.index.names)
    names = frame.index if grouped else [("", name) for name in frame.index]
    rows = zip(*columns, strict=True) if columns else [()] * len(frame)
    return Layout(
        corner=tuple(map(str, frame.index.names)) if named else (str(frame.columns.name or ""),),
        columns=tuple(map(str, frame.columns)),
        kinds=tuple(map(_kind, columns)),
        lines=tuple(
            Line(str(group), str(name), tuple(_cell(cell, signs) for cell in row))
            for (group, name), row in zip(names, rows, strict=True)
        ),
        reasons={sign: why for why, sign in signs.items()},
    )


def _kind(column: Sequence[Any]) -> Literal["text", "number", "interval"]:
    values = [cell for cell in column if isinstance(cell, Value)]
    if not values:
        return "text"
    return "interval" if any(value.ends for value in values) else "number"


def _cell(cell: Any, signs: dict[str, str]) -> TableCell:
    if not isinstance(cell, Value):
        return TableCell(str(cell))
    return TableCell(cell.text, cell, signs.get(cell.why, "") if cell.missing else "")


def footnotes(table: Table) -> list[tuple[str, str]]:
    """The footnotes of a table: (sign, text), with an empty sign for its own notes."""
    return [(sign, f"{why}.") for sign, why in lay_out(table).reasons.items()] + [
        ("", note) for note in table.notes
    ]


@dataclass(frozen=True)
class Dialect:
    """How a format writes the parts of a table.

    Attributes:
        heading: Escapes the heading of a row or column.
        cell: Writes a cell, escaped and decorated.
    """

    heading: Callable[[str], str]
    cell: Callable[[TableCell], str]

    def written(self, laid: Layout) -> tuple[list[str], list[list[str]]]:
        """The header and the rows, each text as the format writes it."""
        return [self.heading(name) for name in (*laid.corner, *laid.columns)], [
            [*map(self.heading, laid.headings(line)), *map(self.cell, line.cells)]
            for line in laid.lines
        ]


def html_cell(cell: TableCell) -> str:
    """A cell in HTML, its interval small."""
    text = markup.html(cell.text)
    if cell.bold:
        text = f"<strong>{text}</strong>"
    sign = f"<sup>{cell.sign or cell.level}</sup>" if cell.sign or cell.level else ""
    interval = f"<small>{cell.interval()}</small>" if cell.interval() else ""
    return f"{text}{sign}{interval}"


def _markdown_cell(cell: TableCell) -> str:
    if cell.sign:
        return f"{cell.text} ({cell.sign})"
    number = f"**{cell.text}**" if cell.bold else markup.markdown_plain(cell.text)
    return f"{number}{cell.level} {markup.markdown_plain(cell.interval())}".rstrip()


def to_markdown(table: Table) -> str:
    """A table in GitHub's Markdown, intervals after their numbers."""
    laid = lay_out(table)
    head, lines = Dialect(markup.markdown_plain, _markdown_cell).written(laid)
    rules = ["---" if kind == "text" else "---:" for kind in laid.kinds]
    rule = ["---"] * len(laid.corner) + rules
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *lines])


def plain(text: str) -> str:
    """A text with its minus signs and dashes in ASCII."""
    return text.translate(_ASCII)


def _log_cell(cell: TableCell) -> str:
    sign = f"({cell.sign})" if cell.sign else ""
    shown = f"{cell.text}{cell.level}"
    return plain(" ".join(filter(None, (shown, sign, cell.interval("[{},{}]")))))


def to_log(table: Table) -> str:
    """A Markdown table for a log: columns padded, signs in ASCII, nothing escaped."""
    laid = lay_out(table)
    head, lines = Dialect(plain, _log_cell).written(laid)
    left = [True] * len(laid.corner) + [kind == "text" for kind in laid.kinds]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]

    def row(cells: Sequence[str]) -> str:
        places = zip(cells, widths, left, strict=True)
        return " | ".join(cell.ljust(w) if text else cell.rjust(w) for cell, w, text in places)

    rules = zip(widths, left, strict=True)
    rule = "|".join("-" * (width + 1) + ("-" if text else ":") for width, text in rules)
    header, *body = [f"| {row(line)} |\n" for line in [head, *lines]]
    return "".join([header, f"|{rule}|\n", *body])


def to_csv(table: Table) -> str:
    """The unrounded numbers, as fractions, each interval in two columns after its value."""
    text: str = data(table).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text


def data(table: Table) -> pd.DataFrame:
    """The unrounded numbers as a data frame, with the row headings in its first columns.

    Numbers are fractions, each interval in two columns (``_low``, ``_high``) after its value. Names
    of methods are without the marks that a page explains.
    """
    laid = lay_out(table)
    columns: dict[str, list[Any]] = {}

    def add(name: str, values: list[Any]) -> None:
        while name in columns:  # a method called `x_low` beside `x`
            name += "_"
        columns[name] = values

    for place, corner in enumerate(laid.corner):
        add(corner or "name", [unmarked(laid.headings(line)[place]) for line in laid.lines])
    for (heading, column), kind in zip(table.frame.items(), laid.kinds, strict=True):
        name = unmarked(str(heading)) or "value"
        add(name, [raw(cell) for cell in column])
        if kind == "interval":
            for end in ("low", "high"):
                add(f"{name}_{end}", [getattr(cell, end, None) for cell in column])
    return pd.DataFrame(columns)
