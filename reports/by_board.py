"""A section of a report, leaderboard by leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from robobench.reports.blocks import Block, Text
from robobench.reports.leaderboard import Leaderboard, leaderboards

if TYPE_CHECKING:
    from robobench.results.run import Run


def by_board(run: Run, blocks_of: Callable[[Leaderboard], Sequence[Block]]) -> list[Block]:
    """The blocks of every leaderboard that has any, each below its title where there are several.

    Args:
        run: The run of a section.
        blocks_of: What the section shows of a leaderboard; nothing where it has no data for it.
    """
    blocks: list[Block] = []
    for board in leaderboards(run):
        found = blocks_of(board)
        if found and not board.alone:
            blocks.append(Text(board.title, "heading"))
        blocks += found
    return blocks
