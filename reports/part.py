"""A section of a report that was called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robobench.reports.blocks import Block


@dataclass(frozen=True)
class Part:
    """A section that was called.

    Attributes:
        name: Its registered name.
        title: Heading of the section.
        blocks: The blocks it returned.
    """

    name: str
    title: str
    blocks: Sequence[Block]
