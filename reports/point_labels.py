"""Names beside points, placed so that they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from robobench.reports.chart import belongs_to
from robobench.reports.line_plots import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from robobench.reports.style import Look

_SIZE = 7.0  # of letters, in points
_WIDE = 0.62  # width of a letter, as a share of its height
_POINT = 4.0  # half the room that a point takes, in points
# Where a name may be, in order of preference: steps from the point, in names and lines.
_PLACES = ((0, 0), (-1, 0), (0, 1), (0, -1), (-1, 1), (-1, -1), (0, 2), (0, -2), (-1, 2), (-1, -2))

_Box = tuple[float, float, float, float]  # left, bottom, right, top


def label_points(
    axes: Axes, points: Sequence[tuple[float, float, str]], drawn: Mapping[str, Look]
) -> None:
    """Write the name of each point (x, y, label) beside it; the layout must be fixed."""
    unit = axes.figure.dpi / 72
    at = [axes.transData.transform((x, y)) / unit for x, y, _ in points]
    start, _, end, _ = (side / unit for side in axes.bbox.extents)
    taken: list[_Box] = [(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in at]
    for (x, y), (data_x, data_y, label) in zip(at, points, strict=True):
        name = short(label, 18)
        width = _WIDE * _SIZE * len(name)
        options = []
        for aside, up in _PLACES:
            left = x + _POINT + 1 if aside == 0 else x - _POINT - 1 - width
            bottom = y - _SIZE / 2 + up * (_SIZE + 1)
            box = left, bottom, left + width, bottom + _SIZE
            outside = max(0.0, box[2] - end) + max(0.0, start - box[0])
            options.append((sum(_shared(box, other) for other in taken) + outside * _SIZE, box))
        _, best = min(options, key=lambda option: option[0])
        taken.append(best)
        text = axes.annotate(
            name,
            (data_x, data_y),
            (best[0] - x, (best[1] + best[3]) / 2 - y),
            textcoords="offset points",
            fontsize=_SIZE,
            va="center",
            color=drawn[label].letters,
        )
        belongs_to(text, label)


def _shared(one: _Box, other: _Box) -> float:
    """The area that two boxes have in common."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
