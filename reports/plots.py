"""The plots of a report and of ``robobench plot``, each a function of a `Leaderboard`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.figure import Figure

from robobench.reports.blocks import DASH, MINUS, Value
from robobench.reports.chart import Chart, belongs_to
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.line_plots import (
    in_color,
    level_figure,
    methods_figure,
    nothing,
    panels_of,
    severity_figure,
    short,
)
from robobench.reports.point_labels import label_points
from robobench.reports.ranking import differences, leading
from robobench.reports.style import (
    BACKGROUND,
    INK_ON_COLOR,
    QUIET,
    REFERENCE,
    STRIPE,
    Look,
    fitting,
    fix_layout,
    looks,
    percent,
    width,
)
from robobench.reports.svg import Spot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from robobench.analysis.pairwise import Difference
    from robobench.reports.method_row import MethodRow

_ORANGE_TO_PURPLE = "blend:#F1A340,#F7F7F7,#998EC3"  # ColorBrewer's; black is legible on all of it
_TO_A_HUNDRED = (
    0.8  # share of the colours for shares recovered up to 100 %; the rest is for all beyond
)
_MOST_NAMED = 16  # points beside which every name finds room
_NARROWEST_CELL = 0.27  # inches, for a share of three digits
MOST_PANELS = 12  # of the gains: the tables have the rest


def heatmap_figure(board: Leaderboard) -> Figure:
    """The share of the reference's loss that each method recovers, by corruption.

    Raises:
        RobobenchError: There is no method besides the reference, or no loss beyond noise.
    """
    rows = board.others
    columns = board.degraded
    shares = [[board.summed(row, name, "recovered").value for name in columns] for row in rows]
    if not any(share is not None for line in shares for share in line):
        raise nothing(board, "heatmap", "a method besides the reference", "--methods afd,ddp")
    from seaborn import color_palette, heatmap  # imported for this plot alone

    names, headings = [_broken(name) for name in columns], [row.heading for row in rows]
    if _NARROWEST_CELL * len(names) > width() - 1.5 and len(rows) < len(names):  # methods across
        names, headings, shares = (
            headings,
            names,
            [list(line) for line in zip(*shares, strict=True)],
        )
    longest = max(len(line) for name in names for line in name.split("\n"))
    turned = longest * len(names) > 80 * width() / 7  # upright labels would overlap
    below = 0.045 * longest if turned else 0.15 * max(name.count("\n") + 1 for name in names)
    each = 0.36 if len(headings) <= 20 else 0.17  # sixty have to fit a page
    figure = Figure(figsize=(width(), each * len(headings) + below + 0.35), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.set_facecolor("#EEEEEE")  # where there is no share
    percents = 100 * np.array(shares, dtype=np.float64)
    ink: Any = {
        "color": INK_ON_COLOR,
        "fontsize": 8 if len(names) <= 12 else 6.5 if len(names) <= 16 else 5.5,
    }
    marks = (-400, -100, -50, 0, 50, 100, 400)
    ticks = _softened(np.array(marks, dtype=np.float64))
    heatmap(
        _softened(percents),
        ax=axes,
        vmin=-1,
        vmax=1,
        cmap=color_palette(_ORANGE_TO_PURPLE, as_cmap=True),
        annot=[[f"{n:.0f}".replace("-", MINUS) for n in line] for line in percents.round() + 0.0],
        fmt="",
        annot_kws=ink,
        linewidths=1.5,
        cbar=len(headings) > 2,  # the cells hold the numbers: a tiny colour bar adds nothing
        cbar_kws={
            "aspect": 20,
            "pad": 0.02,
            "fraction": 0.05,
            "label": "share recovered (%)",
            "ticks": ticks,
        },
        xticklabels=names,
        yticklabels=headings,
    )
    for bar in figure.axes[1:]:
        bar.set_yticks(ticks, [f"{mark}".replace("-", MINUS) for mark in marks])
    for y, x in np.argwhere(np.isnan(percents)):
        axes.text(x + 0.5, y + 0.5, DASH, ha="center", va="center", **ink)
    axes.tick_params(length=0, rotation=0)
    if turned:
        axes.set_xticks(axes.get_xticks(), names, rotation=40, ha="right", rotation_mode="anchor")
    return figure


def _softened(percents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares in percent on -1 to 1: even up to 100, and ever slower beyond.

    A loss close to zero makes a share of thousands, beside which all others would look the same.
    """
    size = np.abs(percents)
    beyond = _TO_A_HUNDRED + (1 - _TO_A_HUNDRED) * (1 - 100 / np.maximum(size, 100))
    inside = _TO_A_HUNDRED * size / 100
    found: NDArray[np.float64] = np.sign(percents) * np.where(size > 100, beyond, inside)
    return found


