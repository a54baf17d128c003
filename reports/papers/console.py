"""A reproduction in the terminal, in 80 columns; as a Markdown table in a log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from robobench.reports.blocks import Block, Table
from robobench.reports.papers.page import OURS, gain_blocks, report_of, result_blocks
from robobench.reports.screen import print_block, print_text, screen

if TYPE_CHECKING:
    from robobench.reproductions.measuring import Measured


def print_measured(measured: Measured, file: TextIO | None = None) -> None:
    """Print the table, the claim and the notes; for a figure, the notes only.

    Args:
        measured: What to print.
        file: Where to print; standard output by default.
    """
    console = screen(file)
    report = report_of(measured)
    console.print(report.title, style="bold")
    print_text(console, report.subtitle, "dim")
    if not measured.reproduction.figure:
        for block in [*result_blocks(measured), *gain_blocks(measured)]:
            shown = _narrow(block, measured) if console.is_terminal else block
            print_block(console, shown, stacked=(OURS,))
    for note in measured.notes:
        print_text(console, f"note: {note}", "dim")


def _narrow(block: Block, measured: Measured) -> Block:
    """The table with short column headings and a name for every row."""
    if not isinstance(block, Table):
        return block
    reproduction = measured.reproduction
    short = {column.name: column.heading for column in reproduction.columns}
    frame = block.frame.rename(columns=short | {reproduction.whole: "all"})
    return replace(block, frame=frame.rename(index={"": OURS}, level=1))
