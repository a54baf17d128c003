"""Published accuracies as a baseline: a table in the columns of a run's results.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robobench.checking.baseline import freeze_published
from robobench.errors import RobobenchError

_NEEDED = ("dataset", "method", "corruption", "level", "n")
_FURTHER = ("split", "backbone", "trained_on", "profile", "train_seed", "seed")
_NUMBERS = ("train_seed", "seed")


def published_baseline(table: Path) -> bytes:
    """The content of a baseline file made from a table of accuracies.

    Args:
        table: CSV with the columns ``dataset``, ``method``, ``corruption``, ``level`` (0 for ``clean``, the
            severity where a corruption has no unit of its own), ``n`` (number of images) and
            ``accuracy``, a fraction; or ``metric`` and ``value`` as in ``results.csv``, of which the rows
            of ``accuracy`` are taken. Further columns that are used where they are there: ``split``,
            ``backbone``, ``trained_on``, ``profile``, ``train_seed``, ``seed``.

    Raises:
        RobobenchError: The file cannot be read, lacks a column, has no row, or a value is none.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise RobobenchError(f"{table} is not a table of accuracies as CSV: {reason}") from error
    if "metric" in frame and "value" in frame:
        frame = frame[frame["metric"] == "accuracy"].rename(columns={"value": "accuracy"})
    lacking = [name for name in (*_NEEDED, "accuracy") if name not in frame]
    if lacking:
        raise RobobenchError(
            f"{table} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}: those of a "
            "run's results.csv are expected, with an accuracy and its number of images n in each row"
        )
    if frame.empty:
        raise RobobenchError(f"{table} has no accuracies: one in each row is expected")
    names = [name for name in (*_NEEDED[:-1], *_FURTHER) if name in frame]
    cells = [
        _cell(row, names, f"{table}, row {place}")
        for place, row in enumerate(frame.to_dict("records"), 1)
    ]
    seen: set[tuple[Any, ...]] = set()
    for place, cell in enumerate(cells, 1):
        key = tuple(cell[name] for name in names)
        if key in seen:
            raise RobobenchError(
                f"{table}, row {place}: there is another accuracy of the same cell"
            )
        seen.add(key)
    dataset = {
        own: _only(cells, name, table)
        for own, name in (("name", "dataset"), ("split", "split"))
        if name in names
    }
    return freeze_published(cells, dataset)


def _cell(row: Mapping[Any, str], names: list[str], where: str) -> dict[str, Any]:
    """What is known of a cell, with its numbers of images."""
    count = _number(row["n"], "n", where)
    accuracy = _number(row["accuracy"], "accuracy", where)
    if count < 1 or count % 1:
        raise RobobenchError(
            f"{where}: n {row['n']}: a number of images is expected, such as 10000"
        )
    if not 0 <= accuracy <= 1:
        raise RobobenchError(
            f"{where}: accuracy {row['accuracy']}: a fraction from 0 to 1 is expected, such as 0.761"
        )
    known: dict[str, Any] = {name: row[name] for name in names}
    known["level"] = _number(row["level"], "level", where)
    for name in _NUMBERS:
        if name in known:
            known[name] = int(_number(row[name], name, where))
    return {**known, "count": int(count), "right": round(accuracy * count)}


def _number(text: str, column: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RobobenchError(f"{where}: {column} {text!r}: a number is expected")
    return value


def _only(cells: list[dict[str, Any]], name: str, table: Path) -> str:
    values = sorted({cell[name] for cell in cells})
    if len(values) > 1:
        raise RobobenchError(
            f"{table} has several of {name}: {', '.join(values)}; a baseline is of one, so make a "
            "table of each"
        )
    return str(values[0])