def cost_figure(board: Leaderboard) -> Chart:
    """Mean accuracy on degraded images against multiply-adds and parameters.

    Raises:
        RobobenchError: The run does not record its methods' cost, or has no degraded cells.
    """
    shown = [
        (row, mean, mean.value)
        for row in board.rows
        if row.macs is not None and row.parameters is not None
        for mean in [board.summed(row, MEAN, "accuracy")]
        if mean.value is not None
    ]
    if not shown:
        raise nothing(board, "cost", "methods with known cost on degraded images", "--methods afd")
    drawn, colored = looks(board.labels, board.reference), in_color(board)
    quiet = replace(drawn[shown[0][0].label], color=BACKGROUND, letters=QUIET)
    drawn |= {label: replace(quiet, marker=drawn[label].marker) for label in {*drawn} - colored}
    columns = fitting(2, 2.4)
    figure = Chart(figsize=(width(), 2.8 if columns == 2 else 4.6), layout="constrained")
    left, right = figure.subplots(3 - columns, columns, sharey=True)
    names: dict[Axes, list[tuple[float, float, str]]] = {left: [], right: []}
    for axes, label, prices in (
        (left, "multiply-adds per image", [row.macs or 0.0 for row, *_ in shown]),
        (right, "parameters", [row.parameters or 0.0 for row, *_ in shown]),
    ):
        for (row, mean, value), price in zip(shown, prices, strict=True):
            look = drawn[row.label]
            low, high = mean.ends or (value, value)
            _error_bars(axes, [price], [value], [low], [high], look, "y", row.label)
            of = f"{Value(price, unit='count').text} {label}"
            told = f"{row.heading}: {mean.text} % {mean.interval}, {of}"
            figure.spots.append(Spot(axes, price, value, row.label, told))
            if row.label in colored or len(shown) <= _MOST_NAMED:
                names[axes].append((price, value, row.label))
        axes.set_xlabel(label)
        _cost_axis(axes, [float(price) for price in prices])
        percent(axes)
    for axes in (left, right)[: 3 - columns]:
        axes.set_ylabel("mean accuracy on degraded\nimages (%)")
    fix_layout(figure)
    for axes, points in names.items():
        label_points(axes, points, drawn)
    return figure


def paired_figure(board: Leaderboard) -> Chart:
    """Each method's gain over the reference in points, by corruption: a panel for each, others grey.

    Beyond `MOST_PANELS` methods, those with the largest gains.

    Raises:
        RobobenchError: There is no reference, or no other method.
    """
    gains = {
        row.label: differences(board, board.reference_row, row)
        for row in board.others
        if board.reference_row
    }
    names = [name for name in board.conditions if any(name in found for found in gains.values())]
    if not names:
        raise nothing(board, "paired", "a method besides the reference", "--methods afd,ddp")
    rows = [r for r in leading(board, MOST_PANELS) if r.label != board.reference]
    columns = fitting(min(len(rows), 4), 1.5)
    height = 0.45 + 0.15 * len(names)  # whose labels need all of it
    figure, panels = panels_of(len(rows), columns, height, least=height, sharex=True)
    drawn = looks(board.labels, board.reference)
    for axes, row in zip(panels, rows, strict=True):
        axes.set_title(short(row.heading, 22), color=drawn[row.label].letters)
        for y in range(1, len(names), 2):
            axes.axhspan(y - 0.5, y + 0.5, color=STRIPE, zorder=0, linewidth=0)
        axes.axvline(0, color=REFERENCE, linewidth=0.9)
        for other in rows:
            if other is not row:
                _grey_dots(axes, names, gains[other.label])
        _gains(figure, axes, names, row, gains[row.label], drawn[row.label])
        axes.set_yticks(range(len(names)), [_broken(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        percent(axes, "x", signed=True, steps=9 if width() / columns > 2.5 else 4)
    figure.supxlabel(f"gain over {board.reference} (points of accuracy)", fontsize=8)
    return figure


def _grey_dots(axes: Axes, names: Sequence[str], gains: Mapping[str, Difference]) -> None:
    places = [(gains[name].value, y) for y, name in enumerate(names) if name in gains]
    x, y = zip(*places, strict=True) if places else ((), ())
    axes.plot(x, y, linestyle="", marker="o", markersize=2.2, color=BACKGROUND, zorder=1.2)


def _gains(
    figure: Chart,
    axes: Axes,
    names: Sequence[str],
    row: MethodRow,
    gains: Mapping[str, Difference],
    look: Look,
) -> None:
    known = [(y, gains[name]) for y, name in enumerate(names) if name in gains]
    x = [gain.value for _, gain in known]
    low, high = [gain.low for _, gain in known], [gain.high for _, gain in known]
    _error_bars(axes, x, [y for y, _ in known], low, high, look, "x", row.label)
    for y, gain in known:
        value = Value(gain.value, gain.low, gain.high, "points")
        told = f"{row.heading}, {names[y]}: {value.text} points {value.interval}".rstrip()
        figure.spots.append(Spot(axes, gain.value, y, row.label, told))


KINDS: Mapping[str, Callable[[Leaderboard], Figure]] = {
    "severity": severity_figure,
    "methods": methods_figure,
    "level": level_figure,
    "heatmap": heatmap_figure,
    "paired": paired_figure,
    "cost": cost_figure,
}


def _broken(name: str) -> str:
    """A mixture with one line per part, to fit next to or below an axis."""
    return name.replace("+", "\n+ ")


def _error_bars(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    look: Look,
    along: Literal["x", "y"],
    label: str,
) -> None:
    """Points of a method with their intervals."""
    middle = np.array(x if along == "x" else y)
    spread = np.maximum([middle - low, high - middle], 0.0)
    drawn = axes.errorbar(
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
    for artist in drawn.get_children():
        belongs_to(artist, label)


def _cost_axis(axes: Axes, prices: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

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
