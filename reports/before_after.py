"""Two runs as before and after: what a pull request changes, regressions first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from robobench.analysis.before_after import BETTER, SAME, WORSE, BeforeAfter, before_after
from robobench.analysis.comparison import MEAN
from robobench.errors import RobobenchError
from robobench.reports.blocks import Block, Table, Text, Value, counted
from robobench.reports.builder import FIRST, Report, write
from robobench.reports.notices import differences_of_machines
from robobench.reports.part import Part

if TYPE_CHECKING:
    from robobench.results.run import Run


def compare_runs(before: Run, after: Run) -> BeforeAfter:
    """What changed between two runs on the same images.

    Raises:
        RobobenchError: Their data sets differ in images, or they have no cell in common.
    """
    places = [
        (data["name"], data["split"], data.get("fingerprint"))
        for data in (run.manifest["dataset"] for run in (before, after))
    ]
    if places[0] != places[1]:
        names = " and ".join(f"{name} {split}" for name, split, _ in places)
        same = places[0][:2] == places[1][:2]
        why = "their fingerprints differ" if same else "two data sets"
        raise RobobenchError(
            f"{before.folder} and {after.folder} are on other images ({names}: {why}); compare two "
            "runs on the same data set"
        )
    return before_after(before.outcomes, after.outcomes, min(before.draws, after.draws))


def headline(found: BeforeAfter) -> str:
    """What changed, in one sentence."""
    means = found.frame[found.frame["corruption"] == MEAN]
    judged = means if len(means) else found.frame
    counts = judged["outcome"].value_counts().to_dict()
    what = "in the mean over corruptions" if len(means) else "on clean images"
    told = [f"{counts[o]} {o}" for o in (WORSE, BETTER, SAME) if counts.get(o)]
    said = f"{counted(len(judged), 'method')} {what}: {', '.join(told)}."
    singles = found.frame[(found.frame["corruption"] != MEAN) & (found.frame["outcome"] == WORSE)]
    if len(means) and len(singles):
        said += f" Worse in {counted(len(singles), 'single condition')}."
    return said


def change_blocks(found: BeforeAfter) -> list[Block]:
    """The headline and the tables: methods, what changed, and what did not (folded)."""
    frame = found.frame
    means = frame[frame["corruption"] == MEAN]
    rest = frame[frame["corruption"] != MEAN]
    changed, same = rest[rest["outcome"] != SAME], rest[rest["outcome"] == SAME]
    blocks: list[Block] = [Text(headline(found))]
    for name, caption, part, folded in (
        ("methods", "Each method in the mean over corruptions, regressions first.", means, False),
        ("changed", "Conditions that changed, regressions first.", changed, False),
        ("same", "Conditions that the tests do not find changed.", same, True),
    ):
        if len(part):
            blocks.append(_table(name, caption, part.to_dict("records"), folded=folded))
    return blocks


_NOTE = (
    "Points: after minus before, with 95 % intervals. Worse and better: separated by paired tests over "
    "the images (exact sign-flip tests), adjusted by Holm's method; the means of all methods are one "
    "family, single conditions another."
)


def _table(name: str, caption: str, rows: Sequence[Any], *, folded: bool) -> Table:
    several = len({row["backbone"] for row in rows}) > 1
    lines = {
        "method": [f"{r['backbone']}, {r['method']}" if several else r["method"] for r in rows],
        "condition": [r["corruption"] for r in rows],
        "before": [Value(r["before"]) for r in rows],
        "after": [Value(r["after"]) for r in rows],
        "points": [
            Value(
                r["difference"],
                r["difference_low"],
                r["difference_high"],
                "points",
                bold=r["outcome"] != SAME,
                against=r["outcome"] if r["outcome"] != SAME else "",
            )
            for r in rows
        ],
        "p": [Value(r["p_holm"], unit="p") for r in rows],
    }
    frame = pd.DataFrame(lines, index=[r["outcome"] for r in rows], dtype=object)
    frame.columns.name = "outcome"
    return Table(
        f"compare-{name}",
        caption,
        frame,
        notes=(_NOTE,) if name == "methods" else (),
        folded=folded,
    )


def report_of(before: Run, after: Run, found: BeforeAfter) -> Report:
    """The page of a comparison."""
    import robobench

    notices = differences_of_machines([before, after])
    notices += [Text(f"{note[:1].upper()}{note[1:]}.", "note") for note in found.notes]
    for run in (before, after):
        if not run.is_complete:
            count = f"{len(run.cells)} of {run.planned} cells"
            told = f"`{run.label}` is incomplete ({count}): only cells that both have are compared."
            notices.append(Text(told, "warning"))
    return Report(
        title=f"{after.label} against {before.label}",
        subtitle=f"before: `{before.folder}`; after: `{after.folder}`",
        notices=notices,
        parts=[Part("compare", "What changed", change_blocks(found))],
        version=robobench.__version__,
    )


def write_comparison(
    before: Run, after: Run, found: BeforeAfter, out: Path, formats: Sequence[str]
) -> Path:
    """Write the pages; returns the one to open first."""
    made = report_of(before, after, found)
    write(dict.fromkeys(formats, made), out)
    return out / FIRST[formats[0]]
