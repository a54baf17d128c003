"""The plots of a report and of ``robobench plot``, each a function of a `Leaderboard`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robobench.errors import RobobenchError, unknown_name
from robobench.reports.blocks import DASH, MINUS
from robobench.reports.leaderboard import MEAN, Leaderboard, Point
from robobench.reports.method_row import MethodRow
from robobench.reports.ranking import differences
from robobench.reports.style import REFERENCE, WIDTH, Look, looks, percent
from robobench.types import CLEAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEVERITIES = (1, 2, 3, 4, 5)
_ORANGE_TO_PURPLE = "blend:#F1A340,#F7F7F7,#998EC3"  # ColorBrewer's; black is legible on all of it
_BAND = 0.16  # opacity: a few overlapping bands stay readable


def severity_figure(board: Leaderboard) -> Figure:
    """Accuracy from clean to severity 5, one panel per corruption.

    Raises:
        RobobenchError: No corruption was evaluated at severities only.
    """
    if not board.graded:
        raise _nothing(board, "severity", "corruptions at severities", "--corruptions jpeg,noise")
    many = len(board.graded) > 9
    columns = 4 if many else min(len(board.graded), 2 if len(board.graded) in (2, 4) else 3)
    figure, panels = _panels(board.graded, columns, height=1.45 if many else 1.75)
    drawn = looks(board.labels, board.reference)
    for axes, corruption in zip(panels, board.graded, strict=True):
        axes.set_title(corruption)
        for row in board.rows:
            line = _with_clean(board, row, corruption)
            _line(axes, line, drawn[row.label], marked=True)
        axes.set_xticks([0, *SEVERITIES], ["0" if many else "clean", *map(str, SEVERITIES)])
        axes.set_xlim(-0.25, 5.25)
        percent(axes)
    _outer_labels(panels, columns, "severity (0: clean)" if many else "severity", "accuracy (%)")
    _legend(figure, board.rows, drawn)
    return figure


def level_figure(board: Leaderboard) -> Figure:
    """Accuracy along the levels of each sweep, with the reference's clean accuracy dotted.

    Raises:
        RobobenchError: The leaderboard has no sweep.
    """
    if not board.sweeps:
        raise _nothing(board, "level", "a sweep of levels", "--corruptions jpeg:1-100")
    columns = min(len(board.sweeps), 2)
    figure, panels = _panels(board.sweeps, columns, height=2.4)
    drawn = looks(board.labels, board.reference)
    clean = board.clean(board.reference_row).value if board.reference_row else None
    for axes, corruption in zip(panels, board.sweeps, strict=True):
        axes.set_title(corruption)
        for row in board.rows:
            line = board.points(row, corruption, "level")
            _line(axes, line, drawn[row.label], marked=len(line) <= 12)
        if clean is not None:
            axes.axhline(clean, color=REFERENCE, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
        axes.set_xlabel(unit_of(corruption))
        axes.margins(x=0.02)
        percent(axes)
    _outer_labels(panels, columns, "", "accuracy (%)")
    dotted = Line2D([], [], color=REFERENCE, linewidth=0.9, linestyle=(0, (1, 2)))
    more = {f"{board.reference}, clean images": dotted} if clean is not None else {}
    _legend(figure, board.rows, drawn, more)
    return figure


def unit_of(corruption: str) -> str:
    """The unit of a corruption's level, for an axis."""
    from robobench.corruptions.catalogue import native

    found = None if "+" in corruption else native(corruption)
    return str(found.unit) if found is not None else "level"


