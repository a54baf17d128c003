"""Estimated against true levels of the methods that estimate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from robobench.corruptions.catalogue import native
from robobench.reports.blocks import Block, Plot, Table, Value
from robobench.reports.chart import Chart, belongs_to
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.line_plots import panels_of, short, unit_of
from robobench.reports.per_image import Estimate, per_image
from robobench.reports.style import REFERENCE, fitting, looks
from robobench.reports.svg import Spot

_Known = Mapping[tuple[str, str], Sequence[Estimate]]


def estimate_blocks(board: Leaderboard) -> list[Block]:
    """The plot and its numbers; nothing where no method estimates the level of a corruption."""
    known = _of_own_unit(board)
    if not known:
        return []
    named = ", ".join(f"{label} on {corruption}" for label, corruption in known)
    return [
        Plot(
            f"estimates{board.suffix}",
            "Estimated against true level: the median over the images, with a band that holds 90 % of "
            "them. On the dotted line the estimate is right.",
            estimates_figure(board, known),
            f"Estimated against true level: {named}.",
        ),
        _table(board, known),
    ]


def _of_own_unit(board: Leaderboard) -> _Known:
    """The estimates of corruptions whose unit is the method's: those that it was trained on."""
    rows = {row.label: row for row in board.rows}
    return {
        (label, corruption): found
        for (label, corruption), found in per_image(board).estimates.items()
        if native(corruption) is not None
        and corruption in (rows[label].trained_on or corruption).split("+")
    }


def estimates_figure(board: Leaderboard, known: _Known) -> Chart:
    """Estimated against true level, one panel for each method and corruption."""
    drawn = looks(board.labels, board.reference)
    columns = fitting(min(len(known), 3), 2.0)
    figure, panels = panels_of(len(known), columns, height=2.0, sharey=False)
    for axes, ((label, corruption), found) in zip(panels, known.items(), strict=True):
        look, x = drawn[label], [one.level for one in found]
        axes.set_title(short(f"{label}, {corruption}", 30), color=look.letters)
        axes.plot(
            [min(x), max(x)],
            [min(x), max(x)],
            color=REFERENCE,
            linewidth=0.9,
            linestyle=(0, (1, 2)),
        )
        low, high = [one.low for one in found], [one.high for one in found]
        band = axes.fill_between(x, low, high, color=look.color, alpha=0.16, linewidth=0)
        (line,) = axes.plot(
            x,
            [one.median for one in found],
            color=look.color,
            marker=look.marker if len(found) <= 12 else "",
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
        for artist in (band, line):
            belongs_to(artist, label)
        for one in found:
            told = (
                f"{label}, {corruption} {one.level:g}: median {one.median:.1f}, 90 % in "
                f"[{one.low:.1f}, {one.high:.1f}]"
            )
            figure.spots.append(Spot(axes, one.level, one.median, label, told))
        axes.set_xlabel(f"true {unit_of(corruption)}")
        axes.set_ylabel("estimated")
    return figure


def _table(board: Leaderboard, known: _Known) -> Table:
    heads, lines = [], []
    for (label, corruption), found in known.items():
        for one in found:
            heads.append((f"{label}, {corruption}", f"{one.level:g}"))
            numbers = (one.median, one.low, one.high, one.error)
            lines.append([one.count, *(Value(number, unit="level") for number in numbers)])
    index = pd.MultiIndex.from_tuples(heads, names=["method", "true level"])
    columns = ["images", "median", "5 %", "95 %", "mean error"]
    frame = pd.DataFrame(lines, index=index, columns=columns, dtype=object)
    return Table(
        f"estimates{board.suffix}",
        "Estimated levels in the corruption's unit: median, 5 % and 95 % quantile over the images, and "
        "mean absolute error.",
        frame,
        folded=True,
    )
