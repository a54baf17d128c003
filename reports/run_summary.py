"""The summary of a run on the console: one short table, in percent.

In a terminal it fits the width. Elsewhere (a pipe, a log) it is a Markdown table of any width, in
plain ASCII, so that it can be pasted anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import pandas as pd

from robobench.analysis.corruption_error import interval_name
from robobench.reports.blocks import Table, Value
from robobench.reports.leaderboard import MEAN
from robobench.reports.method_row import is_told
from robobench.reports.screen import accuracy_heading, fits, print_table, screen
from robobench.types import CLEAN

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEVERITIES = interval_name(1, 5)
_RECOVERED = "recovered"
_Trained = tuple[str, str]  # method, trained_on


def print_summary(
    summary: pd.DataFrame,
    manifest: Mapping[str, Any] | None = None,
    *,
    file: TextIO | None = None,
) -> None:
    """Print a run's summary.

    Args:
        summary: As `robobench.analysis.summary.summarise` returns it.
        manifest: The run's manifest, for the marks of oracle methods; may be left out.
        file: Where to print; standard output by default.
    """
    console = screen(file)
    if summary.empty:
        console.print("no cells: nothing to summarise")
        return
    summary = _in_order(summary, manifest or {})
    for table, apart in _tables(summary, _oracles(manifest or {})):
        console.print(table.caption, style="bold")
        console.print()
        for part in [table] if not apart or fits(console, table) else _parted(table, apart):
            print_table(console, part)
            if console.is_terminal:
                console.print()
    for line in _marks(summary, _oracles(manifest or {})):
        console.print(line, style="dim")


def _tables(
    summary: pd.DataFrame, oracles: Collection[_Trained]
) -> Iterator[tuple[Table, list[str]]]:
    """For each data set and backbone a table grouped by corruption, and its separable columns."""
    labels = _labels(summary, oracles)
    reference = _reference(summary)
    for place, part in summary.groupby(["dataset", "split", "backbone"], sort=False):
        dataset, split, backbone = map(str, place)
        columns = _columns(part, reference)
        heads, lines = [], []
        for corruption, group in _by_corruption(part):
            for label, row in zip(group.index.map(labels), group.to_dict("records"), strict=True):
                heads.append((_title(corruption, group), label))
                lines.append([_value(row, column) for column in columns])
        headings = pd.MultiIndex.from_tuples(heads, names=["corruption", "method"])
        title = accuracy_heading(dataset, split, backbone, part["n"].max())
        frame = pd.DataFrame(lines, index=headings, columns=columns, dtype=object)
        yield Table(f"summary-{dataset}-{split}-{backbone}", title, frame), _native(part)


def _parted(table: Table, apart: Sequence[str]) -> list[Table]:
    """The table without the sweeps' interval means, and these in a table of their own."""
    frame = table.frame
    main = [column for column in frame if column not in apart]
    return [Table(table.name, table.caption, frame[columns]) for columns in (main, list(apart))]


def _value(row: Mapping[Hashable, Any], column: str) -> Value:
    # A ratio of few errors on clean images adds nothing to the accuracy.
    if row["corruption"] == CLEAN and column.startswith("CE["):
        return Value(None)
    return Value(row[column], row[f"{column}_low"], row[f"{column}_high"])


def _columns(part: pd.DataFrame, reference: str) -> list[str]:
    """The columns shown: accuracy, interval means, CE and the share recovered, where known."""
    columns = ["accuracy", _SEVERITIES, *_native(part), f"CE[{reference}]", _RECOVERED]
    columns += ["mCE", "relative mCE"]
    return [c for c in columns if c == "accuracy" or (c in part and part[c].notna().any())]


def _native(part: pd.DataFrame) -> list[str]:
    """The columns of interval means over a sweep's native levels."""
    names = [str(c) for c in part if str(c).startswith("Acc(") and str(c).endswith(")")]
    names = [c for c in names if c != _SEVERITIES]
    return [c for c in names if part[c].notna().any()]


def _by_corruption(part: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows by corruption: clean first, the mean of several last, the others as evaluated."""
    order = list(dict.fromkeys(part["corruption"]))
    order.sort(key=lambda c: (c != CLEAN, c == MEAN))
    if len({*order} - {CLEAN, MEAN}) == 1:  # the mean of one corruption is that corruption
        order = [c for c in order if c != MEAN]
    return [(c, part[part["corruption"] == c]) for c in order]


def _title(corruption: str, group: pd.DataFrame) -> str:
    levels = str(group["levels"].iloc[0])
    if corruption == MEAN:
        return f"mean of {levels}"
    return f"{corruption} {levels}".strip()


def _reference(summary: pd.DataFrame) -> str:
    return str(summary.attrs.get("reference", "org"))


def _in_order(summary: pd.DataFrame, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """The reference first, then the methods in the order in which they were requested."""
    asked = list(dict.fromkeys((m["method"], m["trained_on"]) for m in manifest.get("methods", [])))
    rank = {key: place for place, key in enumerate(asked)}
    reference = summary.attrs.get("reference")
    pairs = list(zip(summary["method"], summary["trained_on"], strict=True))
    order = [(method != reference, rank.get((method, on), len(rank))) for method, on in pairs]
    return summary.iloc[sorted(range(len(order)), key=order.__getitem__)]


def _oracles(manifest: Mapping[str, Any]) -> set[_Trained]:
    return {
        (m["method"], m["trained_on"])
        for m in manifest.get("methods", [])
        if is_told(bool(m.get("oracle")), m["trained_on"])
    }


def _labels(summary: pd.DataFrame, oracles: Collection[_Trained]) -> dict[Any, str]:
    """Row labels: ``@TRAINED_ON`` only where it distinguishes rows, ``*`` for an oracle."""
    labels = {}
    for index, row in summary.iterrows():
        same = summary[summary["method"] == row["method"]]
        several = same["trained_on"].nunique() > 1
        name = f"{row['method']}@{row['trained_on']}" if several else str(row["method"])
        labels[index] = name + ("*" if (row["method"], row["trained_on"]) in oracles else "")
    return labels


def _marks(summary: pd.DataFrame, oracles: Collection[_Trained]) -> list[str]:
    """The lines under the tables: columns and marks explained, gaps, notes."""
    lines, reference = [], _reference(summary)
    if f"CE[{reference}]" in summary and summary[f"CE[{reference}]"].notna().any():
        lines.append(f"CE[{reference}]: errors as a share of {reference}'s; below 100 is better.")
    if _RECOVERED in summary and summary[_RECOVERED].notna().any():
        lines.append(
            f"recovered: share of the accuracy lost by {reference} that comes back; blank where "
            "the loss is within noise."
        )
    if oracles:
        lines.append("*: is told the corruption or its strength, which no deployment knows.")
    lines += [f"left blank, {why}: {', '.join(names)}" for why, names in _blank(summary)]
    lines += [f"note: {n}" for n in summary.attrs.get("notes", [])]
    return lines


def _blank(summary: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Why means over severities and mCE are blank: each reason once, with the columns."""
    found: dict[str, dict[str, None]] = {}
    for told in summary["missing"]:
        for part in filter(None, str(told).split("; ")):
            name, _, why = part.partition(": ")
            if why.startswith("no ") and ("Acc(" in name or "mCE" in name):
                found.setdefault(why, {})[name] = None
    return [(why, list(names)) for why, names in found.items()]
