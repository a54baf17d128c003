"""Tables and texts on the console: in a terminal of any width, or as Markdown in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from robobench.environment import is_terminal
from robobench.reports.blocks import Block, Table, Text
from robobench.reports.tables import Layout, Line, TableCell, footnotes, lay_out, plain, to_log

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text as Styled

_ENDS = "[{},{}]"
_STACKED = "{}\N{HORIZONTAL ELLIPSIS}{}"  # shorter than brackets: six fit side by side
_INTERVAL = "95 %"


def accuracy_heading(dataset: str, split: str, backbone: str, images: int) -> str:
    """The heading of a table of accuracies: on what they are measured, and in which unit."""
    count = "1 image" if images == 1 else f"{images:,} images"
    return f"{dataset} {split}, {backbone}: {count}, percent [95 %]"


def screen(file: TextIO | None = None) -> Console:
    """The console to print to: standard output, or a file.

    Whether it is a terminal decides over its layout, whatever FORCE_COLOR says, which many set in CI:
    the log of a run is Markdown that pull requests show.
    """
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # where rich would end the program

    there = sys.stdout if file is None else file
    options: dict[str, Any] = {"highlight": False, "emoji": False, "markup": False}
    console = Screen(file=there, force_terminal=is_terminal(there), **options)
    console.soft_wrap = not console.is_terminal  # a log keeps its lines
    return console


def print_text(console: Console, text: str, style: str = "") -> None:
    """Print a line, without the backticks around names."""
    console.print(text.replace("`", ""), style=style)


def print_block(console: Console, block: Block, stacked: Collection[str] = ()) -> None:
    """Print a text, or a table with its caption and notes; plots are skipped.

    Args:
        console: From `screen`.
        block: What to print.
        stacked: See `print_table`.
    """
    if isinstance(block, Text):
        print_text(console, block.text, "yellow" if block.kind == "warning" else "")
        for item in block.items:
            print_text(console, f"- {item}")
        console.print()
    elif isinstance(block, Table):
        console.print()
        print_text(console, block.caption)
        if not console.is_terminal:
            console.print()
        print_table(console, block, stacked)
        for sign, note in footnotes(block):
            print_text(console, f"({sign}) {note}" if sign else note, "dim")
        console.print()


def print_table(
    console: Console,
    table: Table,
    stacked: Collection[str] = (),
) -> None:
    """Print a table alone.

    Where a terminal has no room for both ends of all intervals, it shows their half-widths; where
    it has no room for these either, the columns are split into blocks.

    Args:
        console: From `screen`.
        table: What to print.
        stacked: Names of rows to highlight: bold, with their intervals on a line below; the other
            rows then have none. Without it, all intervals follow their numbers.
    """
    if not console.is_terminal:
        console.file.write(f"{to_log(table)}\n")
        return
    written = plain if console.options.ascii_only else str
    for line in grid(table, console.width, stacked=stacked, written=written):
        console.print(line, no_wrap=True, crop=False)


def fits(console: Console, table: Table) -> bool:
    """Whether a table fits with both ends of its intervals; in a log it always does."""
    return not console.is_terminal or _Grid(lay_out(table)).whole <= console.width


def grid(
    table: Table,
    width: int,
    *,
    gap: int = 1,
    stacked: Collection[str] = (),
    written: Callable[[str], str] = str,
) -> list[Styled]:
    """The lines of a table on a terminal: a heading for each group, with its rows below.

    A group with nothing but unexplained dashes is left out.

    Args:
        table: What to show.
        width: Maximum number of characters in a line.
        gap: Spaces between columns.
        stacked: See `print_table`.
        written: Writes a number in characters that the terminal supports.
    """
    from rich.text import Text as Styled

    made = _Grid(lay_out(table), gap, stacked, written)
    if made.whole > width:
        made = replace(made, beside=_half)
    found: list[Styled] = []
    for columns in made.blocks(width):
        found += [Styled()] if found else []
        found.append(made.header(columns))
        before = ""
        for line in _telling(made.laid, columns):
            if line.group != before:
                found.append(Styled(line.group, style="bold cyan"))
                before = line.group
            found.append(made.row(line, columns))
            if line.name in stacked and any(line.cells[k].interval() for k in columns):
                found.append(made.ends(line, columns))
    return found


def _both(cell: TableCell) -> str:
    return cell.interval(_ENDS)


def _half(cell: TableCell) -> str:
    half = cell.value.half_width if cell.value else ""
    return f"+-{half}" if half else ""


@dataclass(frozen=True)
class _Grid:
    """A table on a terminal: the arguments of `grid`, and the sizes that follow from them.

    Attributes:
        beside: How an interval is shown next to its number, if rows are not stacked.
    """

    laid: Layout
    gap: int = 1
    stacked: Collection[str] = ()
    written: Callable[[str], str] = str
    beside: Callable[[TableCell], str] = _both

    @cached_property
    def margin(self) -> int:
        """The width of the row names; group names have lines of their own."""
        names = [len(line.name) + bool(line.group) for line in self.laid.lines]
        return max([*names, len(_INTERVAL) + 1] if self.stacked else names, default=0)

    @cached_property
    def widths(self) -> list[int]:
        """The widths of the columns."""
        found = [len(name) for name in self.laid.columns]
        for line in self.laid.lines:
            for k, cell in enumerate(line.cells):
                below = cell.interval(_STACKED) if line.name in self.stacked else ""
                found[k] = max(found[k], len(cell.text + self.after(cell)), len(below))
        return found

    @property
    def whole(self) -> int:
        """The width of all columns side by side."""
        return self.margin + sum(self.gap + width for width in self.widths)

    def blocks(self, width: int) -> Iterator[list[int]]:
        """The indices of the columns, as many per block as fit a line, at least one."""
        block: list[int] = []
        taken = self.margin
        for k, needed in enumerate(self.widths):
            more = self.gap + needed
            if block and taken + more > width:
                yield block
                block, taken = [], self.margin
            block.append(k)
            taken += more
        if block:
            yield block

    def after(self, cell: TableCell) -> str:
        """The dimmed text after a number: the mark of a tie, the letter of its footnote, its interval."""
        text = f"({cell.sign})" if cell.sign else "" if self.stacked else self.beside(cell)
        return cell.level + (f" {text}" if text else "")

    def aligned(self, k: int, length: int) -> tuple[str, str]:
        """The spaces before and after a text of a given length in a column."""
        free = " " * (self.widths[k] - length)
        left = self.laid.kinds[k] == "text"
        return " " * self.gap + ("" if left else free), free if left else ""

    def header(self, columns: Sequence[int]) -> Styled:
        """The names of the columns."""
        from rich.text import Text as Styled

        names = {k: self.laid.columns[k] for k in columns}
        shown = "".join(name.join(self.aligned(k, len(name))) for k, name in names.items())
        return Styled((" " * self.margin + shown).rstrip(), style="dim")

    def row(self, line: Line, columns: Sequence[int]) -> Styled:
        """A name and its cells."""
        from rich.text import Text as Styled

        strong = line.name in self.stacked
        name = f"{' ' if line.group else ''}{line.name}".ljust(self.margin)
        bold = strong or any(line.cells[k].bold for k in columns)
        shown = Styled.assemble((name, "bold" if bold else ""))
        for k in columns:
            cell, after = line.cells[k], self.after(line.cells[k])
            space, rest = self.aligned(k, len(cell.text + after))
            style = _style(cell, strong)
            shown.append(space)
            shown.append(self.written(cell.text), style)
            shown.append(self.written(after), "dim")
            shown.append(rest)
        shown.rstrip()
        return shown

    def ends(self, line: Line, columns: Sequence[int]) -> Styled:
        """The line of intervals below a row."""
        from rich.text import Text as Styled

        told = {k: line.cells[k].interval(_STACKED) for k in columns}
        shown = "".join(end.join(self.aligned(k, len(end))) for k, end in told.items())
        text = f" {_INTERVAL}".ljust(self.margin) + shown
        return Styled(self.written(text.rstrip()), style="dim")


def _telling(laid: Layout, columns: Sequence[int]) -> Iterator[Line]:
    def tells(line: Line) -> bool:
        return any(
            cell.sign or cell.value is None or not cell.value.missing
            for cell in (line.cells[k] for k in columns)
        )

    groups = {line.group for line in laid.lines if tells(line)}
    return (line for line in laid.lines if line.group in groups)


def _style(cell: TableCell, strong: bool) -> str:
    if cell.value is None:
        return ""
    if cell.value.missing:
        return "dim"
    style = "bold" if strong or cell.bold else ""
    colour = {"better": " green", "worse": " red", "": ""}[cell.value.against]
    return f"{style}{colour}".strip()
