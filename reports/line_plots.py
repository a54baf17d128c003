"""Accuracy along severities and levels, labelled at the lines; many methods against grey."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from robobench.errors import RobobenchError
from robobench.reports.by_severity import SEVERITIES, mean_over
from robobench.reports.chart import Chart, belongs_to
from robobench.reports.leaderboard import MEAN, Leaderboard, Point
from robobench.reports.method_row import MethodRow
from robobench.reports.style import (
    BACKGROUND,
    LOWEST,
    REFERENCE,
    Look,
    fitting,
    fix_layout,
    looks,
    narrow_width,
    on_screen,
    panel_height,
    percent,
    width,
)
from robobench.reports.svg import Spot
from robobench.types import CLEAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

MOST_COLORED = 6  # methods beside the reference that lines can tell apart
_COLORED_OF_MANY = 3
_MOST_TOLD = 20  # methods whose every number a panel for each corruption tells on hover
_BAND = 0.16  # opacity: a few overlapping bands stay readable
_LETTERS = 12  # of a label at a line
_LABEL_SIZE = 7.0
_FIRST_LINES, _OTHERS = 3.0, 1.5  # order of drawing


def severity_figure(board: Leaderboard) -> Chart:
    """Accuracy from clean to severity 5, one panel per corruption.

    Beyond `MOST_COLORED` methods, those not in `in_color` are grey.

    Raises:
        RobobenchError: No corruption was evaluated at severities only.
    """
    if not board.graded:
        raise nothing(board, "severity", "corruptions at severities", "--corruptions jpeg,noise")
    many = len(board.graded) > 9
    wanted = min(len(board.graded), 2 if len(board.graded) in (2, 4) else 3)
    columns = fitting(4 if many and not on_screen() else wanted, 1.6)
    figure, panels = panels_of(len(board.graded), columns, height=1.5 if many else 1.8)
    lines = {
        name: {row.label: _with_clean(board, row, name) for row in board.rows}
        for name in board.graded
    }
    for axes, name in zip(panels, board.graded, strict=True):
        axes.set_title(name)
        colored = in_color(board)
        told = None if len(board.rows) <= _MOST_TOLD else list(colored)
        _draw_all(figure, axes, board, lines[name], colored, f"{name}, severity", spots=told)
        _severity_axis(axes)
    outer_labels(panels, columns, "severity", "accuracy (%)")
    _label_ends(figure, board, dict(zip(panels, lines.values(), strict=True)))
    return figure


def methods_figure(board: Leaderboard) -> Chart:
    """Mean accuracy over all corruptions by severity: each method in its own panel, others grey.

    Raises:
        RobobenchError: No corruption was evaluated at severities only.
    """
    if not board.graded:
        raise nothing(board, "methods", "corruptions at severities", "--corruptions jpeg,noise")
    lines = {row.label: _means(board, row) for row in board.rows}
    shown = [row for row in board.others if lines[row.label]]
    columns = fitting(min(len(shown), 4 if len(shown) <= 20 else 6), 1.1)
    figure, panels = panels_of(len(shown), columns, height=1.45)
    drawn = looks(board.labels, board.reference)
    for axes, row in zip(panels, shown, strict=True):
        axes.set_title(short(row.heading, 20), color=drawn[row.label].letters)
        colored = {board.reference, row.label}
        _draw_all(figure, axes, board, lines, colored, "mean, severity", spots=[row.label])
        _severity_axis(axes)
    outer_labels(panels, columns, "severity", "accuracy (%)")
    return figure


def level_figure(board: Leaderboard) -> Chart:
    """Accuracy along the levels of each sweep, with the reference's clean accuracy dotted.

    Raises:
        RobobenchError: The leaderboard has no sweep.
    """
    if not board.sweeps:
        raise nothing(board, "level", "a sweep of levels", "--corruptions jpeg:1-100")
    columns = fitting(min(len(board.sweeps), 2), 2.2)
    figure, panels = panels_of(len(board.sweeps), columns, height=2.6)
    clean = board.clean(board.reference_row).value if board.reference_row else None
    lines = {
        name: {row.label: board.points(row, name, "level") for row in board.rows}
        for name in board.sweeps
    }
    for axes, name in zip(panels, board.sweeps, strict=True):
        axes.set_title(name)
        _draw_all(figure, axes, board, lines[name], in_color(board), f"{name}, {unit_of(name)}")
        if clean is not None:
            axes.axhline(clean, color=REFERENCE, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
            _name_clean(axes, board, clean, lines[name].values())
        axes.set_xlabel(unit_of(name))
        axes.margins(x=0.02)
        percent(axes)
    outer_labels(panels, columns, "", "accuracy (%)")
    _label_ends(figure, board, dict(zip(panels, lines.values(), strict=True)))
    return figure


def _name_clean(
    axes: Axes, board: Leaderboard, clean: float, lines: Iterable[Sequence[Point]]
) -> None:
    """Write what the dotted line is at the end that the other lines leave free."""
    known = [line for line in lines if line]
    first, last = (float(np.mean([line[end].value for line in known])) for end in (0, -1))
    right = clean - last > clean - first
    axes.annotate(
        f"{board.reference}, clean images",
        (1 if right else 0, clean),
        (-2 if right else 2, -3),
        ("axes fraction", "data"),
        "offset points",
        ha="right" if right else "left",
        va="top",
        fontsize=_LABEL_SIZE,
        color=REFERENCE,
    )


def in_color(board: Leaderboard) -> set[str]:
    """Labels of the methods that lines show in colour.

    All, or beyond `MOST_COLORED` the reference and the best three that are usable as they are.
    """
    if len(board.others) <= MOST_COLORED:
        return set(board.labels)
    means = {r.label: board.summed(r, MEAN, "accuracy").value for r in board.others if not r.told}
    known = {label: mean for label, mean in means.items() if mean is not None}
    best = sorted(known, key=lambda label: -known[label])
    return {board.reference, *best[:_COLORED_OF_MANY]}


def unit_of(corruption: str) -> str:
    """The unit of a corruption's level, for an axis."""
    from robobench.corruptions.catalogue import native

    found = None if "+" in corruption else native(corruption)
    return str(found.unit) if found is not None else "level"


