"""Numbers of a whole grid: corruption error, mCE and interval mean accuracy, from the long table.

Everything here takes the long table of `robobench.analysis.long_table.results` or any frame with
its columns, refuses to average over duplicates, and names what is missing instead of averaging over
the rest. Several seeds of one cell are averaged; that is the only average that nobody asked for.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from robobench.analysis.normalizers import COMMON, NORMALIZERS, Normalizer, find_normalizer
from robobench.errors import RobobenchError
from robobench.types import CLEAN

if TYPE_CHECKING:
    import pandas as pd

SEVERITIES = (1, 2, 3, 4, 5)
SERIES = ("dataset", "method", "backbone", "trained_on")
_SEEDS = ("train_seed", "seed")

_log = logging.getLogger(__name__)


def interval_name(low: float, high: float) -> str:
    """The column of an interval mean accuracy.

    >>> interval_name(1, 20)
    'Acc(1,20)'
    """
    return f"Acc({low:g},{high:g})"


def spans(values: Iterable[float]) -> str:
    """Whole numbers as people write them, runs joined.

    >>> spans([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    runs: list[tuple[float, float]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return ", ".join(f"{a:g}" if a == b else f"{a:g}-{b:g}" for a, b in runs)


def interval_parameter(
    levels: Sequence[float], severities: Sequence[float], interval: tuple[float, float]
) -> tuple[list[float], list[float]]:
    """Which of two parameters an interval counts, and what the grid lacks of it.

    A grid that has only severities counts severities. A sweep counts levels; where it holds
    severities beside them, those serve an interval that its levels do not cover.

    Args:
        levels: Native level of each cell.
        severities: Severity of each cell, NaN where it has none.
        interval: Whole numbers, both ends included.

    Returns:
        The parameter of each cell, and the whole numbers of the interval that no cell has.
    """
    wanted = range(int(interval[0]), int(interval[1]) + 1)
    by_severity = not any(isnan(s) for s in severities)
    options = [list(severities)] if by_severity else [list(levels), list(severities)]
    lacking = [[float(w) for w in wanted if w not in set(option)] for option in options]
    best = next((i for i, lack in enumerate(lacking) if not lack), 0)
    return options[best], lacking[best]


def interval_mean_accuracy(
    frame: "pd.DataFrame", intervals: Iterable[tuple[int, int]]
) -> "pd.DataFrame":
    """Plain mean of the accuracies at every whole parameter in each interval.

    Endo et al. 2020, equation 1. The parameter is the native level of a sweep, or the severity
    where the grid has severities.

    Args:
        frame: Long table with ``corruption``, ``metric``, ``value`` (fractions), ``level`` or
            ``severity`` (or both), and whatever of ``dataset``, ``method``, ``backbone``,
            ``trained_on``, ``train_seed`` and ``seed`` there is.
        intervals: Pairs of whole numbers, both ends included: ``[(1, 20), (21, 40)]``.

    Returns:
        One row a (dataset, method, backbone, trained_on, corruption), one column an interval
        (``Acc(1,20)``), fractions. Where a level is missing the interval is NaN; each such case is
        logged and stands in ``.attrs["missing"]``, naming the levels.

    Raises:
        RobobenchError: A column is missing, an interval is not one, or one cell is there twice.
    """
    import pandas as pd

    wanted = [_interval(i) for i in intervals]
    if "level" not in frame and "severity" not in frame:
        raise RobobenchError("the frame has neither a column level nor severity: one is needed")
    rows = _errors(frame)
    rows = rows[rows["corruption"] != CLEAN]
    for column, other in (("level", "severity"), ("severity", "level")):
        if column not in rows:  # a frame with severities only has them as its levels
            rows[column] = rows[other] if column == "level" else float("nan")
    _refuse_duplicates(rows, ["corruption", "level"])
    found, missing = [], []
    for key, corruption, group in _by_corruption(rows):
        entry: dict[str, Any] = {**key, "corruption": corruption}
        for low, high in wanted:
            parameter, lacking = interval_parameter(
                group["level"].tolist(), group["severity"].tolist(), (low, high)
            )
            table = _seeds_by_parameter(group.assign(parameter=parameter))
            found_at = [float(c) for c in table.columns]
            inside = table[[c for c in found_at if low <= c <= high and c == int(c)]]
            lacking += [float(c) for c in inside.columns if inside[c].isna().any()]
            name = interval_name(low, high)
            entry[name] = float("nan") if lacking else 1.0 - float(inside.to_numpy().mean())
            if lacking:
                missing.append(f"{name} of {_named(key)} {corruption}: no {spans(lacking)}")
        found.append(entry)
    keys = [k for k in SERIES if k in rows]
    names = [interval_name(*i) for i in wanted]
    result = pd.DataFrame(found, columns=[*keys, "corruption", *names])
    result.attrs["missing"] = missing
    for text in missing:
        _log.warning("left blank: %s", text)
    return result


def corruption_errors(
    frame: "pd.DataFrame",
    normalizer: str = "alexnet",
    corruptions: Sequence[str] = COMMON,
) -> "pd.DataFrame":
    """Corruption error (CE) and relative CE of each corruption, in percent.

    CE = sum over severities of the error / the same sum of the normaliser, and relative CE the same
    with each side's clean error subtracted (Hendrycks & Dietterich 2019, section 4). A ratio of
    sums, not a mean of ratios: those differ by a point and more.

    Args:
        frame: Long table; see `mce`.
        normalizer: Name of published errors (``alexnet``), or of a method in the frame.
        corruptions: Which.

    Returns:
        One row a series and corruption: ``ce`` and ``relative_ce``, NaN where the grid lacks
        something; ``missing`` says what.

    Raises:
        RobobenchError: See `mce`.
    """
    import pandas as pd

    if "severity" not in frame:
        raise RobobenchError("the frame has no column severity, which a corruption error sums over")
    rows = _errors(frame)
    rows = rows[rows["severity"].isin(SEVERITIES) | (rows["corruption"] == CLEAN)]
    rows.loc[rows["corruption"] == CLEAN, "severity"] = 0
    _refuse_duplicates(rows, ["corruption", "severity"])
    keys = [k for k in SERIES if k in rows]
    sums: dict[tuple[Any, ...], dict[str, float]] = {}
    gaps: dict[tuple[Any, ...], dict[str, str]] = {}
    for key, corruption, group in _by_corruption(rows):
        table = _seeds_by_parameter(group.assign(parameter=group["severity"]))
        wanted = [0.0] if corruption == CLEAN else [float(s) for s in SEVERITIES]
        lacking = [s for s in wanted if s not in table or table[s].isna().any()]
        series = tuple(key.values())
        if lacking:
            gaps.setdefault(series, {})[corruption] = f"{corruption} {spans(lacking)}"
        else:
            sums.setdefault(series, {})[corruption] = float(table[wanted].mean().sum())
        sums.setdefault(series, {})
    result = []
    for series, own in sums.items():
        key = dict(zip(keys, series, strict=True))
        reference, why = _reference(key, sums, normalizer, frame.attrs.get("profile"))
        for corruption in corruptions:
            entry: dict[str, Any] = {**key, "corruption": corruption, "missing": why}
            entry |= {"ce": float("nan"), "relative_ce": float("nan")}
            if reference is not None:
                lack = gaps.get(series, {}).get(corruption, corruption)
                entry |= _ratio(own, reference, corruption, lack, normalizer)
            result.append(entry)
    return pd.DataFrame(result, columns=[*keys, "corruption", "ce", "relative_ce", "missing"])


def mce(frame: "pd.DataFrame", normalizer: str = "alexnet") -> "pd.DataFrame":
    """Mean corruption error over the 15 common corruptions, and the relative one, in percent.

    Args:
        frame: Long table with ``method``, ``corruption`` (``clean`` too), ``severity``, ``metric``
            (``accuracy`` or ``error``) and ``value`` (a fraction); ``dataset``, ``backbone``,
            ``trained_on`` and seeds are taken into account where there are any. Rows of other
            corruptions and without a severity are passed over.
        normalizer: Name of published errors, or of a method in the frame.

    Returns:
        One row a (dataset, method, backbone, trained_on) with the columns ``mce`` and
        ``relative_mce``, and ``normalizer``. A row whose grid is incomplete is NaN; what it lacks
        is logged and stands in ``.attrs["missing"]``. With a column ``dataset`` the column
        ``images`` says whether they are *official* files or *regenerated* here.

    Raises:
        RobobenchError: Not one row is complete (the message names what is missing), the data set
            has no such normaliser, a column is missing, or one cell is there twice.
    """
    import pandas as pd

    errors = corruption_errors(frame, normalizer)
    keys = [k for k in SERIES if k in errors]
    found, missing = [], []
    # A frame of one unnamed series has no key to group by.
    groups = errors.groupby(keys, sort=False, dropna=False) if keys else [((), errors)]
    for series, group in groups:
        key = dict(zip(keys, series, strict=True))
        # skipna=False: a mean over fewer than 15 is no mCE
        row = {
            **key,
            "mce": group["ce"].mean(skipna=False),
            "relative_mce": group["relative_ce"].mean(skipna=False),
            "normalizer": normalizer,
        }
        if "dataset" in key:
            row["images"] = "official" if str(key["dataset"]).endswith("-c") else "regenerated"
        found.append(row)
        lack = list(dict.fromkeys(m for m in group["missing"] if m))
        if lack:
            missing.append(f"{_named(key)}: {'; '.join(lack)}".removeprefix(": "))
    result = pd.DataFrame(found)
    if result.empty or result["mce"].isna().all():
        raise RobobenchError(
            f"no mCE: {' | '.join(missing[:3]) or 'the frame is empty'}; it is the mean over the 15 "
            "common corruptions at severities 1 to 5 (--corruptions common)"
        )
    result.attrs["missing"] = missing
    for text in missing:
        _log.warning("mCE incomplete: %s", text)
    return result


def _ratio(
    own: Mapping[str, float],
    reference: Mapping[str, float],
    corruption: str,
    lack: str,
    normalizer: str,
) -> dict[str, Any]:
    """CE and relative CE of one corruption from sums over five severities, or what is missing."""
    if corruption not in own:
        return {"missing": f"missing {lack}"}
    if corruption not in reference:
        return {"missing": f"{normalizer} has no {corruption}"}
    if not reference[corruption]:
        return {"missing": f"{normalizer} makes no error on {corruption}"}
    entry: dict[str, Any] = {"ce": 100 * own[corruption] / reference[corruption], "missing": ""}
    if CLEAN not in own or CLEAN not in reference:
        return {**entry, "missing": "relative mCE needs the clean images"}
    loss = reference[corruption] - len(SEVERITIES) * reference[CLEAN]
    if not loss:
        return {**entry, "missing": f"{normalizer} loses nothing on {corruption}"}
    return {**entry, "relative_ce": 100 * (own[corruption] - 5 * own[CLEAN]) / loss}


def _reference(
    key: Mapping[str, Any],
    sums: Mapping[tuple[Any, ...], Mapping[str, float]],
    normalizer: str,
    profile: str | None,
) -> tuple[Mapping[str, float] | None, str]:
    """The normaliser's sums for a series, or None and why there are none."""
    if normalizer in NORMALIZERS:
        return _published(find_normalizer(normalizer), key.get("dataset"), profile)
    names = list(key)
    if "method" not in names:
        find_normalizer(normalizer)
    same = [
        (other, values)
        for other, values in sums.items()
        if other[names.index("method")] == normalizer
        and all(other[names.index(k)] == key[k] for k in ("dataset",) if k in key)
    ]
    own_backbone = [
        (other, values)
        for other, values in same
        if "backbone" not in key or other[names.index("backbone")] == key["backbone"]
    ]
    candidates = own_backbone or same
    if len(candidates) == 1:
        return candidates[0][1], ""
    if candidates:
        return None, f"several rows are called {normalizer}: leave one of them in the frame"
    if not any(other[names.index("method")] == normalizer for other in sums):
        find_normalizer(normalizer)  # raises, with what is known
    return None, f"{normalizer} was not evaluated on {key.get('dataset', 'it')}"


def _published(
    normalizer: Normalizer, dataset: str | None, profile: str | None
) -> tuple[Mapping[str, float] | None, str]:
    if dataset is not None and dataset not in normalizer.datasets:
        return None, (
            f"{dataset} has no published {normalizer.name} errors (they are for "
            f"{' and '.join(normalizer.datasets)}): take a method of the run as normalizer, such as "
            "org, or the mean corruption accuracy"
        )
    if dataset is not None and profile and profile.partition("+")[0] != normalizer.profile:
        return None, (
            f"the {normalizer.name} errors are for profile {normalizer.profile}, not {profile}"
        )
    sums = {corruption: normalizer.total(corruption) for corruption in normalizer.errors}
    return {**sums, CLEAN: normalizer.clean_error}, ""


def _interval(interval: tuple[int, int]) -> tuple[int, int]:
    low, high = interval
    if low != int(low) or high != int(high) or low > high:
        raise RobobenchError(
            f"interval {interval}: two whole numbers are expected, the smaller first, as in (1, 20)"
        )
    return int(low), int(high)


def _errors(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A copy of the frame's rows of accuracy or error, with the errors as column ``error``."""
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


def _refuse_duplicates(rows: "pd.DataFrame", what: list[str]) -> None:
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
        + ": averaging over them would hide it; leave one of them in the frame"
    )


def _by_corruption(
    rows: "pd.DataFrame",
) -> Iterator[tuple[dict[str, Any], str, "pd.DataFrame"]]:
    """Series (what identifies it), corruption and rows, in order of appearance."""
    keys = [k for k in SERIES if k in rows]
    for values, group in rows.groupby([*keys, "corruption"], sort=False, dropna=False):
        yield dict(zip(keys, values[:-1], strict=True)), str(values[-1]), group


def _seeds_by_parameter(group: "pd.DataFrame") -> "pd.DataFrame":
    """Errors, a row for each seed, a column for each ``parameter``; NaN where there is none."""
    seeds = [s for s in _SEEDS if s in group]
    group = group.dropna(subset=["parameter"])
    return group.assign(_=0).pivot_table(
        index=[*seeds, "_"], columns="parameter", values="error", aggfunc="mean", dropna=False
    )


def _named(key: Mapping[str, Any]) -> str:
    return " ".join(str(value) for value in key.values() if value)
