"""The style of plots: colour-blind-safe colours, light axes, labels at lines, reproducible bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from robobench.reports import fonts, svg
from robobench.reports.blocks import name_in_files
from robobench.reports.paper_styles import PLAIN, PaperStyle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "pdf", "png"]
FORMATS: tuple[Format, ...] = ("svg", "pdf", "png")

TALLEST = 0.8  # of a figure, as a share of the height of the text: the caption needs some
LOWEST = 0.95  # inches, of most legible panels
_PAPER: ContextVar[PaperStyle] = ContextVar("paper", default=PLAIN)

# Okabe and Ito (2008), without yellow and black: distinguishable with any common colour vision, and
# dark enough for thin lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
# The same for letters, dark enough to be read on white (contrast 4.5 and more).
LETTERS = ("#00639A", "#A94A00", "#00724F", "#9C4A77", "#1F74A6", "#8A5F00")
REFERENCE = "#444444"
INK = "#222222"
QUIET = "#666666"
INK_ON_COLOR = "#1A1A1A"  # on a coloured cell, which is as bright in dark mode
GRID = "#DDDDDD"
STRIPE = "#F5F5F5"
BACKGROUND = "#BFC4CA"  # lines that others are shown against
# What a page may show differently in dark mode: the CSS variable of each colour.
VARIABLES = {
    "#ffffff": "paper",
    INK.lower(): "ink",
    REFERENCE.lower(): "reference",
    QUIET: "quiet",
    "#888888": "axis",
    GRID.lower(): "grid",
    STRIPE.lower(): "tint",
    BACKGROUND.lower(): "background-line",
    **{color.lower(): f"color-{place}" for place, color in enumerate(PALETTE)},
    **{color.lower(): f"letters-{place}" for place, color in enumerate(LETTERS)},
}
MARKERS = ("o", "s", "^", "D", "v", "p", "<", ">", "h", "8")  # solid: thin ones vanish when small
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))

_RC: Any = {  # matplotlib's type for it changes between releases
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": "#666666",
    "ytick.color": "#666666",
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.5,
    "lines.markersize": 3.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 200,
    "text.hinting": "none",  # letters as wide in the layout as in a PDF
    "figure.constrained_layout.w_pad": 0.06,
    "pdf.fonttype": 42,  # whole TrueType fonts: publishers refuse type 3
    "image.composite_image": False,  # each at its own resolution
    "svg.fonttype": "none",  # real text: searched, copied and read aloud
    "svg.hashsalt": "robobench",
}


@contextmanager
def room(paper: PaperStyle = PLAIN) -> Iterator[None]:
    """Context in which plots have the style of a paper; sections are called inside it."""
    import matplotlib

    token = _PAPER.set(paper)
    try:
        with matplotlib.rc_context(_rc()), fonts.quiet():
            yield
    finally:
        _PAPER.reset(token)


def _rc() -> Any:
    return {**_RC, "font.family": _PAPER.get().font}


def width() -> float:
    """Width of the text in inches, for figures with several panels."""
    return _PAPER.get().text


def narrow_width() -> float:
    """Width in inches of a figure with a single panel."""
    return min(_PAPER.get().column, width())


def on_screen() -> bool:
    """Whether figures are for a page in a browser too."""
    return _PAPER.get() == PLAIN


def panel_height(wanted: float, lines: int, least: float = LOWEST) -> float:
    """Height in inches of each of so many rows of panels, which have to fit a paper's page.

    Args:
        wanted: Where there is room.
        lines: Number of rows.
        least: What a panel needs even where that is too much for the page.
    """
    paper = _PAPER.get()
    if on_screen():  # which scrolls
        return wanted
    return min(wanted, max(least, (TALLEST * paper.height - 0.3) / lines))


def fitting(columns: int, least: float) -> int:
    """So many panels side by side, or fewer where each would be narrower than `least` inches."""
    return max(1, min(columns, int(width() / least)))


@dataclass(frozen=True)
class Look:
    """How one method is drawn, the same in every plot of a report."""

    color: str
    marker: str
    dash: Any
    letters: str = INK


def looks(labels: Sequence[str], reference: str = "") -> dict[str, Look]:
    """A look for each label, by position; the reference is grey.

    Colours repeat after six labels and markers after ten, with a different dash, so that no
    two of the first sixty look the same. In a paper's style neighbours differ in their dash too.
    """
    dashed = _PAPER.get().dashed
    found = {reference: Look(REFERENCE, "o", "-", REFERENCE)} if reference in labels else {}
    for place, label in enumerate(label for label in labels if label != reference):
        again = place // len(PALETTE)
        found[label] = Look(
            PALETTE[place % len(PALETTE)],
            MARKERS[(place + 1) % len(MARKERS)],
            DASHES[(again + place if dashed else again) % len(DASHES)],
            LETTERS[place % len(PALETTE)],
        )
    return found


def percent(
    axes: Axes, which: Literal["x", "y"] = "y", *, signed: bool = False, steps: int | None = None
) -> None:
    """Write an axis of fractions in percent, with at most so many steps."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def shown(value: float, _: float) -> str:
        text = f"{100 * value:{'+' if signed else ''}.0f}".replace("-", "\N{MINUS SIGN}")
        return "0" if text.strip("+\N{MINUS SIGN}") == "0" else text

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(
        MaxNLocator(nbins=steps or (9 if which == "x" else 6), steps=[1, 2, 2.5, 5, 10])
    )
    axis.set_major_formatter(FuncFormatter(shown))


def figure_file(figure: Figure, form: Format, name: str) -> bytes:
    """A figure as a file: the same figure gives the same bytes on the same libraries.

    Args:
        figure: What to draw.
        form: File format: ``svg``, ``pdf`` or ``png``.
        name: Prefix of the identifiers in an SVG, so that several can share a page.
    """
    import matplotlib

    metadata: dict[str, dict[str, Any]] = {  # no date and no version
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
        "pdf": {"CreationDate": None, "Creator": "robobench", "Producer": None},
        "png": {"Software": None},
    }
    file = io.BytesIO()
    with matplotlib.rc_context(_rc()), fonts.quiet():
        fix_layout(figure)
        figure.savefig(file, format=form, metadata=metadata[form])
    made = file.getvalue()
    return svg.with_own_ids(made, name_in_files(name)) if form == "svg" else made


def fix_layout(figure: Figure) -> None:
    """Lay a figure out once, by one renderer.

    Each format measures letters differently and would otherwise compute a layout of its own.
    """
    fonts.complete(figure)
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def share(figure: Figure) -> float:
    """Width of a figure as a share of the page's, so that all have the same font size."""
    return round(float(figure.get_figwidth()) / PLAIN.text, 3)