def nothing(board: Leaderboard, kind: str, wanted: str, example: str) -> RobobenchError:
    """The refusal of a plot that has no data."""
    return RobobenchError(
        f"{board.run.label} has no data for a plot of kind {kind!r}: it needs {wanted} "
        f"(for example `robobench run {example}`)"
    )


def short(label: str, letters: int = _LETTERS) -> str:
    """A label that fits beside a line; of a longer one both ends."""
    if len(label) <= letters:
        return label
    end = (letters - 1) // 2
    return f"{label[: letters - 1 - end]}…{label[-end:]}"


def panels_of(
    count: int,
    columns: int,
    height: float,
    *,
    least: float = LOWEST,
    below: float = 0.3,
    sharex: bool = False,
    sharey: bool = True,
) -> tuple[Chart, list[Axes]]:
    """A figure of so many panels in so many columns.

    Args:
        count: Number of panels.
        columns: Panels side by side.
        height: Of a panel in inches, where the page has room for all.
        least: Of a panel in inches, where it has not.
        below: Height in inches for what stands below all panels.
        sharex: Whether all panels have one horizontal axis.
        sharey: Whether all panels have one vertical axis.
    """
    lines = math.ceil(count / columns)
    inches = width() if columns > 1 else narrow_width()
    size = inches, lines * panel_height(height, lines, least) + below
    figure = Chart(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, sharex=sharex, sharey=sharey, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def outer_labels(panels: Sequence[Axes], columns: int, below: str, left: str) -> None:
    """Name the axes of panels at the edges: below the lowest, beside the first of each row."""
    for place, axes in enumerate(panels):
        if place % columns == 0:
            axes.set_ylabel(left)
        if below and place + columns >= len(panels):
            axes.set_xlabel(below)


def _severity_axis(axes: Axes) -> None:
    axes.set_xticks([0, *SEVERITIES], ["clean", *map(str, SEVERITIES)])
    axes.set_xlim(-0.25, 5.25)
    percent(axes)


def _with_clean(board: Leaderboard, row: MethodRow, corruption: str) -> list[Point]:
    line = board.points(row, corruption, "severity")
    return _clean(board, row) + line if line else []


def _clean(board: Leaderboard, row: MethodRow) -> list[Point]:
    return [replace(point, x=0.0) for point in board.points(row, CLEAN, "level")]


def _means(board: Leaderboard, row: MethodRow) -> list[Point]:
    found = [(s, mean_over(board, row, board.graded, s)) for s in SEVERITIES]
    line = [
        Point(float(s), v.value, *(v.ends or (v.value, v.value)))
        for s, v in found
        if v.value is not None
    ]
    return _clean(board, row) + line if line else []


def _draw_all(
    figure: Chart,
    axes: Axes,
    board: Leaderboard,
    lines: Mapping[str, Sequence[Point]],
    colored: Iterable[str],
    where: str,
    spots: Sequence[str] | None = None,
) -> None:
    """The lines of all methods, and a spot for each point of all methods or of those in `spots`."""
    drawn = looks(board.labels, board.reference)
    for row in board.rows:
        line = lines[row.label]
        _line(axes, line, row.label, drawn[row.label], colored=row.label in colored)
        if spots is None or row.label in spots:
            for point in line:
                value = point.shown
                at = (
                    "clean"
                    if point.x == 0 and where.endswith("severity")
                    else f"{where} {point.x:g}"
                )
                told = f"{row.heading}, {at}: {value.text} % {value.interval}".rstrip()
                figure.spots.append(Spot(axes, point.x, point.value, row.label, told))


def _line(axes: Axes, line: Sequence[Point], label: str, look: Look, *, colored: bool) -> None:
    x = [point.x for point in line]
    if colored:
        low, high = [point.low for point in line], [point.high for point in line]
        band = axes.fill_between(x, low, high, color=look.color, alpha=_BAND, linewidth=0)
        belongs_to(band, label)
    (drawn,) = axes.plot(
        x,
        [point.value for point in line],
        color=look.color if colored else BACKGROUND,
        linestyle=look.dash if colored else "-",
        linewidth=1.5 if colored else 0.9,
        marker=look.marker if colored and len(line) <= 12 else "",
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=_FIRST_LINES if colored else _OTHERS,
    )
    belongs_to(drawn, label)


def _label_ends(
    figure: Chart,
    board: Leaderboard,
    panels: Mapping[Axes, Mapping[str, Sequence[Point]]],
) -> None:
    """Each coloured method's name at the right end of its line, moved apart where they would touch."""
    drawn, colored = looks(board.labels, board.reference), in_color(board)
    written: dict[Axes, list[tuple[float, Annotation]]] = {}
    for axes, lines in panels.items():
        for row in board.rows:
            if row.label in colored and lines[row.label]:
                end = lines[row.label][-1].value
                text = axes.annotate(
                    short(row.label),
                    (1.0, end),
                    (4, 0),
                    ("axes fraction", "data"),
                    "offset points",
                    fontsize=_LABEL_SIZE,
                    va="center",
                    color=drawn[row.label].letters,
                    annotation_clip=False,
                )
                belongs_to(text, row.label)
                written.setdefault(axes, []).append((end, text))
    fix_layout(figure)  # what is a letter's height depends on the height of the panels
    for axes, texts in written.items():
        texts.sort(key=lambda pair: pair[0])
        low, high = axes.get_ylim()
        letter = 1.1 * _LABEL_SIZE / 72 * figure.dpi / axes.bbox.height * (high - low)
        places = _apart([end for end, _ in texts], letter, low, high)
        for place, (_, text) in zip(places, texts, strict=True):
            text.xy = (1.0, place)


def _apart(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """The places nearest to the given ones, ascending, that are at least so far from each other."""
    from scipy.optimize import isotonic_regression

    steps = least * np.arange(len(places))
    found = isotonic_regression(np.array(places) - steps).x + steps
    found -= max(0.0, found[-1] - high)
    found += max(0.0, low - found[0])
    return [float(place) for place in found]
