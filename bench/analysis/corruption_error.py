"""Metrics of a whole grid, from the long table: corruption error, mCE, interval mean accuracy.

Everything here takes the long table of `robobench.analysis.long_table.results` or any frame with
its columns, refuses to average over duplicates, and names what is missing instead of averaging over
the rest. Only the seeds of a cell are averaged implicitly.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, TypeVar

from robobench.analysis.frame_errors import (
    SERIES,
    by_corruption,
    errors_in,
    refuse_duplicates,
    seeds_by_parameter,
    series_name,
)
from robobench.analysis.normalizers import COMMON, NORMALIZERS, Normalizer, find_normalizer
from robobench.analysis.statistics import Floats
from robobench.errors import RobobenchError
from robobench.types import CLEAN

if TYPE_CHECKING:
    import pandas as pd

SEVERITIES = (1, 2, 3, 4, 5)

# An error that was measured, or measured and sampled.
_Error = TypeVar("_Error", float, Floats)

_log = logging.getLogger(__name__)


def interval_name(low: float, high: float) -> str:
    """The column name of an interval mean accuracy.

    >>> interval_name(1, 20)
    'Acc(1,20)'
    """
    return f"Acc({low:g},{high:g})"


def spans(values: Iterable[float]) -> str:
    """Integers as readable text, consecutive ones as ranges.

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


def corruption_error(
    errors: _Error,
    reference: float,
    clean: _Error | float = 0.0,
    reference_clean: float = 0.0,
    *,
    unit: float = 1.0,
) -> _Error:
    """CE, or relative CE where clean errors are given (Hendrycks & Dietterich 2019, section 4).

    CE is the sum of the errors over severities divided by the same sum for the normalizer; relative
    CE is the same with each side's clean error subtracted. It is a ratio of sums, not a mean of
    ratios: the two differ by a point or more.

    Args:
        errors: Sum over severities, or mean; the same for the other arguments.
        reference: The normalizer's errors.
        clean: Clean error, multiplied by the number of severities for sums.
        reference_clean: The normalizer's clean error, likewise.
        unit: 1 for a fraction, 100 for percent.
    """
    return unit * (errors - clean) / (reference - reference_clean)


def interval_parameter(
    levels: Sequence[float], severities: Sequence[float], interval: tuple[float, float]
) -> tuple[list[float], list[float]]:
    """Which of two parameters an interval refers to, and which of its values the grid lacks.

    A grid with only severities uses severities. A sweep uses levels; if it also has severities,
    these serve an interval that its levels do not cover.

    Args:
        levels: The native level of each cell.
        severities: The severity of each cell, NaN where it has none.
        interval: Two integers, both included.

    Returns:
        The parameter of each cell, for `inside`, and the integers of the interval that no cell has.
    """
    wanted = range(int(interval[0]), int(interval[1]) + 1)
    by_severity = not any(isnan(s) for s in severities)
    options = [list(severities)] if by_severity else [list(levels), list(severities)]
    lacking = [[float(w) for w in wanted if w not in set(option)] for option in options]
    best = next((i for i, lack in enumerate(lacking) if not lack), 0)
    return options[best], lacking[best]


def inside(interval: tuple[float, float], parameter: float) -> bool:
    """Whether an interval mean includes a parameter: integers, both ends included."""
    low, high = interval
    return low <= parameter <= high and parameter == int(parameter)


