"""The summary on a screen: one short table for people, in percent.

On a terminal it fits the terminal. Elsewhere (a pipe, a log) it is a Markdown table of whatever
width it needs, in plain ASCII, so that it survives being pasted.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, TextIO

from robobench.analysis.corruption_error import interval_name
from robobench.types import CLEAN

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.text import Text

    _Show = Callable[["pd.Series[Any]", str], str]

MEAN = "mean"
_SEVERITIES = interval_name(1, 5)
_NARROWEST = 60


def print_summary(
    summary: "pd.DataFrame",
    manifest: Mapping[str, Any] | None = None,
    *,
    file: TextIO | None = None,
) -> None:
    """Print a run's summary.

    Args:
        summary: As `robobench.analysis.summary.summarise` returns it.
        manifest: Of the run, for the marks of methods that are told the truth; may be left out.
        file: Where to; standard output by default.
    """
    from rich.console import Console

    stream = file or sys.stdout
    console = Console(file=stream, highlight=False, emoji=False, markup=False)
    if summary.empty:
        console.print("no cells: nothing to summarise")
        return
    summary = _in_order(summary, manifest or {})
    oracles = _oracles(manifest or {})
    labels = _labels(summary, oracles)
    reference = str(summary.attrs.get("reference", "org"))
    for place, part in summary.groupby(["dataset", "split", "backbone"], sort=False):
        title = f"{place[0]} {place[1]}, {place[2]}: {part['n'].max():,} images, percent [95 %]"
        named = [labels[i] for i in part.index]
        if console.is_terminal and console.width >= _NARROWEST:
            _print_terminal(console, title, part, named, reference)
        else:
            _print_plain(stream, title, part, named, reference)
    marks = _marks(summary, reference, bool(oracles))
    for line in marks:
        if console.is_terminal:
            console.print(line, style="dim", soft_wrap=False)
        else:
            stream.write(f"{line}\n")


def _print_terminal(
    console: "Console", title: str, part: "pd.DataFrame", named: Sequence[str], reference: str
) -> None:
    """Everything with full intervals if it fits; else sweeps apart; else half widths."""
    from rich.text import Text

    columns = _columns(part, reference)
    native = _native(part)
    main = [c for c in columns if c not in native]
    console.print(Text(title, style="bold"))
    for chosen in (
        [columns]
        if _width(part, named, columns, _interval) <= console.width
        else [
            main,
            native,
        ]
    ):
        if not chosen:
            continue
        fits = _width(part, named, chosen, _interval) <= console.width
        show = _interval if fits else _half_width
        widths = {c: _column_width(part, c, show) for c in chosen}
        margin = max(len(n) for n in [*named, "method"]) + 1
        heading = "".join(f" {c:>{widths[c]}}" for c in chosen)
        console.print(Text("\n" + " " * margin + heading, style="dim"), no_wrap=True, crop=False)
        for corruption, group in _by_corruption(part):
            if group[chosen].isna().all(axis=None):
                continue
            console.print(Text(_title(corruption, group), style="bold cyan"))
            for index, row in group.iterrows():
                name = named[list(part.index).index(index)]
                line = Text(f" {name:<{margin - 1}}")
                if len(group) > 1 and row["accuracy"] == group["accuracy"].max():
                    line.stylize("bold")
                for column in chosen:
                    line.append(" " * (widths[column] + 1 - len(show(row, column) or "-")))
                    line.append(_coloured(row, column, show(row, column)))
                console.print(line, no_wrap=True, crop=False)
    console.print()


def _width(
    part: "pd.DataFrame", named: Sequence[str], columns: Sequence[str], show: "_Show"
) -> int:
    margin = max(len(n) for n in [*named, "method"]) + 1
    return margin + sum(_column_width(part, c, show) + 1 for c in columns)


def _column_width(part: "pd.DataFrame", column: str, show: "_Show") -> int:
    return max(len(column), *(len(show(row, column)) for _, row in part.iterrows()))


def _print_plain(
    stream: TextIO, title: str, part: "pd.DataFrame", named: Sequence[str], reference: str
) -> None:
    columns = _columns(part, reference)
    header = ["corruption", "method", *columns]
    lines = []
    for corruption, group in _by_corruption(part):
        for index, row in group.iterrows():
            name = named[list(part.index).index(index)]
            cells = [_interval(row, c) or "-" for c in columns]
            lines.append([_title(corruption, group), name, *cells])
    widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]
    stream.write(f"{title}\n\n")
    stream.write(_markdown(header, widths))
    stream.write(
        "|" + "|".join("-" * (w + 1) + (":" if i > 1 else "-") for i, w in enumerate(widths))
    )
    stream.write("|\n")
    stream.writelines(_markdown(line, widths) for line in lines)
    stream.write("\n")


def _markdown(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if i > 1 else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |\n"


def _columns(part: "pd.DataFrame", reference: str) -> list[str]:
    """What is shown: accuracy, interval means, CE and the share recovered, if there are any."""
    columns = ["accuracy", _SEVERITIES, *_native(part), f"CE[{reference}]", "recovered"]
    columns += [c for c in ("mCE", "relative mCE") if c in part]
    return [c for c in columns if c == "accuracy" or (c in part and part[c].notna().any())]


def _native(part: "pd.DataFrame") -> list[str]:
    """Interval means over a sweep's own levels."""
    names = [str(c) for c in part if str(c).startswith("Acc(") and str(c).endswith(")")]
    names = [c for c in names if c != _SEVERITIES]
    return [c for c in names if part[c].notna().any()]


