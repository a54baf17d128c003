"""Every method against the reference on the same images: how much is real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Plot, Table, Text, Value
from robobench.reports.leaderboard import Row, Study, studies
from robobench.reports.plots import paired_figure
from robobench.reports.ranking import Difference, differences, p_values

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("paired", order=50, title="Gain on the reference")
def paired(run: Run) -> list[Block]:
    """Paired differences from the reference, with intervals and tests."""
    blocks: list[Block] = []
    for study in studies(run):
        if study.reference_row is None or not study.others:
            continue
        gains = {row.label: differences(study, study.reference_row, row) for row in study.others}
        if not any(gains.values()):
            continue
        if not study.alone:
            blocks.append(Text(study.title, "heading"))
        names = ", ".join(row.label for row in study.others)
        blocks.append(
            Plot(
                f"paired{study.suffix}",
                f"Points of accuracy that each method gains on `{study.reference}` on the same "
                "images, with 95 % intervals of the paired difference. An interval that crosses "
                "zero is no finding.",
                paired_figure(study),
                f"Gains on {study.reference} with intervals for {names}.",
            )
        )
        blocks.append(_table(study, gains))
        if not study.sweeps:  # at a hundred levels the exact test takes seconds a method
            blocks.append(_chances(study, study.reference_row))
    return blocks


def _table(study: Study, gains: Mapping[str, Mapping[str, Difference]]) -> Table:
    rows = study.others
    frame = pd.DataFrame(
        {
            row.heading: [
                _value(gains[row.label].get(name), study.reason(row, name))
                for name in study.conditions
            ]
            for row in rows
        },
        index=study.conditions,
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table(
        f"paired{study.suffix}",
        f"Gain on `{study.reference}` in points of accuracy, paired, with 95 % intervals.",
        frame,
        notes=tuple(study.marks(rows)),
        folded=True,
    )


def _chances(study: Study, reference: Row) -> Table:
    rows, names = study.others, study.conditions
    found = {row: p_values(study, reference, row) for row in rows}
    frame = pd.DataFrame(
        {
            row.heading: [Value(p.get(n), unit="p", why=study.reason(row, n)) for n in names]
            for row, p in found.items()
        },
        index=names,
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table(
        f"paired-p{study.suffix}",
        f"How likely a difference from `{study.reference}` as large as this is by chance: p-values "
        "of the exact sign-flip test over images, adjusted by Holm over the corruptions.",
        frame,
        notes=tuple(study.marks(rows)),
        folded=True,
    )


def _value(found: Difference | None, why: str) -> Value:
    if found is None:
        return Value(None, unit="points", why=why)
    return Value(found.value, found.low, found.high, "points")
