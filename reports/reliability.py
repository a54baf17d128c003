"""Reliability diagrams: how often a method is right when it is so confident."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from robobench.reports.blocks import Block, Plot, Table, Value
from robobench.reports.chart import Chart, belongs_to
from robobench.reports.leaderboard import Leaderboard
from robobench.reports.line_plots import outer_labels, panels_of, short
from robobench.reports.per_image import BINS, Reliability, per_image
from robobench.reports.plots import MOST_PANELS
from robobench.reports.ranking import leading
from robobench.reports.style import BACKGROUND, REFERENCE, fitting, looks, percent
from robobench.reports.svg import Spot

_FEWEST = 10  # images of a point
_NAMES = {True: "clean", False: "degraded"}


def reliability_blocks(board: Leaderboard) -> list[Block]:
    """The diagrams and their numbers; nothing where no confidence was recorded."""
    found = per_image(board).reliability
    if not any(one.count.sum() for one in found.values()):
        return []
    many = "" if len(board.labels) <= MOST_PANELS + 1 else f"; the {MOST_PANELS} best methods"
    return [
        Plot(
            f"reliability{board.suffix}",
            "Share of right answers by confidence, on degraded images (in colour) and clean ones (grey). On "
            "the dotted line confidence says how often a method is right; below it, it is too "
            f"confident. Points of at least {_FEWEST} images{many}.",
            reliability_figure(board),
            f"Reliability diagrams of {', '.join(board.labels)}.",
        ),
        _table(board),
    ]


def reliability_figure(board: Leaderboard) -> Chart:
    """Share of right answers against confidence, one panel per method."""
    found = per_image(board).reliability
    drawn = looks(board.labels, board.reference)
    rows = leading(board, MOST_PANELS)
    columns = fitting(min(len(rows), 4), 1.5)
    figure, panels = panels_of(len(rows), columns, height=1.75)
    for axes, row in zip(panels, rows, strict=True):
        axes.set_title(short(row.heading, 20), color=drawn[row.label].letters)
        axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.9, linestyle=(0, (1, 2)))
        for clean in (True, False):
            one = found.get((row.label, clean), Reliability())
            shown = one.count >= _FEWEST
            x, y = one.confidence[shown] / one.count[shown], one.right[shown] / one.count[shown]
            look = drawn[row.label]
            (line,) = axes.plot(
                x,
                y,
                color=BACKGROUND if clean else look.color,
                marker="o" if clean else look.marker,
                markersize=3,
                markeredgecolor="white",
                markeredgewidth=0.4,
            )
            belongs_to(line, row.label)
            for at, share, count in zip(x, y, one.count[shown], strict=True):
                told = (
                    f"{row.heading}, {_NAMES[clean]}: {100 * share:.1f} % right at a confidence of "
                    f"{100 * at:.1f} % ({count:,.0f} predictions)"
                )
                figure.spots.append(Spot(axes, float(at), float(share), row.label, told))
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 1.03)
        percent(axes, "x", steps=5)
        percent(axes, steps=5)
    outer_labels(panels, columns, "confidence (%)", "right (%)")
    return figure


def _table(board: Leaderboard) -> Table:
    heads, lines = [], []
    for row in board.rows:
        for clean, name in _NAMES.items():
            one = per_image(board).reliability.get((row.label, clean))
            if one is not None:
                with np.errstate(invalid="ignore"):
                    shares = one.right / one.count
                heads.append((row.heading, name))
                lines.append([Value(None if math.isnan(s) else float(s)) for s in shares])
    edges = [round(100 * place / BINS) for place in range(BINS + 1)]
    columns = [f"{a}-{b}" for a, b in itertools.pairwise(edges)]
    index = pd.MultiIndex.from_tuples(heads, names=["method", "images"])
    frame = pd.DataFrame(lines, index=index, columns=columns, dtype=object)
    return Table(
        f"reliability{board.suffix}",
        f"Share of right answers in percent by confidence in percent, {BINS} bins of equal width.",
        frame,
        notes=tuple(board.marks()),
        folded=True,
    )