def _by_corruption(part: "pd.DataFrame") -> list[tuple[str, "pd.DataFrame"]]:
    """Clean first, the mean of several last, the others as evaluated."""
    order = list(dict.fromkeys(part["corruption"]))
    order.sort(key=lambda c: (c != CLEAN, c == MEAN))
    if len({*order} - {CLEAN, MEAN}) == 1:  # the mean of one corruption is that corruption
        order = [c for c in order if c != MEAN]
    return [(c, part[part["corruption"] == c]) for c in order]


def _title(corruption: str, group: "pd.DataFrame") -> str:
    levels = str(group["levels"].iloc[0])
    if corruption == MEAN:
        return f"mean of {levels}"
    return f"{corruption} {levels}".strip()


def _interval(row: "pd.Series[Any]", column: str) -> str:
    """``72.3 [71.2,73.4]``, or nothing where it is blank."""
    value = row[column]
    # A ratio of a few errors on clean images says nothing that the accuracy does not.
    if isnan(value) or (row["corruption"] == CLEAN and column.startswith("CE[")):
        return ""
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if isnan(low) or low == value == high:  # the reference against itself
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f} [{100 * low:.1f},{100 * high:.1f}]"


def _half_width(row: "pd.Series[Any]", column: str) -> str:
    """``72.3 +-1.1``: half of the interval, where a screen has no room for its ends."""
    if not _interval(row, column):
        return ""
    value, low, high = row[column], row[f"{column}_low"], row[f"{column}_high"]
    return f"{100 * value:.1f}" + (f" +-{50 * (high - low):.1f}" if low < high else "")


def _coloured(row: "pd.Series[Any]", column: str, text: str) -> "Text":
    """The interval faint, what is beyond noise in colour."""
    from rich.text import Text

    if not text:
        return Text("-", style="dim")
    value, space, interval = text.partition(" ")
    style = ""
    if column == "recovered":
        style = "green" if row["recovered_low"] > 0 else "red" if row["recovered_high"] < 0 else ""
    return Text.assemble((value, style), (space + interval, "dim"))


def _in_order(summary: "pd.DataFrame", manifest: Mapping[str, Any]) -> "pd.DataFrame":
    """The reference first, then methods as the run was asked for them."""
    asked = list(dict.fromkeys((m["method"], m["trained_on"]) for m in manifest.get("methods", [])))
    rank = {key: place for place, key in enumerate(asked)}
    reference = summary.attrs.get("reference")
    pairs = list(zip(summary["method"], summary["trained_on"], strict=True))
    order = [(method != reference, rank.get((method, on), len(rank))) for method, on in pairs]
    return summary.iloc[sorted(range(len(order)), key=order.__getitem__)]


def _oracles(manifest: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {
        (m["method"], m["trained_on"])
        for m in manifest.get("methods", [])
        if m.get("oracle") or m["trained_on"] == "matched"
    }


def _labels(summary: "pd.DataFrame", oracles: set[tuple[str, str]]) -> dict[Any, str]:
    """Names for rows: ``@TRAINED_ON`` only where it tells two rows apart, ``*`` for an oracle."""
    labels = {}
    for index, row in summary.iterrows():
        same = summary[summary["method"] == row["method"]]
        several = same["trained_on"].nunique() > 1
        name = f"{row['method']}@{row['trained_on']}" if several else str(row["method"])
        labels[index] = name + ("*" if (row["method"], row["trained_on"]) in oracles else "")
    return labels


def _marks(summary: "pd.DataFrame", reference: str, oracle: bool) -> list[str]:
    lines = []
    if f"CE[{reference}]" in summary and summary[f"CE[{reference}]"].notna().any():
        lines.append(f"CE[{reference}]: errors as a share of {reference}'s; below 100 is better.")
    if "recovered" in summary and summary["recovered"].notna().any():
        lines.append(
            f"recovered: share of the accuracy lost by {reference} that comes back; blank where "
            "the loss is within noise."
        )
    if oracle:
        lines.append("*: is told the corruption or its strength, which no deployment knows.")
    blank = dict.fromkeys(m for m in summary["missing"] if m and ("no " in m))
    incomplete = [m for m in blank if "Acc(" in m or "mCE" in m]
    lines += [f"left blank: {m}" for m in incomplete[:5]]
    lines += [f"note: {n}" for n in summary.attrs.get("notes", [])]
    return lines
