"""How a table fits a paper: its width, the form of its intervals and headings, and its parts.

Widths are estimated from the letters, in points at 8 pt; what does not fit is first written
shorter, then cut into blocks of columns and parts of a page each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from robobench.reports import markup
from robobench.reports.blocks import MINUS
from robobench.reports.paper_styles import PaperStyle
from robobench.reports.tables import Layout, Line, TableCell

Form = Literal["none", "beside", "below", "half"]
Heads = Literal["line", "stacked", "upright"]

SIZE, SMALL = 8.0, 6.0  # of numbers, and of intervals
LINE, SMALL_LINE = 9.5, 7.5
SEPARATION = 3.0  # left and right of each column
NARROWEST = 3.25 * 72  # of captions and notes above and below
_GAP = 3.0  # between a number and its interval
_NAMES = 0.4  # share of the width that the headings of rows may have
_LONG_TEXT, _LEAST_TEXT = 120.0, 60.0  # a wider column of text is broken into lines
_FEWEST_ROWS = 4  # of a table that starts at the end of a page
_GROUP_GAP = 5.0  # between groups of rows
_PAGE = 0.93  # of the height of the text, for a float
_SAFE = 1.02  # kerning and rounding
_WORDS = re.compile(r"[a-z_ ]+")  # of which an underscore is a space, as in a corruption's name
_BREAKS = re.compile(r"(?<=[@_])|,? (?![\u2020\u2021\u00a7])")  # no mark of a method stands alone


@dataclass(frozen=True)
class Column:
    """A column as it is set.

    Attributes:
        place: Its number in the table; -1 and below for the headings of rows.
        width: Width of its contents in points.
        wrapped: Whether its text is broken into lines.
    """

    place: int
    width: float
    wrapped: bool = False


@dataclass(frozen=True)
class Piece:
    """Rows of a block of columns, which are one ``tabular``."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class NumberForm:
    """The form of the numbers in a column, as siunitx reserves it.

    Attributes:
        signed: Whether any has a sign.
        whole: Most digits before the point.
        digits: Most digits after it.
    """

    signed: bool
    whole: int
    digits: int

    @classmethod
    def of(cls, cells: Sequence[TableCell]) -> NumberForm | None:
        """The form of what are numbers among the cells; None where none is."""
        numbers = [number_of(cell) for cell in cells if is_number(cell)]
        if not numbers:
            return None
        parts = [number.lstrip("+-").partition(".") for number in numbers]
        return cls(
            any(number[0] in "+-" for number in numbers),
            max(len(whole) for whole, _, _ in parts),
            max(len(digits) for _, _, digits in parts),
        )

    @property
    def widest(self) -> str:
        """A number of this form that is as wide as all of them."""
        return f"{MINUS if self.signed else ''}{'0' * self.whole}.{'0' * self.digits}"


def is_number(cell: TableCell) -> bool:
    """Whether siunitx can read a cell."""
    value = cell.value
    if value is None or value.missing or value.unit == "count":
        return False
    return number_of(cell).lstrip("+-")[:1].isdigit()


def number_of(cell: TableCell) -> str:
    """A number as siunitx reads it."""
    return cell.text.replace(MINUS, "-")


@dataclass(frozen=True)
class Fit:
    """How a table is set.

    Attributes:
        wide: Whether it needs both columns of a page.
        form: Form of the intervals: none, beside or below the number, or half their width below.
        heads: Form of the headings of columns.
        parts: For each float the pieces in it.
    """

    wide: bool
    form: Form
    heads: Heads
    parts: tuple[tuple[Piece, ...], ...]

    @property
    def blocks(self) -> set[tuple[Column, ...]]:
        """The blocks of columns: one where the table fits."""
        return {piece.columns for part in self.parts for piece in part}


def fit(laid: Layout, paper: PaperStyle, told: Sequence[str], *, intervals: bool) -> Fit:
    """How a table fits a paper.

    Args:
        laid: Its layout.
        paper: The paper's style.
        told: Its caption and notes.
        intervals: Whether the intervals are shown.
    """
    some = intervals and any(cell.interval() for line in laid.lines for cell in line.cells)
    complete: list[Form] = ["beside", "below"] if some else ["none"]
    shorter: list[Form] = ["half"] if some else ["none"]
    tried = [
        (wide, form, heads)
        for wide in ([False, True] if paper.columns == 2 else [True])
        for form in complete
        for heads in _HEADS[:2]
    ] + [(True, form, heads) for form in shorter for heads in _HEADS]
    found: list[Fit] = []
    for wide, form, heads in tried:
        made = _made(_Measured(laid, paper, form, heads), wide, told)
        if len(made.blocks) == 1:
            found.append(made)
            if len(made.parts) == 1:
                break
    if not found:  # it is cut into blocks of columns
        cut = [_Measured(laid, paper, shorter[0], heads) for heads in ("stacked", "upright")]
        found = [_made(measured, True, told) for measured in cut]
    return min(found, key=lambda made: (len(made.blocks), len(made.parts)))


