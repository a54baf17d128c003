"""What a run found, first: a few sentences and the two tables that everybody looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Table, Text, Value, counted
from robobench.reports.leaderboard import MEAN, Row, Study, studies
from robobench.reports.ranking import BOLD_NOTE, differences, embolden
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.results.run import Run

_INTERVALS = "Brackets hold 95 % intervals (bootstrap over images, the same draws for all methods)."


@section("summary", order=10)
def summary(run: Run) -> list[Block]:
    """The findings in words, and the two tables that everybody looks for."""
    blocks: list[Block] = []
    for study in studies(run):
        if not study.alone:
            blocks.append(Text(study.title, "heading"))
        blocks.append(_sentences(study))
        blocks.append(_headline(study))
        if len(study.corruptions) > 1:
            blocks.append(_by_corruption(study))
        blocks += _published(study)
    return blocks


def _sentences(study: Study) -> Text:
    """The findings in words, each with its uncertainty."""
    said: list[str] = []
    if study.reference_row is not None:
        said += _loss(study, study.reference_row)
        said += _remedies(study, study.reference_row)
    under = f" and under {counted(len(study.corruptions), 'corruption')}"
    return Text(
        f"{counted(len(study.rows), 'method')} on {counted(study.images, 'image')} of "
        f"{study.title}, clean{under if study.corruptions else ''}.",
        items=tuple(said),
    )


def _loss(study: Study, reference: Row) -> list[str]:
    clean, mean = study.clean(reference), study.summed(reference, MEAN, "accuracy")
    if clean.missing or mean.value is None:
        return []
    said = (
        f"`{reference.label}` is right on {clean.text} % of the clean images and on {mean.text} % "
        f"{mean.interval} of the degraded ones (mean over {_over(study)})"
    )
    drops = {name: study.summed(reference, name, "drop") for name in study.corruptions}
    known = {name: drop for name, drop in drops.items() if drop.value is not None}
    if len(known) > 1:
        worst = max(known, key=lambda name: known[name].value or 0.0)
        said += f"; `{worst}` costs it most, {known[worst].text} points"
    return [f"{said}."]


def _over(study: Study) -> str:
    return study.corruptions[0] if len(study.corruptions) == 1 else "all corruptions"


def _remedies(study: Study, reference: Row) -> list[str]:
    means = {
        row.label: (row, study.summed(row, MEAN, "accuracy"))
        for row in study.others
        if not row.oracle
    }
    ranked = sorted(
        (pair for pair in means.values() if pair[1].value is not None),
        key=lambda pair: -(pair[1].value or 0.0),
    )
    if not ranked:
        return []
    best = ranked[0][0]
    gain = differences(study, reference, best).get(MEAN)
    if gain is None:
        return []
    shown = Value(gain.value, gain.low, gain.high, "points")
    if gain.high < 0:
        return [
            (
                f"No method is better than `{reference.label}` on degraded images; the nearest, "
                f"`{best.label}`, differs by {shown.text} points {shown.interval}."
            )
        ]
    if gain.low <= 0:
        return [
            (
                f"No method is told apart from `{reference.label}` on degraded images; the best, "
                f"`{best.label}`, differs by {shown.text} points {shown.interval}."
            )
        ]
    share = study.summed(best, MEAN, "recovered")
    said = f"`{best.label}` gains most, {shown.text} points {shown.interval}"
    if share.value is not None:
        said += f", which is {share.text} % {share.interval} of the loss"
    second = ranked[1][0] if len(ranked) > 1 else None
    if second is not None:
        lead = differences(study, second, best).get(MEAN)
        if lead is not None:
            ahead = Value(lead.value, lead.low, lead.high, "points")
            said += (
                f"; it leads `{second.label}` by {ahead.text.lstrip('+')} {ahead.interval}"
                if lead.low > 0
                else f"; `{second.label}` is not told apart from it ({ahead.text} {ahead.interval})"
            )
    return [f"{said}."]


def _headline(study: Study) -> Table:
    rows = study.rows
    columns: dict[str, list[Value]] = {
        "clean": embolden(study, rows, [study.clean(row) for row in rows], CLEAN)
    }
    if study.corruptions:
        accuracy = [study.summed(row, MEAN, "accuracy") for row in rows]
        name = "accuracy, Acc(1,5)" if _is_interval_mean(study) else "accuracy"
        columns[name] = embolden(study, rows, accuracy, MEAN)
        columns["drop"] = [study.summed(row, MEAN, "drop") for row in rows]
        ce = f"CE[{study.reference}]"
        columns[ce] = [study.summed(row, MEAN, ce) for row in rows]
        columns["recovered"] = [
            Value(None, why="the reference itself")
            if row.label == study.reference
            else study.summed(row, MEAN, "recovered")
            for row in rows
        ]
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "method"
    return Table(
        f"summary{study.suffix}",
        f"Accuracy on clean images and, as the mean over {_over(study)}, on degraded ones; what "
        f"degradation costs; corruption error against `{study.reference}`; and the share of the "
        f"loss of `{study.reference}` that a method gives back. All in percent."
        if study.corruptions
        else "Accuracy on clean images, in percent.",
        frame,
        notes=(_INTERVALS, BOLD_NOTE, *study.marks()),
    )


def _is_interval_mean(study: Study) -> bool:
    """Whether the mean accuracy is the interval mean over severities 1 to 5."""
    table = study.summary[study.summary["corruption"] == MEAN]
    if "Acc(1,5)" not in table or table["Acc(1,5)"].isna().any():
        return False
    return bool((table["Acc(1,5)"] - table["accuracy"]).abs().max() < 1e-9)


def _by_corruption(study: Study) -> Table:
    rows = study.rows
    columns = {
        name: embolden(study, rows, [study.summed(r, name, "accuracy") for r in rows], name)
        for name in study.degraded
    }
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "method"
    if len(frame.columns) > max(7, len(rows)):  # the longer side runs down the page
        frame = frame.T
        frame.index.name, frame.columns.name = None, "corruption"
    return Table(
        f"by-corruption{study.suffix}",
        "Accuracy by corruption, each the mean over its severities or levels, in percent.",
        frame,
        notes=(_INTERVALS, BOLD_NOTE, *study.marks()),
    )


def _published(study: Study) -> list[Block]:
    """MCE against AlexNet where the data set has its errors, or what it lacks."""
    if "mCE" not in study.summary:
        return []
    rows = study.rows
    official = study.dataset.endswith("-c")
    columns = {
        name if official else f"{name} (regenerated)": [study.summed(r, MEAN, name) for r in rows]
        for name in ("mCE", "relative mCE")
        if name in study.summary
    }
    frame = pd.DataFrame(columns, index=[row.heading for row in rows], dtype=object)
    frame.columns.name = "method"
    where = "" if official else " Regenerated images: not to be compared digit by digit with mCE "
    where += "" if official else "on the published files."
    return [
        Table(
            f"mce{study.suffix}",
            "Mean corruption error over the 15 common corruptions, AlexNet is 100; lower is better."
            + where,
            frame,
            notes=(_INTERVALS, *study.marks()),
        )
    ]
