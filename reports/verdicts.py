"""The result of a check as text for a terminal and as Markdown for GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from robobench.checking.verdict import (
    BETTER,
    MISSING,
    NOT_COMPARABLE,
    SAME,
    WORSE,
    CheckResult,
    Verdict,
)
from robobench.reports import markup
from robobench.reports.blocks import Table, Value
from robobench.reports.screen import grid
from robobench.reports.tables import plain, to_markdown

# GitHub cuts a step's summary off at 1 MiB; the cells that matter come first.
_ROWS = 200
_ORDER = (WORSE, MISSING, BETTER, NOT_COMPARABLE, SAME)
_SIDE_BY_SIDE = 100  # width below which methods have lines of their own
_WIDE = 1000  # wide enough for all columns


def headline(result: CheckResult) -> str:
    """The result in one line."""
    worse = sum(v.outcome == WORSE for v in result.cells)
    missing = sum(v.outcome == MISSING for v in result.cells)
    cells = f"{len(result.cells)} cells" + (f", {worse} of them worse" if worse else "")
    cells += f", {missing} of them missing" if missing else ""
    unpaired = sum(v.is_unpaired for v in result.cells)
    cells += f", {unpaired} of them unpaired" if unpaired else ""
    return (
        f"{result.outcome} ({cells}; tolerance {result.tolerance:g} points, alpha {result.alpha:g})"
    )


def as_text(result: CheckResult, width: int = _WIDE) -> str:
    """For a terminal: methods first, then the cells that changed, then other differences.

    Args:
        result: What was found.
        width: Number of characters in a line.
    """
    changed = _changed(result)
    lines = [headline(result), ""]
    shown = [*result.means, *changed[:20]]
    narrow = width < _SIDE_BY_SIDE
    table = _by_method(_table(shown)) if narrow else _table(shown)
    lines += [plain(line.plain) for line in grid(table, width, gap=1 if narrow else 2)]
    if len(changed) > 20:
        lines.append(f"    and {len(changed) - 20} more; --summary FILE lists them")
    lines += ["", *_legend(shown), *_new(result), _power(result)]
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def as_markdown(result: CheckResult) -> str:
    """For a GitHub step summary or a pull-request comment."""
    ranked = [v for v in _ranked(result.cells) if v.outcome != NOT_COMPARABLE]
    changed = _changed(result)
    lines = [f"### robobench check: {headline(result)}", "", to_markdown(_table(result.means))]
    if changed:
        lines += ["**Cells that changed**", "", to_markdown(_table(changed[:_ROWS]))]
    rest = [v for v in ranked if v not in changed]
    if rest:
        lines += [f"<details><summary>{len(rest)} cells are the same</summary>", ""]
        lines += [to_markdown(_table(rest[: max(0, _ROWS - len(changed))])), "</details>", ""]
    told = [*_legend([*result.means, *changed]), *_new(result), _power(result)]
    lines.append("  \n".join(markup.markdown(line) for line in told))
    if result.notes:
        lines += ["", "Differences from the baseline:", ""]
        lines += [f"- {markup.markdown(note)}" for note in result.notes]
    return "\n".join(lines) + "\n"


def refused_as_markdown(reason: str) -> str:
    """The same for a check that could not be made."""
    return f"### robobench check: refused\n\n{markup.markdown(reason)}\n"


def _ranked(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Worst first."""
    return sorted(verdicts, key=lambda v: (_ORDER.index(v.outcome), not v.remark, -v.loss))


def _changed(result: CheckResult) -> list[Verdict]:
    """The cells that changed, or seem to."""
    compared = [v for v in _ranked(result.cells) if v.outcome != NOT_COMPARABLE]
    return [v for v in compared if v.outcome != SAME or v.remark]


def _legend(shown: Sequence[Verdict]) -> list[str]:
    """What the marks after an outcome mean, as far as they are there."""
    remarks = dict.fromkeys(v.remark for v in shown if v.outcome == SAME and v.remark)
    told = [f"(!): the loss is {remark}." for remark in remarks]
    if any(v.is_unpaired for v in shown):
        told.append(
            "(u): unpaired: two accuracies are compared, not image by image, so that only larger losses are "
            "found."
        )
    return told


def _new(result: CheckResult) -> list[str]:
    """The cells that the baseline lacks, in one line: they are no reason to fail."""
    new = [v for v in (*result.means, *result.cells) if v.outcome == NOT_COMPARABLE]
    if not new:
        return []
    named = ", ".join(dict.fromkeys(f"{v.method} on {v.what}" for v in new[:5]))
    more = f" and {len(new) - 5} more" if len(new) > 5 else ""
    said = f"Not in the baseline, and so not compared: {named}{more}"
    return [f"{said}; `robobench freeze` includes them."]


def _power(result: CheckResult) -> str:
    """What a check would have detected; after a failure, what worse means."""
    if result.outcome == WORSE:
        return f"Worse means: a significant loss of more than {result.tolerance:g} points."
    unpaired = any(v.is_unpaired for v in result.means)
    return (
        f"On {'images like these' if unpaired else 'these images'}, a loss of {result.detectable:.1f} points in the mean would be detected "
        "four times out of five."
    )


def _table(verdicts: Sequence[Verdict]) -> Table:
    """Method, cell, before, now, change with its interval, p: one row per verdict, by outcome."""
    rows = [_cells(verdict) for verdict in verdicts]
    outcomes = [
        v.outcome
        + (" (u)" if v.is_unpaired else "")
        + (" (!)" if v.remark and v.outcome == SAME else "")
        for v in verdicts
    ]
    columns = ["method", "cell", "before", "now", "points [95 %]", "p"]
    frame = pd.DataFrame(rows, index=outcomes, columns=columns, dtype=object)
    frame.columns.name = "outcome"
    return Table("verdicts", "Changes in points, with 95 % intervals.", frame)


def _by_method(table: Table) -> Table:
    """The same with a heading for each method instead of a column."""
    frame = table.frame.drop(columns="method")
    frame.index = pd.MultiIndex.from_arrays([table.frame["method"], table.frame.index])
    return replace(table, frame=frame)


def _cells(verdict: Verdict) -> list[str | Value]:
    before, after = Value(verdict.before), Value(verdict.after)
    if verdict.outcome == MISSING:
        return [verdict.method, verdict.what, before, Value(None), verdict.remark, Value(None)]
    change = Value(-verdict.loss, -verdict.high, -verdict.low, "points")
    return [verdict.method, verdict.what, before, after, change, Value(verdict.p, unit="p")]
