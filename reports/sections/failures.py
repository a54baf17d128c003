"""Single images: which ones a method gets right and another wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robobench import section
from robobench.reports.blocks import Block, Browser
from robobench.reports.by_board import by_board
from robobench.reports.failure_data import failure_data
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.per_image import PerImage, images_of, per_image

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("failures", order=55, title="Who errs where")
def failures(run: Run) -> list[Block]:
    """Images that one method gets right and another wrong; to choose from in HTML."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    found = per_image(board)
    if len(found.labels) < 2 or not len(found.index):
        return []
    data, count = failure_data(board, found)
    return [
        Browser(
            f"failures{board.suffix}",
            _caption(board, found, count),
            data,
            "Choosing images needs a browser that runs scripts.",
        ),
    ]


def _caption(board: Leaderboard, found: PerImage, count: int) -> str:
    methods, candidates = len(board.labels), len(found.index)
    some = f"; {len(found.labels)} of {methods} methods" if len(found.labels) < methods else ""
    if count == found.total:
        chosen = f"This page holds all {found.total:,} images"
    else:
        among = "" if count == candidates else f" the most disputed of {candidates}"
        spread = "with a thumbnail" if images_of(board).get("thumbnails") else "spread evenly"
        chosen = f"This page holds {count} of the {found.total:,} images,{among} {spread}"
    return (
        "Images that one method gets right and another wrong, with the classes that they name and "
        f"their confidence. {chosen}{some}. Numbers of images are of all; thumbnails show the images "
        "before any corruption."
    )
