"""Corruption errors as tables of ImageNet-C show them: clean error, mCE, a column per corruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.analysis.corruption_error import corruption_errors
from robobench.corruptions.catalogue import GROUPS
from robobench.reports.blocks import Block, Table, Value
from robobench.reports.by_severity import SEVERITIES, groups_of
from robobench.reports.leaderboard import MEAN, Leaderboard, leaderboards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from robobench.reports.method_row import MethodRow
    from robobench.results.run import Run

_ALEXNET = "alexnet"
# As Hendrycks and Dietterich (2019) head their columns.
_SHORT = {
    "gaussian_noise": "Gauss.",
    "shot_noise": "Shot",
    "impulse_noise": "Impulse",
    "defocus_blur": "Defocus",
    "glass_blur": "Glass",
    "motion_blur": "Motion",
    "zoom_blur": "Zoom",
    "snow": "Snow",
    "frost": "Frost",
    "fog": "Fog",
    "brightness": "Bright",
    "contrast": "Contrast",
    "elastic_transform": "Elastic",
    "pixelate": "Pixel",
    "jpeg_compression": "JPEG",
}


@section("corruption-errors", order=15)
def imagenet_c(run: Run) -> list[Block]:
    """Clean error, mCE and the corruption error of each common corruption."""
    blocks: list[Block] = []
    for board in leaderboards(run):
        names = [name for name in GROUPS["common"] if _is_whole(board, name)]
        if names and board.reference_row is not None:
            blocks.append(_table(board, names))
    return blocks


def _is_whole(board: Leaderboard, corruption: str) -> bool:
    """Whether a corruption was evaluated at the five severities and nothing else."""
    if corruption not in board.graded:
        return False
    mine = board.accuracy[board.accuracy["corruption"] == corruption]
    return set(mine["severity"]) == set(SEVERITIES)


def _table(board: Leaderboard, names: Sequence[str]) -> Table:
    rows, reference = board.rows, board.reference
    published = "mCE" in board.summary and set(names) == set(GROUPS["common"])
    ce = _of_alexnet(board) if published else _of_reference(board)
    columns = {"Error": [_error(board.clean(row)) for row in rows]}
    if published:
        columns["mCE"] = [board.summed(row, MEAN, "mCE") for row in rows]
    elif set(names) == set(board.corruptions) and len(names) > 1:
        columns["mean CE"] = [board.summed(row, MEAN, f"CE[{reference}]") for row in rows]
    columns |= {_SHORT[name]: [ce(row, name) for row in rows] for name in names}
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "method"
    groups = {_SHORT[name]: g for g, found in groups_of(names).items() for name in found}
    divisor = "AlexNet" if published else f"`{reference}`"
    return Table(
        f"corruption-errors{board.suffix}",
        f"Clean error, and corruption errors in the layout of ImageNet-C: the sum of the errors over "
        f"the five severities in percent of that of {divisor}; lower is better.",
        frame,
        notes=tuple(board.marks()),
        folded=True,
        groups={heading: group.capitalize() for heading, group in groups.items()},
    )


def _error(accuracy: Value) -> Value:
    if accuracy.value is None or accuracy.missing:
        return accuracy
    low, high = accuracy.ends or (None, None)
    ends = (None, None) if low is None or high is None else (1 - high, 1 - low)
    return Value(1 - accuracy.value, *ends)


def _of_reference(board: Leaderboard) -> Callable[[MethodRow, str], Value]:
    return lambda row, name: board.summed(row, name, f"CE[{board.reference}]")


def _of_alexnet(board: Leaderboard) -> Callable[[MethodRow, str], Value]:
    """The published ratio, from the errors on the same severities."""
    found = corruption_errors(board.frame, _ALEXNET)

    def ce(row: MethodRow, name: str) -> Value:
        mine = row.of(found)
        line = mine[mine["corruption"] == name]
        if len(line) != 1 or not board.complete(row, name):
            return Value(None, why=board.reason(row, name))
        return Value(float(line["ce"].iloc[0]) / 100, why=str(line["missing"].iloc[0]))

    return ce
