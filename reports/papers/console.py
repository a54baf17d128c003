"""A reproduction on a screen: lines of numbers that fit 80 columns; a Markdown table elsewhere."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

from robobench.reports.blocks import DASH, Block, Table, Text, Value, raw
from robobench.reports.papers.blocks import gain_blocks, report_of, result_blocks
from robobench.reports.tables import to_markdown

if TYPE_CHECKING:
    from rich.console import Console

    from robobench.reproductions.measuring import Measured

_LINE = re.compile(r"^(?P<name>.*), (?P<what>published|ours|difference)$")
_STYLES = {"published": "", "ours": "bold", "difference": ""}


def show(measured: Measured, file: TextIO | None = None) -> None:
    """Print the table, the claim and the notes; of a figure only what was measured.

    Args:
        measured: What to show.
        file: Where to; standard output by default.
    """
    from rich.console import Console

    console = Console(file=file or sys.stdout, highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.soft_wrap = True  # a log keeps its lines
    report = report_of(measured)
    console.print(report.title, style="bold")
    console.print(_plain(report.subtitle), style="dim")
    if not measured.reproduction.figure:
        for block in [*result_blocks(measured), *gain_blocks(measured)]:
            _print(console, block, measured)
    for note in measured.notes:
        console.print(f"note: {_plain(note)}", style="dim")


def _print(console: Console, block: Block, measured: Measured) -> None:
    if isinstance(block, Text):
        style = "yellow" if block.kind == "warning" else ""
        console.print(_plain(block.text), style=style)
        for item in block.items:
            console.print(f"- {_plain(item)}")
        console.print()
    elif isinstance(block, Table):
        console.print()
        if console.is_terminal:
            console.print(_plain(block.caption))
            _table(console, block, measured)
        else:
            # Brackets need no escape in a log, and what is no link is none in Markdown either.
            table = to_markdown(block).replace("\\[", "[").replace("\\]", "]")
            console.file.write(f"{_plain(block.caption)}\n\n{table}\n")
        for note in block.notes:
            console.print(_plain(note), style="dim")
        console.print()


def _table(console: Console, block: Table, measured: Measured) -> None:
    """A heading for each row, its lines below, columns as narrow as they can be."""
    from rich.text import Text as Line

    short = {column.name: column.heading for column in measured.reproduction.columns}
    short[measured.reproduction.whole] = "all"
    headings = [short.get(str(name), str(name)) for name in block.frame.columns]
    lines: list[tuple[str, list[str], str]] = []
    before = None
    for label, row in zip(block.frame.index, block.frame.itertuples(index=False), strict=True):
        match = _LINE.match(str(label))
        name, what = (match["name"], match["what"]) if match else (str(label), "ours")
        if name != before:
            lines.append((name, [], "bold cyan"))
            before = name
        lines.append((f"  {what}", [_number(cell) for cell in row], _STYLES[what]))
        if what == "ours" and any(isinstance(cell, Value) and cell.interval for cell in row):
            lines.append(("  95 %", [_ends(cell) for cell in row], "dim"))
    margin = max(len(f"  {what}") for what in _STYLES)
    widths = [
        max(len(heading), *(len(cells[k]) for _, cells, _ in lines if cells))
        for k, heading in enumerate(headings)
    ]
    for name, cells, style in [("", headings, "dim"), *lines]:
        shown = "".join(f" {cell:>{width}}" for cell, width in zip(cells, widths, strict=False))
        console.print(Line(f"{name:<{margin}}{shown}".rstrip(), style=style), soft_wrap=True)


def _number(cell: Any) -> str:
    return cell.text if isinstance(cell, Value) else str(raw(cell))


def _ends(cell: Any) -> str:
    """``43.1..45.0``: shorter than brackets, so that six fit beside each other."""
    if not isinstance(cell, Value) or not cell.interval:
        return ""
    low, high = cell.interval.strip("[]").split(", ")
    return f"{low}\N{HORIZONTAL ELLIPSIS}{high}" if low else DASH


def _plain(text: str) -> str:
    return text.replace("`", "")
