"""The styles of ``robobench report --style``: how wide a paper's columns are, and its letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robobench.errors import unknown_name


@dataclass(frozen=True)
class PaperStyle:
    """What tables and figures have to fit.

    Attributes:
        name: As ``--style`` takes it.
        text: Width of the text in inches: of ``table*`` and ``figure*`` if it has two columns.
        column: Width in inches of one of two columns; otherwise of figures with a single panel.
        height: Height of the text in inches.
        columns: Columns of text on a page.
        letters: Width of its letters compared with those of Times.
        small_letters: The same of those of intervals, which Latin Modern draws wider.
        mark: Width in points of a raised mark beside a number.
        font: Family of the letters in figures; each comes with matplotlib.
        dashed: Whether the lines in a figure differ in their dashes too, for prints in grey.
    """

    name: str
    text: float
    column: float
    height: float
    columns: Literal[1, 2] = 1
    letters: float = 1.0
    small_letters: float = 1.0
    mark: float = 4.0
    font: str = "STIXGeneral"  # a Times
    dashed: bool = True


STYLES = {
    style.name: style
    for style in (
        # As wide as the figures of the HTML page, which are drawn only once for both.
        PaperStyle(
            "plain",
            7.0,
            4.62,
            9.6,
            letters=1.1,
            small_letters=1.16,
            mark=6.2,
            font="DejaVu Sans",
            dashed=False,
        ),
        PaperStyle("cvpr", 6.875, 3.25, 8.875, columns=2),
        PaperStyle("neurips", 5.5, 3.25, 9.0),
    )
}
PLAIN = STYLES["plain"]


def paper_style(name: str) -> PaperStyle:
    """The style of the given name.

    Raises:
        RobobenchError: There is none.
    """
    if name not in STYLES:
        raise unknown_name("style", name, STYLES)
    return STYLES[name]
