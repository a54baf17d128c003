"""Figures of reproductions: accuracy or estimated level against the true level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robobench.reports import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from robobench.reproductions.measuring import Measured
    from robobench.reproductions.published import Row

_BAND = 0.16


def reproduced_figure(measured: Measured) -> Figure:
    """Lines of all rows against the level, with the published numbers."""
    from matplotlib.figure import Figure

    levels = measured.reproduction.of_levels
    with style.room():
        share = 0.75 if levels else 1.0
        figure = Figure(figsize=(share * style.width(), 3.2), layout="constrained")
        if levels:
            first = figure.subplots()
            _estimates(measured, first)
        else:
            rows = present(measured)
            panels = figure.subplots(1, 2) if len(rows) > 1 else [figure.subplots()]
            first = panels[0]
            for axes, shown in zip(panels, (rows, rows[1:]), strict=False):
                _accuracies(measured, axes, shown)
            first.set_ylabel("accuracy (%)")
        handles, labels = first.get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper left", ncols=4, columnspacing=1.6, handlelength=2.2
        )
    return figure


def present(measured: Measured) -> list[Row]:
    """The rows that were measured, those of the paper first."""
    found = set(measured.table["row"])
    rows = measured.reproduction.rows + measured.reproduction.further
    return [row for row in rows if row.name in found]


def _lines(measured: Measured, row: Row) -> pd.DataFrame:
    """The row's numbers by ascending level."""
    table = measured.table[measured.table["row"] == row.name]
    return table.assign(x=table["column"].map(_places(measured))).sort_values("x")


def _places(measured: Measured) -> dict[str, float]:
    """Column name -> its position on the axis."""
    return {
        column.name: column.degradations(measured.profile)[0].level
        for column in measured.reproduction.columns
    }


def unit_of_level(measured: Measured) -> str:
    """The unit of the levels of its columns: ``JPEG quality``."""
    from robobench.reports.line_plots import unit_of

    return unit_of(measured.reproduction.columns[0].degradations(measured.profile)[0].corruption)


def _accuracies(measured: Measured, axes: Axes, shown: Sequence[Row]) -> None:
    reproduction = measured.reproduction
    rows = present(measured)
    looks = style.looks([row.method for row in rows], rows[0].method)
    for row in shown:
        line, look = _lines(measured, row), looks[row.method]
        if row in reproduction.rows:  # a band for each of seven rows would hide them all
            axes.fill_between(
                line["x"],
                line["ci_low"],
                line["ci_high"],
                color=look.color,
                alpha=_BAND,
                linewidth=0,
            )
        axes.plot(line["x"], line["ours"], color=look.color, linestyle=look.dash, label=row.label)
    drawn = {row.method for row in shown}
    steps: Any = {"linestyle": (0, (4, 2)), "linewidth": 0.9, "zorder": 1.8}
    for row in reproduction.beside.rows if reproduction.beside else ():
        if row.method not in drawn or reproduction.beside is None:
            continue
        for column, published in zip(reproduction.beside.columns, row.published, strict=True):
            levels = [d.level for d in column.degradations(measured.profile)]
            axes.plot(
                [min(levels) - 0.5, max(levels) + 0.5],
                [published, published],
                color=looks[row.method].color,
                **steps,
            )
    if reproduction.beside:
        axes.plot([], [], color=style.REFERENCE, label="published interval mean", **steps)
    axes.set_xlabel(unit_of_level(measured))
    axes.margins(x=0.02)
    style.percent(axes)


def _estimates(measured: Measured, axes: Axes) -> None:
    reproduction = measured.reproduction
    places = list(_places(measured).values())
    ends = [min(places), max(places)]
    axes.plot(ends, ends, color="#999999", linewidth=0.9, label="truth", zorder=1.6)
    by_method: dict[str, dict[str, pd.DataFrame]] = {}
    for row in reproduction.rows + reproduction.further:
        line = _lines(measured, row)
        if len(line):
            by_method.setdefault(row.method, {})[row.statistic] = line.set_index("x")
    looks = style.looks(list(by_method))
    for method, lines in by_method.items():
        if "level mean" not in lines:
            continue
        mean, look = lines["level mean"]["ours"], looks[method]
        axes.plot(mean.index, mean, color=look.color, linestyle=look.dash, label=method)
        if "level sd" in lines:
            spread = lines["level sd"]["ours"].reindex(mean.index)
            axes.fill_between(
                mean.index, mean - spread, mean + spread, color=look.color, alpha=0.25, linewidth=0
            )
    _published_estimates(measured, axes)
    axes.set_xlabel(f"true level: {unit_of_level(measured)}")
    axes.set_ylabel("estimated level")
    axes.margins(x=0.02)


def _published_estimates(measured: Measured, axes: Axes) -> None:
    beside = measured.reproduction.beside
    if beside is None:
        return
    numbers = {row.statistic: row.published for row in beside.rows if row.published}
    if "level mean" not in numbers:
        return
    axes.errorbar(
        [column.degradations(measured.profile)[0].level for column in beside.columns],
        numbers["level mean"],
        yerr=numbers.get("level sd"),
        color=style.REFERENCE,
        linestyle="",
        marker="o",
        markersize=4,
        elinewidth=1.2,
        capsize=2.5,
        label="published mean and s.d.",
    )