def _made(measured: _Measured, wide: bool, told: Sequence[str]) -> Fit:
    """A table in the given form, in as many blocks and parts as it needs."""
    paper, laid = measured.paper, measured.laid
    room = 72 * (paper.text if wide else paper.column)
    columns = measured.columns(room)
    blocks = list(_blocks(columns, room, len(laid.corner)))
    height = 72 * paper.height * _PAGE - _height_of(told, min(room, _total(columns)), paper)
    parts = tuple(_parts(measured, blocks, laid.lines, height))
    return Fit(wide and paper.columns == 2, measured.form, measured.heads, parts)


_HEADS: tuple[Heads, ...] = ("line", "stacked", "upright")


@dataclass(frozen=True)
class _Measured:
    laid: Layout
    paper: PaperStyle
    form: Form
    heads: Heads

    def columns(self, room: float) -> list[Column]:
        """All columns, those of running text as wide as the others allow."""
        names = list(zip(*map(self._headings, self.laid.lines), strict=True)) or [()]
        found = [
            self._names(place - len(names), [corner, *texts], room / len(names))
            for place, (corner, texts) in enumerate(zip(self.laid.corner, names, strict=False))
        ]
        natural = [self._natural(place) for place in range(len(self.laid.columns))]
        long = [
            place
            for place, kind in enumerate(self.laid.kinds)
            if kind == "text" and natural[place] > _LONG_TEXT
        ]
        taken = _total(found) + sum(
            width + 2 * SEPARATION for place, width in enumerate(natural) if place not in long
        )
        each = max(_LEAST_TEXT, (room - taken) / max(1, len(long)) - 2 * SEPARATION - 0.5)
        for place, width in enumerate(natural):
            wrapped = place in long and width > each
            found.append(Column(place, each if wrapped else width, wrapped))
        return found

    def _headings(self, line: Line) -> list[str]:
        """The headings of a row as they are set; a group's stands above, its rows are indented."""
        indented = line.group and len(self.laid.corner) == 1
        return [f"\N{EM DASH}{line.name}"] if indented else self.laid.headings(line)

    def _names(self, place: int, texts: Sequence[str], room: float) -> Column:
        width, most = max(map(self.width, texts)), _NAMES * room
        return Column(place, min(width, most), width > most)

    def _natural(self, place: int) -> float:
        cells = [line.cells[place] for line in self.laid.lines]
        form = NumberForm.of(cells)
        numbers = [cell.text for cell in cells] + ([form.widest] if form else [])
        number = max(map(self.width, numbers), default=0.0)
        intervals = [shown_interval(cell, self.form) for cell in cells]
        interval = max((self.width(text, SMALL) for text in intervals), default=0.0)
        if self.form == "beside" and interval:
            mark = self.paper.mark if any(cell.level for cell in cells) else 0.0
            width = number + mark + _GAP + interval
        else:
            width = max(number, interval)
        return max(self.head(self.laid.columns[place])[0], width)

    def head(self, text: str) -> tuple[float, float]:
        """Width and height of the heading of a column."""
        lines = stacked(text) if self.heads == "stacked" else [text]
        width, height = max(map(self.width, lines)), LINE * len(lines)
        return (LINE, width) if self.heads == "upright" else (width, height)

    def width(self, text: str, size: float = SIZE) -> float:
        """Width of a text in points."""
        # In Latin Modern a slash is as wide as a digit.
        text = text.replace("/", "0") if self.paper.letters > 1 else text
        wider = self.paper.small_letters if size == SMALL else self.paper.letters
        return text_width(text, size) * wider * _SAFE

    def row_height(self, line: Line, columns: Sequence[Column]) -> float:
        """Height of a row in points."""
        texts = dict(enumerate(cell.text for cell in line.cells))
        texts |= {place - len(self.laid.corner): text for place, text in enumerate(
            self._headings(line)
        )}  # fmt: skip
        lines = [1] + [
            math.ceil(1.15 * self.width(texts[column.place]) / column.width)
            for column in columns
            if column.wrapped
        ]
        return LINE * max(lines) + (SMALL_LINE if self.form in ("below", "half") else 0.0)


