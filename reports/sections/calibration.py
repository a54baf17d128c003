"""Metrics besides accuracy: calibration error, likelihood, plug-ins' metrics, the worst case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.registry import METRICS
from robobench.reports.blocks import Block, Table, Unit, Value
from robobench.reports.by_board import by_board
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow
from robobench.reports.reliability import reliability_blocks
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.results.run import Run

_EXPLAINED = ("ece", "nll")  # by the caption


@section("calibration", order=70)
def calibration(run: Run) -> list[Block]:
    """Expected calibration error, likelihood, metrics of plug-ins and worst case."""
    return by_board(run, _blocks)


def _blocks(board: Leaderboard) -> list[Block]:
    return [*reliability_blocks(board), _table(board)]


def _table(board: Leaderboard) -> Table:
    columns: dict[str, list[Value]] = {}
    others = []
    for name in METRICS:
        METRICS[name]  # imports its module, so that all its options are known
        entry = METRICS.entry(name)
        if not entry.options.get("reported", True):
            continue
        title = str(entry.options.get("title") or name)
        unit: Unit = entry.options.get("unit", "percent")
        columns[f"{title}, clean"] = [_mean(board, r, name, True, unit) for r in board.rows]
        columns[f"{title}, degraded"] = [_mean(board, r, name, False, unit) for r in board.rows]
        if name not in _EXPLAINED:
            better = "higher" if entry.options.get("higher_is_better") else "lower"
            others.append(f"{title}: {entry.summary.rstrip('.')}; {better} is better.")
    columns["worst accuracy"] = [board.summed(row, MEAN, "worst") for row in board.rows]
    frame = pd.DataFrame(columns, index=[r.heading for r in board.rows], dtype=object)
    frame.columns.name = "method"
    return Table(
        f"calibration{board.suffix}",
        "Expected calibration error in percent (15 bins of equal width) and negative "
        "log-likelihood in nats, on clean images and averaged over all degraded cells; lower is "
        "better. "
        "Worst accuracy: the lowest of any cell, in percent.",
        frame,
        notes=(*others, *board.marks()),
    )


def _mean(board: Leaderboard, row: MethodRow, metric: str, clean: bool, unit: Unit) -> Value:
    mine = row.of(board.frame)
    wanted = mine[(mine["metric"] == metric) & ((mine["corruption"] == CLEAN) == clean)]
    if wanted["value"].isna().any():
        why = "no valid predictions, or not all images, in some cells"
        return Value(None, unit=unit, why=why)
    return Value(
        float(wanted["value"].mean()) if len(wanted) else None, unit=unit, why="not measured"
    )
