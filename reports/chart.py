"""Figures that know their numbers and which method each line is of, for `robobench.reports.svg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from robobench.reports.svg import SERIES, Spot

if TYPE_CHECKING:
    from matplotlib.artist import Artist


class Chart(Figure):
    """A figure that knows its numbers.

    Attributes:
        spots: Where they are.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.spots: list[Spot] = []


def belongs_to(artist: Artist, series: str) -> None:
    """Say which method an artist is of, so that a page can isolate it."""
    artist.set_gid(f"{SERIES}{series}")
