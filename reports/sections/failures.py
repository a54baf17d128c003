"""Single images: which ones a method gets right and another wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robobench import section
from robobench.reports.blocks import Block, Browser, Text
from robobench.reports.failure_data import failure_data
from robobench.reports.leaderboard import Leaderboard, leaderboards
from robobench.reports.per_image import PerImage, images_of, per_image

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("failures", order=55, title="Who errs where")
def failures(run: Run) -> list[Block]:
    """Images that one method gets right and another wrong; to choose from in HTML."""
    blocks: list[Block] = []
    for board in leaderboards(run):
        found = per_image(board)
        if len(found.labels) < 2 or not len(found.index):
            continue
        if not board.alone:
            blocks.append(Text(board.title, "heading"))
        data, count = failure_data(board, found)
        blocks.append(
            Browser(
                f"failures{board.suffix}",
                _caption(board, found, count),
                data,
                "Choosing images needs a browser that runs scripts.",
            )
        )
    return blocks


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
