"""The tables of a report as data: CSV, JSON and Parquet, with the same columns."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from robobench.reports import tables
from robobench.reports.blocks import Table, name_in_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def files_of(found: Iterable[Table], form: str) -> dict[str, bytes]:
    """Every table and each of its views as a file.

    Args:
        found: The tables.
        form: One of `WRITTEN`.
    """
    files = {}
    for table in found:
        files[f"tables/{table.name}.{form}"] = WRITTEN[form](table)
        for view, frame in table.views.items():
            name = f"{table.name}.{name_in_files(view)}"
            files[f"tables/{name}.{form}"] = WRITTEN[form](replace(table, frame=frame))
    return files


def as_csv(table: Table) -> bytes:
    """See `robobench.reports.tables.to_csv`."""
    return tables.to_csv(table).encode()


def as_json(table: Table) -> bytes:
    """Name, caption, notes, columns and rows (an object for each); null for a dash."""
    frame = tables.data(table)
    rows = json.loads(frame.to_json(orient="records", double_precision=15))
    told = {
        "name": table.name,
        "caption": table.caption,
        "notes": [f"({sign}) {note}" if sign else note for sign, note in tables.footnotes(table)],
        "columns": list(frame.columns),
        "rows": rows,
    }
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()


def as_parquet(table: Table) -> bytes:
    """The rows; a column with both numbers and text is text."""
    frame = tables.data(table)
    buffer = io.BytesIO()
    pd.DataFrame({name: _of_one_type(frame[name]) for name in frame}).to_parquet(
        buffer, index=False
    )
    return buffer.getvalue()


def _of_one_type(column: pd.Series) -> pd.Series:
    known = column.dropna()
    if not any(isinstance(value, str) for value in known):
        return pd.to_numeric(column)
    return column.map(lambda value: None if pd.isna(value) else str(value)).astype(object)


WRITTEN: Mapping[str, Callable[[Table], bytes]] = {
    "csv": as_csv,
    "json": as_json,
    "parquet": as_parquet,
}