def interval_mean_accuracy(
    frame: "pd.DataFrame", intervals: Iterable[tuple[int, int]]
) -> "pd.DataFrame":
    """Plain mean of the accuracies at every integer parameter in each interval.

    Endo et al. 2020, equation 1. The parameter is the native level of a sweep, or the severity
    where the grid has severities.

    Args:
        frame: Long table with ``corruption``, ``metric``, ``value`` (fractions), ``level`` or
            ``severity`` (or both), and whichever of ``dataset``, ``method``, ``backbone``,
            ``trained_on``, ``train_seed`` and ``seed`` exist.
        intervals: Pairs of integers, both ends included: ``[(1, 20), (21, 40)]``.

    Returns:
        One row per (dataset, method, backbone, trained_on, corruption), one column per interval
        (``Acc(1,20)``), fractions. Where a level is missing, the interval is NaN; each such case is
        logged and listed in ``.attrs["missing"]``, naming the levels.

    Raises:
        RobobenchError: A column is missing, an interval is invalid, or a cell occurs twice.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"corruption": "fog", "severity": [1, 2], "value": [0.9, 0.7]})
    >>> interval_mean_accuracy(table.assign(metric="accuracy"), [(1, 2)])["Acc(1,2)"].tolist()
    [0.8]
    """
    import pandas as pd

    wanted = [_interval(i) for i in intervals]
    if "level" not in frame and "severity" not in frame:
        raise RobobenchError("the frame has neither a column level nor severity; one is required")
    rows = errors_in(frame)
    rows = rows[rows["corruption"] != CLEAN]
    for column, other in (("level", "severity"), ("severity", "level")):
        if column not in rows:  # without levels, the severities serve as levels
            rows[column] = rows[other] if column == "level" else float("nan")
    refuse_duplicates(rows, ["corruption", "level"])
    found, missing = [], []
    for key, corruption, group in by_corruption(rows):
        entry: dict[str, Any] = {**key, "corruption": corruption}
        for low, high in wanted:
            parameter, lacking = interval_parameter(
                group["level"].tolist(), group["severity"].tolist(), (low, high)
            )
            table = seeds_by_parameter(group.assign(parameter=parameter))
            counted = table[[c for c in table.columns if inside((low, high), float(c))]]
            lacking += [float(c) for c in counted.columns if counted[c].isna().any()]
            name = interval_name(low, high)
            entry[name] = float("nan") if lacking else 1.0 - float(counted.to_numpy().mean())
            if lacking:
                missing.append(f"{name} of {series_name(key)} {corruption}: no {spans(lacking)}")
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
    """Corruption error (CE) and relative CE of each corruption, in percent; see `corruption_error`.

    Args:
        frame: Long table; see `mce`.
        normalizer: Name of published errors (``alexnet``), or of a method in the frame.
        corruptions: Which corruptions.

    Returns:
        One row per series and corruption: ``ce`` and ``relative_ce``, NaN where the grid is
        incomplete; ``missing`` says why.

    Raises:
        RobobenchError: See `mce`.
    """
    import pandas as pd

    if "severity" not in frame:
        raise RobobenchError("the frame has no column severity, over which corruption errors sum")
    rows = errors_in(frame)
    rows = rows[rows["severity"].isin(SEVERITIES) | (rows["corruption"] == CLEAN)]
    rows.loc[rows["corruption"] == CLEAN, "severity"] = 0
    refuse_duplicates(rows, ["corruption", "severity"])
    keys = [k for k in SERIES if k in rows]
    sums: dict[tuple[Any, ...], dict[str, float]] = {}
    gaps: dict[tuple[Any, ...], dict[str, str]] = {}
    for key, corruption, group in by_corruption(rows):
        table = seeds_by_parameter(group.assign(parameter=group["severity"]))
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
    """Mean corruption error (mCE) over the 15 common corruptions, and relative mCE, in percent.

    Args:
        frame: Long table with ``method``, ``corruption`` (``clean`` too), ``severity``, ``metric``
            (``accuracy`` or ``error``) and ``value`` (a fraction); ``dataset``, ``backbone``,
            ``trained_on`` and seeds are used where present. Rows of other corruptions and rows
            without a severity are ignored.
        normalizer: Name of published errors, or of a method in the frame.

    Returns:
        One row per (dataset, method, backbone, trained_on) with the columns ``mce``,
        ``relative_mce`` and ``normalizer``. A row whose grid is incomplete is NaN; what it lacks is
        logged and listed in ``.attrs["missing"]``. With a column ``dataset``, the column ``images``
        says whether they are the *official* files or *regenerated* here.

    Raises:
        RobobenchError: No row is complete (the message names what is missing), the data set has no
            such normalizer, a column is missing, or a cell occurs twice.

    >>> import pandas as pd
    >>> grid = [(c, s) for c in COMMON for s in SEVERITIES] + [("clean", 0)]
    >>> table = pd.DataFrame(grid, columns=["corruption", "severity"])
    >>> worst = table.assign(method="mine", metric="error", value=0.5)
    >>> f"{mce(worst)['mce'].item():.1f}"  # in percent of AlexNet's errors
    '64.7'
    """
    import pandas as pd

    errors = corruption_errors(frame, normalizer)
    keys = [k for k in SERIES if k in errors]
    found, missing = [], []
    # A frame of one unnamed series has no key to group by.
    groups = errors.groupby(keys, sort=False, dropna=False) if keys else [((), errors)]
    for series, group in groups:
        key = dict(zip(keys, series, strict=True))
        # skipna=False: a mean over fewer than 15 is not an mCE
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
            missing.append(f"{series_name(key)}: {'; '.join(lack)}".removeprefix(": "))
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
    sums = own[corruption], reference[corruption]
    entry: dict[str, Any] = {"ce": corruption_error(*sums, unit=100), "missing": ""}
    if CLEAN not in own or CLEAN not in reference:
        return {**entry, "missing": "relative mCE needs the clean images"}
    clean = len(SEVERITIES) * own[CLEAN], len(SEVERITIES) * reference[CLEAN]
    if reference[corruption] == clean[1]:
        return {**entry, "missing": f"{normalizer} loses nothing on {corruption}"}
    return {**entry, "relative_ce": corruption_error(*sums, *clean, unit=100)}


def _reference(
    key: Mapping[str, Any],
    sums: Mapping[tuple[Any, ...], Mapping[str, float]],
    normalizer: str,
    profile: str | None,
) -> tuple[Mapping[str, float] | None, str]:
    """The normalizer's sums for a series, or None, and the reason if None."""
    if normalizer in NORMALIZERS:
        return published_errors(find_normalizer(normalizer), key.get("dataset"), profile)
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
        return None, f"several rows are called {normalizer}: keep only one of them in the frame"
    if not any(other[names.index("method")] == normalizer for other in sums):
        find_normalizer(normalizer)  # raises, with what is known
    return None, f"{normalizer} was not evaluated on {key.get('dataset', 'it')}"


def published_errors(
    normalizer: Normalizer, dataset: str | None, profile: str | None
) -> tuple[Mapping[str, float] | None, str]:
    """The published errors that a data set's errors are divided by: sums by corruption, and clean.

    Args:
        normalizer: Published errors.
        dataset: Name, or None where it is unknown.
        profile: Severity table of the run, or None.

    Returns:
        The errors, or None where they are for other images; and the reason if None.
    """
    if dataset is not None and dataset not in normalizer.datasets:
        return None, (
            f"{dataset} has no published {normalizer.name} errors (they are for "
            f"{' and '.join(normalizer.datasets)}): use a method of the run as normalizer, such as "
            "org, or report the mean corruption accuracy"
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
            f"interval {interval}: two integers are expected, the smaller first, as in (1, 20)"
        )
    return int(low), int(high)
