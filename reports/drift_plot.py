"""The plot of the drift of features over severities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from robobench.reports.chart import Chart
from robobench.reports.line_plots import outer_labels, panels_of
from robobench.reports.style import BACKGROUND, REFERENCE, fitting, looks
from robobench.types import CLEAN

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.lines import Line2D

_PANELS_IN_A_ROW = 3
_MOST_NAMED = 7  # lines that a reader can tell apart; of more, those with the least drift
_OTHERS = "other methods"


def drift_figure(parts: Mapping[str, pd.DataFrame], everything: pd.DataFrame) -> Chart:
    """Drift against severity, one panel per layer; of many methods most are grey.

    Args:
        parts: Label of a method -> its rows of ``drift.csv``.
        everything: The rows of all methods at severities.
    """
    layers = list(dict.fromkeys(everything["layer"]))
    columns = fitting(2 if len(layers) == 4 else min(len(layers), _PANELS_IN_A_ROW), 1.5)
    figure, panels = panels_of(len(layers), columns, height=1.75, below=0.5, sharey=False)
    named = sorted(parts, key=lambda label: float(parts[label]["drift"].mean()))
    named = named if len(named) <= _MOST_NAMED else named[: _MOST_NAMED - 1]
    drawn = looks([label for label in parts if label in named])
    handles: dict[str, Line2D] = {}
    for axes, layer in zip(panels, layers, strict=True):
        axes.set_title(layer)
        here = everything[everything["layer"] == layer]
        untreated = here.groupby("severity")["untreated"].mean()
        (handles["without a repair"],) = axes.plot(
            [0, *untreated.index], [0, *untreated], color=REFERENCE, marker="o"
        )
        for label, part in parts.items():
            mine = part[part["layer"] == layer]
            clean = mine.loc[mine["corruption"] == CLEAN, "drift"].mean()
            means = mine[mine["corruption"] != CLEAN].groupby("severity")["drift"].mean()
            (line,) = axes.plot([0, *means.index], [clean, *means])
            if label in drawn:
                look = drawn[label]
                line.set(color=look.color, marker=look.marker, linestyle=look.dash)
            else:
                line.set(color=BACKGROUND, linewidth=0.9, zorder=1.5)
            handles[label if label in drawn else _OTHERS] = line
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    outer_labels(panels, columns, "severity (0: clean)", "drift / variance")
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=min(4, len(handles)),
    )
    return figure
