"""What a report section returns: texts, tables and plots, independent of the format.

A section is a function of a run, registered like anything else::

    @robobench.section("worst-case", order=25)
    def worst_case(run):
        "The worst severity of every corruption."
        return [Text("..."), Table("worst-case", "Lowest accuracy", frame)]

Values remain fractions until a format writes them. Texts may mark names with backticks, the only
markup; every format escapes the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

Unit = Literal["percent", "points", "number", "count", "p", "level", "level difference"]

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
LEVEL = "="


@dataclass(frozen=True)
class Value:
    """A number in a table, with its interval, in the unit that readers see.

    Attributes:
        value: A fraction for ``percent`` and ``points``; None or NaN is shown as a dash.
        low: Lower end of the 95 % interval, in the same unit, or None.
        high: Upper end.
        unit: ``percent`` (of a fraction), ``points`` (difference of two percentages, signed),
            ``number`` (as it is), ``count`` (with k, M, G), ``p`` (a p-value), ``level`` (two
            decimals) or ``level difference`` (likewise, signed).
        bold: Whether it is in bold: the best in its column.
        level: Whether the tests do not separate it from the best in its column.
        against: Whether the tests separate it from the reference, and how.
        why: The reason for a dash, which becomes a footnote of the table.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: Unit = "percent"
    bold: bool = False
    level: bool = False
    against: Literal["", "better", "worse"] = ""
    why: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is no number to show."""
        return self.value is None or math.isnan(self.value)

    @property
    def text(self) -> str:
        """The number without its interval: ``71.2``, ``+3.4``, ``1.3 M``."""
        return DASH if self.value is None or self.missing else _shown(self.value, self.unit)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the interval; None without one, or if it is a point, as for a reference."""
        if self.missing or self.low is None or self.high is None:
            return None
        told_apart = self.low < self.high  # which NaN is not
        return (self.low, self.high) if told_apart else None

    @property
    def interval(self) -> str:
        """``[70.1, 72.3]``, or an empty string."""
        return self.ends_as("[{}, {}]")

    def ends_as(self, form: str) -> str:
        """Both ends in the given form, such as ``{}…{}``; empty without an interval."""
        return form.format(*(_shown(end, self.unit) for end in self.ends)) if self.ends else ""

    @property
    def half_width(self) -> str:
        """Half the width of the interval, without a sign: ``1.1``; or an empty string."""
        if not self.ends:
            return ""
        low, high = self.ends
        return _shown((high - low) / 2, self.unit).removeprefix("+")


def _shown(value: float, unit: Unit) -> str:
    if unit in ("percent", "points"):
        text = f"{100 * value:{'+' if unit == 'points' else ''}.1f}"
        text = "0.0" if text in ("-0.0", "+0.0") else text
    elif unit in ("level", "level difference"):
        text = f"{value:{'+' if unit == 'level difference' else ''}.2f}"
        text = "0.00" if text in ("-0.00", "+0.00") else text
    elif unit == "p":
        text = "< 0.001" if value < 0.001 else f"{value:.3f}"
    elif unit == "count":
        text = _count(value)
    else:
        text = f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    return text.replace("-", MINUS)


def _count(value: float) -> str:
    for size, letter in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


@dataclass(frozen=True)
class Text:
    """A paragraph or a list.

    Attributes:
        text: A paragraph; names between backticks.
        kind: ``heading`` divides a section; ``warning`` is to be read before using a number.
        items: List items that follow the paragraph.
    """

    text: str
    kind: Literal["plain", "heading", "note", "warning"] = "plain"
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fact:
    """A verdict for a glance.

    Attributes:
        title: What it is a verdict on.
        name: The method, or empty where there is none.
        gain: By how much it is better than the reference.
        share: The share of the loss that it recovers.
        outcome: What the test says of the gain.
        text: The verdict as a sentence, which starts with the title.
    """

    title: str
    name: str
    gain: Value | None
    share: Value | None
    outcome: Literal["better", "worse", "none"]
    text: str

    @property
    def said(self) -> str:
        """The sentence without the title."""
        bare = self.text.removeprefix(f"{self.title}: ")
        return f"{bare[:1].upper()}{bare[1:]}"


@dataclass(frozen=True)
class Card(Text):
    """A text of findings of which HTML shows some as a card.

    Attributes:
        facts: These; their sentences are among `items`.
    """

    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table; in LaTeX and CSV also a separate file.

    Attributes:
        name: Stem of its files, without spaces.
        caption: What it shows, and in which unit.
        frame: Cells are `Value`, text or integers; the index holds the row headings, and
            ``frame.columns.name`` says what they are. An index of two levels groups the rows: if
            named, each level is a column; otherwise they form one heading, "group, row".
        notes: Lines below the table: marks of rows, how intervals were computed.
        folded: Whether HTML shows it only on demand.
        wraps: Whether the last column holds running text.
        groups: Groups of corruptions by heading, which a page can show alone.
        views: Other frames of the same shape that a page can show in its place, by name; in CSV
            files of their own, ``NAME.VIEW.csv``.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    folded: bool = False
    wraps: bool = False
    groups: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Plot:
    """A plot; for LaTeX and Markdown a separate file.

    Attributes:
        name: Stem of its files, without spaces.
        caption: What it shows and what its bands or bars mean.
        figure: The matplotlib figure, made without pyplot.
        alt: A description for readers who cannot see it.
    """

    name: str
    caption: str
    figure: Figure
    alt: str


@dataclass(frozen=True)
class Picture:
    """An image file in a `Gallery`.

    Attributes:
        title: What is written above it.
        png: The file.
        count: Square images side by side in it.
    """

    title: str
    png: bytes
    count: int


@dataclass(frozen=True)
class Gallery:
    """Rows of images; for LaTeX and Markdown a plot.

    Attributes:
        name: Stem of its files, without spaces.
        caption: What it shows.
        rows: A heading and images for each row.
        make: Draws the figure for other formats.
        alt: A description for readers who cannot see it.
    """

    name: str
    caption: str
    rows: Sequence[tuple[str, Sequence[Picture]]]
    make: Callable[[], Figure]
    alt: str

    @cached_property
    def figure(self) -> Figure:
        """All of it as a figure."""
        return self.make()


@dataclass(frozen=True)
class Browser:
    """Single images of a run, to choose from; in HTML only.

    Attributes:
        name: Identifier in the page.
        caption: What it shows.
        data: What the page's script shows, as JSON.
        fallback: What is written where there is no script.
    """

    name: str
    caption: str
    data: str
    fallback: str


Block = Text | Table | Plot | Gallery | Browser


def name_in_files(name: str) -> str:
    """A name in a form usable in file names and anchors: letters, digits, ``-`` and ``_``."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)


def counted(number: int, noun: str) -> str:
    """A number and what it counts: ``1 method``, ``2,000 images``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def raw(cell: Any) -> Any:
    """A table's cell as data: the unrounded number, None for a dash."""
    if not isinstance(cell, Value):
        return cell
    return None if cell.missing else cell.value
