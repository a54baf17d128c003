"""Tables and texts on a screen: a terminal of any width, or a log, which gets Markdown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from robobench.reports.blocks import Block, Table, Text
from robobench.reports.tables import Cell, Layout, Line, footnotes, lay_out, plain, to_log

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text as Styled

_ENDS = "[{},{}]"
_STACKED = "{}\N{HORIZONTAL ELLIPSIS}{}"  # shorter than brackets: six fit beside each other
_INTERVAL = "95 %"


def screen(file: TextIO | None = None) -> Console:
    """Where to print: standard output, or a file."""
    from rich.console import Console

    console = Console(file=file or sys.stdout, highlight=False, emoji=False, markup=False)
    console.soft_wrap = not console.is_terminal  # a log keeps its lines
    return console


def print_text(console: Console, text: str, style: str = "") -> None:
    """Print a line; backticks around names are left out."""
    console.print(text.replace("`", ""), style=style)


def print_block(console: Console, block: Block, stacked: Collection[str] = ()) -> None:
    """Print a text, or a table with its caption and notes; of a plot nothing.

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
    coloured: Collection[str] = (),
) -> None:
    """Print a table alone.

    Where a terminal has no room for both ends of all intervals it shows half of their widths; where
    it has none for these, the columns come in blocks.

    Args:
        console: From `screen`.
        table: What to print.
        stacked: Names of rows that matter: bold, with their intervals on a line below, and no other
            row has any. Without it all intervals stand beside their numbers.
        coloured: Columns in which zero is no effect: green above it beyond noise, red below.
    """
    if not console.is_terminal:
        console.file.write(f"{to_log(table)}\n")
        return
    written = plain if console.options.ascii_only else str
    for line in grid(table, console.width, stacked=stacked, coloured=coloured, written=written):
        console.print(line, no_wrap=True, crop=False)


def fits(console: Console, table: Table) -> bool:
    """Whether there is room for a table with both ends of its intervals; a log has it for any."""
    return not console.is_terminal or _needed(lay_out(table), _beside) <= console.width


def grid(
    table: Table,
    width: int,
    *,
    gap: int = 1,
    stacked: Collection[str] = (),
    coloured: Collection[str] = (),
    written: Callable[[str], str] = str,
) -> list[Styled]:
    """The lines of a table on a terminal: a heading for each group and its rows below it.

    A group that has nothing but dashes without a reason is left out.

    Args:
        table: What to show.
        width: Letters that a line may have.
        gap: Spaces between columns.
        stacked: See `print_table`.
        coloured: See `print_table`.
        written: Writes a number with the letters that the terminal has.
    """
    from rich.text import Text as Styled

    laid = lay_out(table)
    found: list[Styled] = []
    beside = _nothing if stacked else _beside if _needed(laid, _beside, gap) <= width else _half
    for columns in _blocks(laid, width, beside, stacked, gap):
        if found:
            found.append(Styled())
        margin = _margin(laid, stacked)
        places = [(k, " " * gap, _width(laid, k, beside, stacked)) for k in columns]

        def aligned(k: int, text: str, size: int) -> str:
            return text.ljust(size) if laid.kinds[k] == "text" else text.rjust(size)

        heads = "".join(space + aligned(k, laid.columns[k], size) for k, space, size in places)
        found.append(Styled((" " * margin + heads).rstrip(), style="dim"))
        before = ""
        for line in _telling(laid, columns):
            if line.group != before:
                found.append(Styled(line.group, style="bold cyan"))
                before = line.group
            name = f"{' ' if line.group else ''}{line.name}"
            bold = line.name in stacked or any(line.cells[k].bold for k in columns)
            shown = Styled.assemble((name.ljust(margin), "bold" if bold else ""))
            for k, space, size in places:
                cell = line.cells[k]
                number, interval = cell.text, _after(cell, beside)
                style = _style(cell, line.name in stacked, laid.columns[k] in coloured)
                padded = aligned(k, f"{number}{interval}", size)
                start = len(padded) - len(padded.lstrip())
                shown.append(space + padded[:start])
                shown.append(written(number), style)
                shown.append(written(padded[start + len(number) :]), "dim")
            shown.rstrip()
            found.append(shown)
            ends = [line.cells[k].interval(_STACKED) for k in columns]
            if line.name in stacked and any(ends):
                told = (end.rjust(size) for end, (_, _, size) in zip(ends, places, strict=True))
                text = f" {_INTERVAL}".ljust(margin) + "".join(" " * gap + end for end in told)
                found.append(Styled(written(text.rstrip()), style="dim"))
    return found


_Beside = Callable[[Cell], str]  # what of its interval stands beside a number


def _beside(cell: Cell) -> str:
    return cell.interval(_ENDS)


def _half(cell: Cell) -> str:
    half = cell.value.half_width if cell.value else ""
    return f"+-{half}" if half else ""


def _nothing(cell: Cell) -> str:
    del cell
    return ""


def _after(cell: Cell, beside: _Beside) -> str:
    """What stands faintly after a number: the letter of its footnote, or of its interval."""
    text = f"({cell.sign})" if cell.sign else beside(cell)
    return f" {text}" if text else ""


def _needed(laid: Layout, beside: _Beside, gap: int = 1) -> int:
    """The width of the whole table."""
    columns = range(len(laid.columns))
    return _margin(laid, ()) + sum(gap + _width(laid, k, beside, ()) for k in columns)


def _blocks(
    laid: Layout, width: int, beside: _Beside, stacked: Collection[str], gap: int
) -> Iterator[list[int]]:
    """The places of the columns, as many together as fit a line, one at least."""
    block: list[int] = []
    taken = _margin(laid, stacked)
    for k in range(len(laid.columns)):
        more = gap + _width(laid, k, beside, stacked)
        if block and taken + more > width:
            yield block
            block, taken = [], _margin(laid, stacked)
        block.append(k)
        taken += more
    if block:
        yield block


def _margin(laid: Layout, stacked: Collection[str]) -> int:
    """How wide the names of rows are; those of groups stand on lines of their own."""
    names = [len(line.name) + bool(line.group) for line in laid.lines]
    return max([*names, len(_INTERVAL) + 1] if stacked else names, default=0)


def _width(laid: Layout, k: int, beside: _Beside, stacked: Collection[str]) -> int:
    sizes = [len(line.cells[k].text + _after(line.cells[k], beside)) for line in laid.lines]
    sizes += [len(line.cells[k].interval(_STACKED)) for line in laid.lines if line.name in stacked]
    return max([len(laid.columns[k]), *sizes])


def _telling(laid: Layout, columns: Sequence[int]) -> Iterator[Line]:
    def tells(line: Line) -> bool:
        return any(
            cell.sign or cell.value is None or not cell.value.missing
            for cell in (line.cells[k] for k in columns)
        )

    groups = {line.group for line in laid.lines if tells(line)}
    return (line for line in laid.lines if line.group in groups)


def _style(cell: Cell, strong: bool, coloured: bool) -> str:
    if cell.value is None:
        return ""
    if cell.value.missing:
        return "dim"
    style = "bold" if strong or cell.bold else ""
    if coloured and cell.value.ends:
        low, high = cell.value.ends
        style += " green" if low > 0 else " red" if high < 0 else ""
    return style.strip()