def shown_interval(cell: TableCell, form: Form) -> str:
    """The interval of a cell in the given form; empty where there is none."""
    if form == "none" or not cell.interval():
        return ""
    assert cell.value is not None
    return f"±{cell.value.half_width}" if form == "half" else cell.interval()


def stacked(text: str) -> list[str]:
    """A heading in lines: one for each word, short ones together."""
    lines: list[str] = []
    plain = text.replace("_", " ") if _WORDS.fullmatch(text) else text
    words = list(filter(None, _BREAKS.split(plain)))
    longest = max(map(len, words), default=0)
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= longest:
            lines[-1] += word if lines[-1][-1] in "@_" else f" {word}"
        else:
            lines.append(word)
    return lines or [text]


@lru_cache(maxsize=8192)
def text_width(text: str, size: float) -> float:
    """Width of a text in points, in a Times that comes with matplotlib."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    letters = "".join(  # those of a typewriter are narrower than M, and there are two more: U+540D
        "M" * (len(markup.code_point(letter)) - 2) if markup.is_lacking(letter) else letter
        for letter in text
    )
    letters = re.sub(
        "[\N{MINUS SIGN}\N{PLUS-MINUS SIGN}]", "W", letters
    )  # of mathematics, as wide at 6 pt
    font = FontProperties(family=["STIXGeneral", "DejaVu Sans"], size=size)
    escaped = letters.replace("$", "S")
    return float(TextToPath().get_text_width_height_descent(escaped, font, ismath=False)[0])


def _total(columns: Sequence[Column]) -> float:
    """Width of a ``tabular`` without space at its ends."""
    return sum(column.width + 2 * SEPARATION for column in columns) - 2 * SEPARATION


def _blocks(columns: Sequence[Column], room: float, headings: int) -> Iterator[tuple[Column, ...]]:
    """The columns in blocks that fit, about as many in each; all repeat the headings of rows."""
    names, others = list(columns[:headings]), list(columns[headings:])
    count = max(1, math.ceil(_total(others) / max(room - _total(names) - 2 * SEPARATION, 1.0)))
    while count < len(others):
        cut = [
            others[k * len(others) // count : (k + 1) * len(others) // count] for k in range(count)
        ]
        if all(_total([*names, *part]) <= room for part in cut):
            break
        count += 1
    else:
        cut = [[column] for column in others] if count > 1 else [others]
    for part in cut:
        yield (*names, *part)


def _height_of(texts: Sequence[str], width: float, paper: PaperStyle) -> float:
    """Height of a caption and notes that are as wide as the table."""
    room = max(width, NARROWEST) / paper.letters
    return 24.0 + sum(11.0 * math.ceil(text_width(text, SIZE) / room) for text in texts)


def _parts(
    measured: _Measured, blocks: Sequence[tuple[Column, ...]], lines: Sequence[Line], height: float
) -> Iterator[tuple[Piece, ...]]:
    """Pieces for each float: one block below the other while there is room on a page."""
    page: list[Piece] = []
    left = height
    for block in blocks:
        heads = [measured.laid.columns[column.place] for column in block if column.place >= 0]
        above = 22.0 + max([0.0, *(measured.head(text)[1] for text in heads)])
        rows = tuple(lines)
        if not rows:
            page.append(Piece(block, ()))
        while rows:
            heights = _heights(measured, rows, block)
            taken = sum(above + used <= left for used in heights)
            if page and taken < min(_FEWEST_ROWS, len(rows)):
                yield tuple(page)
                page, left = [], height
                continue
            taken = max(taken, 1)  # of a row that is longer than a page
            page.append(Piece(block, rows[:taken]))
            left -= above + heights[taken - 1]
            rows = rows[taken:]
            if rows:
                yield tuple(page)
                page, left = [], height
    yield tuple(page)


def _heights(measured: _Measured, rows: Sequence[Line], block: Sequence[Column]) -> list[float]:
    """Height of the first row, the first two, and so on, with space between groups."""
    group, whole = "", 0.0
    found = []
    for row in rows:
        whole += measured.row_height(row, block)
        if row.group != group:
            whole += _GROUP_GAP + (LINE if len(measured.laid.corner) == 1 else 0.0)
        group = row.group
        found.append(whole)
    return found
