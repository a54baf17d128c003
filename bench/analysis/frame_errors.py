"""The errors in a long table, by corruption and seed, for metrics of a whole grid."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from robobench.errors import RobobenchError

if TYPE_CHECKING:
    import pandas as pd

SERIES = ("dataset", "method", "backbone", "trained_on")
_SEEDS = ("train_seed", "seed")


def errors_in(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A copy of a frame's rows of accuracy or error, with the errors as column ``error``.

    Raises:
        RobobenchError: A column or every such row is missing, or values are not fractions.
    """
    lacking = [c for c in ("corruption", "metric", "value") if c not in frame]
    if lacking:
        raise RobobenchError(f"the frame has no column {lacking[0]}; it has {list(frame.columns)}")
    for metric in ("accuracy", "error"):
        rows = frame[frame["metric"] == metric].copy()
        if len(rows):
            break
    else:
        raise RobobenchError("the frame has no row whose metric is accuracy or error")
    value = rows["value"].astype(float)
    if (value > 1).any() or (value < 0).any():
        raise RobobenchError(
            f"{metric} {value.max():g} in the frame: fractions from 0 to 1 are expected, not percent"
        )
    rows["error"] = 1.0 - value if metric == "accuracy" else value
    for column in ("severity", "level"):
        if column in rows:
            rows[column] = rows[column].astype("Float64").astype(float)
    return rows.dropna(subset=["error"])


def refuse_duplicates(rows: "pd.DataFrame", what: list[str]) -> None:
    """Refuse two rows for one series, seed and cell: averaging would hide the duplicate.

    Args:
        rows: The result of `errors_in`.
        what: Columns that distinguish the cells of a series.

    Raises:
        RobobenchError: There are duplicates; the message says in which columns they differ.
    """
    identity = [c for c in (*SERIES, *what, *_SEEDS) if c in rows]
    twice = rows[rows.duplicated(identity, keep=False)]
    if twice.empty:
        return
    first = twice.iloc[0]
    same = twice[(twice[identity].fillna("") == first[identity].fillna("")).all(axis=1)]
    differ = [c for c in rows if c not in identity and same[c].nunique(dropna=False) > 1]
    named = ", ".join(f"{c} {first[c]}" for c in identity)
    raise RobobenchError(
        f"{len(same)} rows for one cell ({named})"
        + (f", which differ in {', '.join(map(str, differ))}" if differ else "")
        + ": averaging would hide this; keep only one of them in the frame"
    )


def by_corruption(
    rows: "pd.DataFrame",
) -> Iterator[tuple[dict[str, Any], str, "pd.DataFrame"]]:
    """The series' key, corruption and rows of each group, in order of appearance."""
    keys = [k for k in SERIES if k in rows]
    for values, group in rows.groupby([*keys, "corruption"], sort=False, dropna=False):
        yield dict(zip(keys, values[:-1], strict=True)), str(values[-1]), group


def seeds_by_parameter(group: "pd.DataFrame") -> "pd.DataFrame":
    """Errors, one row per seed, one column per ``parameter``; NaN where missing."""
    seeds = [s for s in _SEEDS if s in group]
    group = group.dropna(subset=["parameter"])
    return group.assign(_=0).pivot_table(
        index=[*seeds, "_"], columns="parameter", values="error", aggfunc="mean", dropna=False
    )


def series_name(key: Mapping[str, Any]) -> str:
    """A readable name for a key of `by_corruption`, for messages."""
    return " ".join(str(value) for value in key.values() if value)
