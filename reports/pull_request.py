"""A report as Markdown that fits a pull request: what matters first, the rest folded, cut to size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from robobench.reports import tables
from robobench.reports.blocks import Block, Table
from robobench.reports.part import Part

# GitHub takes comments of up to 65,536 characters; a workflow may add some of its own.
LONGEST = 60_000


@dataclass(frozen=True)
class Folded:
    """A report in the order of a pull request.

    Attributes:
        lead: What is shown at once: everything up to the first table.
        parts: The rest, a folded part for each section.
        dropped: Tables that are left out for length, by caption.
    """

    lead: Sequence[Block]
    parts: Sequence[Part]
    dropped: tuple[str, ...] = ()


def fitted(parts: Sequence[Part], render: Callable[[Folded], str], most: int = LONGEST) -> str:
    """The text of a report, without as many tables as are too many.

    Folded tables are left out first, from the end; the first table of all stays.

    Args:
        parts: The sections.
        render: Writes the report.
        most: Number of bytes in UTF-8 that it may have.
    """
    every = [block for part in parts for block in part.blocks if isinstance(block, Table)]
    candidates = [*reversed([t for t in every[1:] if t.folded])]
    candidates += reversed([t for t in every[1:] if not t.folded])
    dropped: list[Table] = []
    while True:
        text = render(_folded(parts, dropped))
        over = len(text.encode()) - most
        if over <= 0 or not candidates:
            return text
        while over > 0 and candidates:
            dropped.append(candidates.pop(0))
            over -= len(tables.to_markdown(dropped[-1]).encode())


def _folded(parts: Sequence[Part], dropped: Sequence[Table]) -> Folded:
    left = [
        replace(part, blocks=[b for b in part.blocks if not any(b is d for d in dropped)])
        for part in parts
    ]
    lead: list[Block] = []
    for place, part in enumerate(left):
        first = next((k for k, b in enumerate(part.blocks) if isinstance(b, Table)), None)
        if first is None:
            continue
        lead = list(part.blocks[: first + 1])
        left[place] = replace(part, blocks=part.blocks[first + 1 :])
        break
    named = {id(table): table.caption for table in dropped}
    order = [b for part in parts for b in part.blocks if id(b) in named]
    return Folded(lead, [part for part in left if part.blocks], tuple(named[id(b)] for b in order))
