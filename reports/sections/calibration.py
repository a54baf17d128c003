"""Whether confidences can be believed, and what methods measured beside accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.registry import METRICS
from robobench.reports.blocks import Block, Table, Text, Unit, Value
from robobench.reports.leaderboard import MEAN, Row, Study, studies
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.results.run import Run

_COLUMNS: tuple[tuple[str, str, Unit], ...] = (("ece", "ECE", "percent"), ("nll", "NLL", "number"))


@section("calibration", order=70)
def calibration(run: Run) -> list[Block]:
    """Expected calibration error, likelihood and worst case, clean and degraded."""
    blocks: list[Block] = []
    for study in studies(run):
        if not study.alone:
            blocks.append(Text(study.title, "heading"))
        blocks.append(_table(study))
    return blocks


def _table(study: Study) -> Table:
    columns: dict[str, list[Value]] = {}
    for metric, title, unit in _COLUMNS:
        columns[f"{title}, clean"] = [_mean(study, r, metric, True, unit) for r in study.rows]
        columns[f"{title}, degraded"] = [_mean(study, r, metric, False, unit) for r in study.rows]
    columns["worst accuracy"] = [study.summed(row, MEAN, "worst") for row in study.rows]
    frame = pd.DataFrame(columns, index=[r.heading for r in study.rows], dtype=object)
    frame.columns.name = "method"
    return Table(
        f"calibration{study.suffix}",
        "Expected calibration error in percent (15 bins of equal width) and negative log-likelihood "
        "in nats, on clean images and as the plain mean over all degraded cells; lower is better. "
        "Worst accuracy: of any one cell, in percent.",
        frame,
        notes=tuple(study.marks()),
    )


def _mean(study: Study, row: Row, metric: str, clean: bool, unit: Unit) -> Value:
    mine = _of(study.frame, row)
    wanted = mine[(mine["metric"] == metric) & ((mine["corruption"] == CLEAN) == clean)]
    return Value(
        float(wanted["value"].mean()) if len(wanted) else None, unit=unit, why="not measured"
    )


@section("measured", order=75, title="What methods measured themselves")
def measured(run: Run) -> list[Block]:
    """Extra columns of methods: quality of restored images, estimated levels."""
    blocks: list[Block] = []
    for study in studies(run):
        extra = study.frame[~study.frame["metric"].isin(METRICS.names())]
        columns = {
            f"{row.label}: {metric}": _means(study, extra, row, metric)
            for row in study.rows
            for metric in dict.fromkeys(_of(extra, row)["metric"])
        }
        if not columns:
            continue
        if not study.alone:
            blocks.append(Text(study.title, "heading"))
        frame = pd.DataFrame(columns, index=[CLEAN, *study.corruptions], dtype=object)
        frame.columns.name = "corruption"
        blocks.append(
            Table(
                f"measured{study.suffix}",
                "Means over all images and levels of what methods report beside their predictions.",
                frame,
            )
        )
    return blocks


def _of(frame: pd.DataFrame, row: Row) -> pd.DataFrame:
    return frame[(frame["method"] == row.method) & (frame["trained_on"] == row.trained_on)]


def _means(study: Study, extra: pd.DataFrame, row: Row, metric: str) -> list[Value]:
    mine = _of(extra, row)
    values = mine[mine["metric"] == metric].groupby("corruption")["value"].mean()
    return [
        Value(float(values[name]) if name in values else None, unit="number", why="not measured")
        for name in [CLEAN, *study.corruptions]
    ]
