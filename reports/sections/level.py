"""Accuracy along a sweep of native levels, and its interval mean accuracies (Endo et al. 2020)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Plot, Table, Text
from robobench.reports.leaderboard import Study, studies
from robobench.reports.plots import level_figure, unit_of

if TYPE_CHECKING:
    from robobench.results.run import Run

_INTERVAL = re.compile(r"Acc\((\d+),\s*(\d+)\)$")


@section("level", order=30, title="Accuracy by level")
def level(run: Run) -> list[Block]:
    """Accuracy along sweeps of levels (JPEG quality, noise sigma), with interval means."""
    blocks: list[Block] = []
    for study in studies(run):
        if not study.sweeps:
            continue
        if not study.alone:
            blocks.append(Text(study.title, "heading"))
        blocks.append(
            Plot(
                f"level{study.suffix}",
                "Accuracy along the levels. Bands: 95 % Wilson intervals of each point.",
                level_figure(study),
                f"Lines of accuracy by level for {', '.join(study.labels)}, one panel for each of "
                f"{', '.join(study.sweeps)}.",
            )
        )
        for name in study.sweeps:
            blocks += _intervals(study, name)
    return blocks


def interval_columns(study: Study, corruption: str) -> list[str]:
    """The interval means that the summary has for a corruption, rising."""
    table = study.summary[study.summary["corruption"] == corruption]
    found = [
        (tuple(map(int, match.groups())), str(column))
        for column in table
        if (match := _INTERVAL.match(str(column))) and table[column].notna().any()
    ]
    return [column for _, column in sorted(found)]


def _intervals(study: Study, corruption: str) -> list[Block]:
    columns = interval_columns(study, corruption)
    if not columns:
        return [
            Text(f"`{corruption}`: no interval mean, since no interval has all its levels.", "note")
        ]
    rows = study.rows
    why = "a level of the interval is missing"
    frame = pd.DataFrame(
        {
            **{c: [study.summed(row, corruption, c, why=why) for row in rows] for c in columns},
            "all levels": [study.summed(row, corruption, "accuracy") for row in rows],
        },
        index=[row.heading for row in rows],
        dtype=object,
    )
    frame.columns.name = "method"
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in corruption)
    return [
        Table(
            f"level-{stem}{study.suffix}",
            f"`{corruption}`: interval mean accuracy by {unit_of(corruption)}, in percent, with "
            "95 % intervals. Acc(a,b) is the plain mean of the accuracies at every integer level "
            "from a to b (Endo et al. 2020, eq. 1).",
            frame,
            notes=tuple(study.marks()),
        )
    ]