def heatmap_figure(board: Leaderboard) -> Figure:
    """The share of the reference's loss that each method recovers, by corruption.

    Raises:
        RobobenchError: There is no method besides the reference, or no loss beyond noise.
    """
    rows = board.others
    columns = board.degraded
    shares = [[board.summed(row, name, "recovered").value for name in columns] for row in rows]
    if not any(share is not None for line in shares for share in line):
        raise _nothing(board, "heatmap", "a method besides the reference", "--methods afd,ddp")
    from seaborn import color_palette, heatmap  # imported for this plot alone

    names = [_broken(name) for name in columns]
    longest = max(len(line) for name in names for line in name.split("\n"))
    turned = longest * len(columns) > 80  # upright labels would overlap
    below = 0.045 * longest if turned else 0.15 * max(name.count("\n") + 1 for name in names)
    figure = Figure(figsize=(WIDTH, 0.36 * len(rows) + below + 0.35), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.set_facecolor("#EEEEEE")  # where there is no share
    percents = 100 * np.array(shares, dtype=np.float64)
    ink: Any = {"color": "#222222", "fontsize": 8 if len(columns) <= 12 else 6.5}
    heatmap(
        percents,
        ax=axes,
        vmin=-100,
        vmax=100,
        cmap=color_palette(_ORANGE_TO_PURPLE, as_cmap=True),
        annot=[[f"{n:.0f}".replace("-", MINUS) for n in line] for line in percents.round() + 0.0],
        fmt="",
        annot_kws=ink,
        linewidths=1.5,
        cbar=len(rows) > 2,  # the cells hold the numbers: a tiny colour bar adds nothing
        cbar_kws={"aspect": 12, "pad": 0.02, "extend": "both", "label": "share recovered (%)"},
        xticklabels=names,
        yticklabels=[row.heading for row in rows],
    )
    for y, x in np.argwhere(np.isnan(percents)):
        axes.text(x + 0.5, y + 0.5, DASH, ha="center", va="center", **ink)
    axes.tick_params(length=0, rotation=0)
    if turned:
        axes.set_xticks(axes.get_xticks(), names, rotation=40, ha="right", rotation_mode="anchor")
    return figure


def cost_figure(board: Leaderboard) -> Figure:
    """Mean accuracy on degraded images against multiply-adds and parameters.

    Raises:
        RobobenchError: The run does not record its methods' cost, or has no degraded cells.
    """
    priced = [
        (row, board.summed(row, MEAN, "accuracy"))
        for row in board.rows
        if row.macs is not None and row.parameters is not None
    ]
    shown = [(row, mean) for row, mean in priced if mean.value is not None]
    if not shown:
        raise _nothing(board, "cost", "methods with known cost on degraded images", "--methods afd")
    drawn = looks(board.labels, board.reference)
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, label, prices in (
        (left, "multiply-adds per image", [row.macs for row, _ in shown]),
        (right, "parameters", [row.parameters for row, _ in shown]),
    ):
        for (row, mean), price in zip(shown, prices, strict=True):
            _error_bar(axes, price, mean.value, mean.low, mean.high, drawn[row.label], "y")
        axes.set_xlabel(label)
        _cost_axis(axes, [float(price) for price in prices if price is not None])
        percent(axes)
    left.set_ylabel("mean accuracy on degraded\nimages (%)")
    _legend(figure, [row for row, _ in shown], drawn, lines=False)
    return figure


def paired_figure(board: Leaderboard) -> Figure:
    """Each method's gain over the reference in points, by corruption, with intervals.

    Raises:
        RobobenchError: There is no reference, or no other method.
    """
    rows = board.others
    gains = {
        row.label: differences(board, board.reference_row, row)
        for row in rows
        if board.reference_row
    }
    names = [name for name in board.conditions if any(name in found for found in gains.values())]
    if not names:
        raise _nothing(board, "paired", "a method besides the reference", "--methods afd,ddp")
    step = 0.8 / max(len(rows), 1)
    figure = Figure(
        figsize=(WIDTH, 0.9 + len(names) * (0.12 + 0.06 * len(rows))), layout="constrained"
    )
    axes = figure.subplots()
    drawn = looks(board.labels, board.reference)
    for y, name in enumerate(names):
        if y % 2:
            axes.axhspan(y - 0.5, y + 0.5, color="#F5F5F5", zorder=0, linewidth=0)
        for place, row in enumerate(rows):
            found = gains[row.label].get(name)
            if found is not None:
                at = y - 0.4 + step * (place + 0.5)
                look = drawn[row.label]
                _error_bar(axes, found.value, at, found.low, found.high, look, "x")
    axes.axvline(0, color=REFERENCE, linewidth=0.9)
    axes.set_yticks(range(len(names)), [_broken(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"gain over {board.reference} (points of accuracy)")
    percent(axes, "x", signed=True)
    _legend(figure, rows, drawn, lines=False)
    return figure


KINDS: Mapping[str, Callable[[Leaderboard], Figure]] = {
    "severity": severity_figure,
    "level": level_figure,
    "heatmap": heatmap_figure,
    "paired": paired_figure,
    "cost": cost_figure,
}


def plot_of_kind(kind: str, board: Leaderboard) -> Figure:
    """The plot of the given kind.

    Raises:
        RobobenchError: The kind is unknown, or the leaderboard has no data for it.
    """
    if kind not in KINDS:
        raise unknown_name("kind of plot", kind, KINDS)
    return KINDS[kind](board)


def _nothing(board: Leaderboard, kind: str, wanted: str, example: str) -> RobobenchError:
    return RobobenchError(
        f"{board.run.label} has no data for a plot of kind {kind!r}: it needs {wanted} "
        f"(for example `robobench run {example}`)"
    )


def _broken(name: str) -> str:
    """A mixture with one line per part, to fit next to or below an axis."""
    return name.replace("+", "\n+ ")


def _panels(names: Sequence[str], columns: int, height: float) -> tuple[Figure, list[Axes]]:
    lines = math.ceil(len(names) / columns)
    width = WIDTH if columns > 1 else 0.66 * WIDTH
    figure = Figure(figsize=(width, lines * height + 0.55), layout="constrained")
    grid = figure.subplots(lines, columns, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure, panels[: len(names)]


def _outer_labels(panels: Sequence[Axes], columns: int, below: str, left: str) -> None:
    for place, axes in enumerate(panels):
        if place % columns == 0:
            axes.set_ylabel(left)
        if below and place + columns >= len(panels):
            axes.set_xlabel(below)


def _with_clean(board: Leaderboard, row: MethodRow, corruption: str) -> list[Point]:
    line = board.points(row, corruption, "severity")
    clean = [replace(point, x=0.0) for point in board.points(row, CLEAN, "level")]
    return clean + line if line else []


def _line(axes: Axes, line: Sequence[Point], look: Look, *, marked: bool) -> None:
    x = [point.x for point in line]
    low, high = [point.low for point in line], [point.high for point in line]
    axes.fill_between(x, low, high, color=look.color, alpha=_BAND, linewidth=0)
    axes.plot(
        x,
        [point.value for point in line],
        color=look.color,
        linestyle=look.dash,
        marker=look.marker if marked else "",
        markeredgecolor="white",
        markeredgewidth=0.4,
    )


def _error_bar(axes: Axes, x: Any, y: Any, low: Any, high: Any, look: Look, along: str) -> None:
    middle = x if along == "x" else y
    known = low is not None and high is not None
    spread = [[max(middle - low, 0.0)], [max(high - middle, 0.0)]] if known else None
    axes.errorbar(
        x,
        y,
        xerr=spread if along == "x" else None,
        yerr=spread if along == "y" else None,
        color=look.color,
        marker=look.marker,
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.4,
        linestyle="",
        elinewidth=1.3,
    )


def _cost_axis(axes: Axes, prices: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from robobench.reports.blocks import Value

    positive = [price for price in prices if price > 0]
    if positive and max(positive) > 4 * min(positive):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(positive) / 1.35, max(positive) * 1.35)
    elif positive:
        room = 0.2 * max(positive)
        axes.set_xlim(min(positive) - room, max(positive) + room)
        axes.xaxis.set_major_locator(_few_ticks())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: Value(value, unit="count").text))


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4)


def _legend(
    figure: Figure,
    rows: Sequence[MethodRow],
    drawn: Mapping[str, Look],
    more: Mapping[str, Line2D] | None = None,
    *,
    lines: bool = True,
) -> None:
    handles = {
        row.heading: Line2D(
            [],
            [],
            color=drawn[row.label].color,
            linestyle=drawn[row.label].dash if lines else "",
            marker=drawn[row.label].marker,
            markersize=None if lines else 5.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
        for row in rows
    }
    handles.update(more or {})
    letters = figure.get_figwidth() * 15  # roughly as many as fit on a line
    longest = max(map(len, handles), default=1)
    one_line = sum(len(label) + 6 for label in handles) <= letters
    fits = len(handles) if one_line else max(1, int(letters / (longest + 5)))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper left",
        ncols=min(len(handles), fits),
        handlelength=2.2 if lines else 1.0,
        columnspacing=1.6,
    )
