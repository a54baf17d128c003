"""Plots of several classifiers: where each is weak, and what clean accuracy does not explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from scipy.special import expit, logit

from robobench.analysis.classifier_ranking import Ranking, name_of
from robobench.reports.blocks import Value
from robobench.reports.chart import Chart, belongs_to
from robobench.reports.point_labels import label_points
from robobench.reports.style import BACKGROUND, INK_ON_COLOR, fix_layout, looks, width
from robobench.reports.svg import Spot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from robobench.analysis.series import Series

_FROM_RED_TO_BLUE = "RdYlBu"
_MOST_NAMED = 16  # points beside which every name finds room


def classifier_heatmap(found: Ranking, everything: Sequence[Series]) -> Figure:
    """Accuracy of each classifier of a ranking under each corruption."""
    import seaborn

    by_name = {name_of(s): s for s in everything}
    series = [by_name[name] for name in found.frame["name"]]
    shares = np.array(
        [[float(s.mean(s.degradations(name))[0]) for name in found.corruptions] for s in series]
    )
    wide = len(found.corruptions) > 6
    each = 0.32 if len(series) <= 20 else 0.17  # sixty have to fit a page
    figure = Figure(figsize=(width(), 0.9 + each * len(series) + 0.06 * 20), layout="constrained")
    axes = figure.add_subplot()
    seaborn.heatmap(
        100 * shares, annot=True, fmt=".0f", cmap=_FROM_RED_TO_BLUE, ax=axes, vmin=0, vmax=100,
        cbar=False, linewidths=0.5, annot_kws={"color": INK_ON_COLOR},
        xticklabels=list(found.corruptions), yticklabels=[s.backbone for s in series],
    )  # fmt: skip
    axes.tick_params(length=0)
    axes.set_xticklabels(
        found.corruptions, rotation=40 if wide else 0, ha="right" if wide else "center"
    )
    axes.set_yticklabels([s.backbone for s in series], rotation=0)
    return figure


def robustness_figure(found: Ranking) -> Chart:
    """Accuracy on degraded against clean images, with the line through the classifiers.

    The best are named; of more than can be, the others are grey.
    """
    frame = found.frame
    figure = Chart(figsize=(width() * 0.72, width() * 0.5), layout="constrained")
    axes = figure.add_subplot()
    edge = 0.5 / found.count
    clean, degraded = (frame[c].clip(edge, 1 - edge).to_numpy() for c in ("clean", "mean"))
    names = list(frame["classifier"])  # the best first
    named = names[:_MOST_NAMED]
    drawn = looks(named)
    for place, name in enumerate(names):
        color = drawn[name].color if name in drawn else BACKGROUND
        low, high = (frame[f"mean_{end}"].clip(edge, 1 - edge)[place] for end in ("low", "high"))
        bars = axes.errorbar(
            clean[place], degraded[place],
            yerr=[[degraded[place] - low], [high - degraded[place]]],
            fmt=drawn[name].marker if name in drawn else "o", color=color, markersize=5, capsize=2,
            elinewidth=1, zorder=2 if name in drawn else 1.5,
        )  # fmt: skip
        for artist in bars.get_children():
            belongs_to(artist, name)
        shown = Value(degraded[place], low, high)
        told = f"{name}: {shown.text} % {shown.interval}, clean {Value(clean[place]).text} %"
        figure.spots.append(Spot(axes, clean[place], degraded[place], name, told))
    if found.line is not None:
        slope, start = found.line
        along = np.linspace(logit(clean).min() - 0.2, logit(clean).max() + 0.2, 50)
        axes.plot(
            expit(along), expit(start + slope * along), color=BACKGROUND, linewidth=1, zorder=0
        )
    axes.set_xscale("logit")
    axes.set_yscale("logit")
    ends = [frame["mean_low"].clip(edge, 1 - edge), frame["mean_high"].clip(edge, 1 - edge)]
    axes.set_xlim(_around(clean))
    axes.set_ylim(_around(np.concatenate([degraded, *ends])))
    _few_logit_ticks(axes)
    axes.set_xlabel("accuracy on clean images (%)")
    axes.set_ylabel("on degraded images (%)")
    fix_layout(figure)
    points = zip(clean, degraded, names, strict=True)
    label_points(axes, [point for point in points if point[2] in drawn], drawn)
    return figure


def _around(shares: NDArray[np.float64]) -> tuple[float, float]:
    """Limits that leave room around shares on the logit scale, also around a single one."""
    low, high = logit(shares.min()), logit(shares.max())
    room = 0.12 * (high - low) + 0.1
    return float(expit(low - room)), float(expit(high + room))


def _few_logit_ticks(axes: Axes) -> None:
    """Round numbers of percent inside the limits instead of powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        steps = (0.1, 0.05, 0.02, 0.01, 0.005)
        ticks = [t for t in np.arange(0.01, 1, 0.01) if low <= t <= high]
        for step in steps:
            found = [round(k * step, 4) for k in range(1, int(1 / step)) if low <= k * step <= high]
            if len(found) >= 3:
                ticks = found
                break
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        axis.set_minor_formatter(NullFormatter())
