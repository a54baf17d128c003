"""The tables of a report as data: JSON and Parquet, the same columns as in CSV."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pandas as pd

from robobench.reports import tables

if TYPE_CHECKING:
    from robobench.reports.blocks import Table


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
