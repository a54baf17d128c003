"""Accuracy at each severity: the plot, and one table a corruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Plot, Table, Text, Value
from robobench.reports.leaderboard import Row, Study, studies
from robobench.reports.plots import severity_figure

if TYPE_CHECKING:
    from robobench.results.run import Run

_FOLD_FROM = 3  # tables beyond this many are shown on demand in HTML: the plot says the same


@section("severity", order=20, title="Accuracy by severity")
def severity(run: Run) -> list[Block]:
    """Accuracy at every severity, by corruption."""
    blocks: list[Block] = []
    for study in studies(run):
        if not study.graded:
            continue
        if not study.alone:
            blocks.append(Text(study.title, "heading"))
        blocks.append(
            Plot(
                f"severity{study.suffix}",
                "Accuracy on clean images and at each severity. Bands: 95 % Wilson intervals of "
                "each point" + _seeds(study) + ".",
                severity_figure(study),
                f"Lines of accuracy by severity for {', '.join(study.labels)}, one panel for each "
                f"of {', '.join(study.graded)}.",
            )
        )
        folded = len(study.graded) >= _FOLD_FROM
        blocks += [_table(study, name, folded=folded) for name in study.graded]
    return blocks


def _seeds(study: Study) -> str:
    several = (
        study.accuracy["train_seed"].nunique() > 1
        or study.accuracy.loc[study.accuracy["severity"].notna(), "seed"].nunique() > 1
    )
    return "; several seeds are averaged and the band is the hull of theirs" if several else ""


def _table(study: Study, corruption: str, *, folded: bool) -> Table:
    rows = study.rows
    lines = {row.label: _points(study, row, corruption) for row in rows}
    strengths = sorted({x for line in lines.values() for x in line})
    columns: dict[str, list[Value]] = {
        f"{x}": [
            lines[r.label].get(x) or Value(None, why=study.reason(r, corruption)) for r in rows
        ]
        for x in strengths
    }
    mean, column = (
        ("Acc(1,5)", "Acc(1,5)") if strengths == [1, 2, 3, 4, 5] else ("mean", "accuracy")
    )
    columns[mean] = [study.summed(row, corruption, column) for row in rows]
    columns["drop"] = [study.summed(row, corruption, "drop") for row in rows]
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "severity"
    return Table(
        f"severity-{_stem(corruption)}{study.suffix}",
        f"`{corruption}`: accuracy at each severity and drop from clean images (percent, 95 % "
        "intervals).",
        frame,
        notes=tuple(study.marks()),
        folded=folded,
    )


def _points(study: Study, row: Row, corruption: str) -> dict[int, Value]:
    return {
        int(point.x): Value(point.value, point.low, point.high)
        for point in study.points(row, corruption, "severity")
    }


def _stem(corruption: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in corruption)
