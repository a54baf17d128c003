"""Tables in HTML: bars and intervals in their cells, and what a page's script filters and sorts by."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from robobench.reports import markup
from robobench.reports.blocks import Table, Unit, Value
from robobench.reports.tables import Layout, TableCell, html_cell, lay_out

_WITH_BARS: tuple[Unit, ...] = ("percent", "points")
_BREAK = re.compile(r"(?<=\w[@_])(?=\w)")
_THINNEST = 1.0  # percent of the axis: a shorter interval would vanish


def to_html(table: Table) -> str:
    """A ``<table>`` without its own styling; a bar from zero and the interval in each cell.

    Cells that the tests separate from the reference have the class ``better`` or ``worse``, headings
    of corruptions carry ``data-group``, cells with a bar the custom properties ``--from``,
    ``--to``, ``--low`` and ``--high`` in percent of their axis.
    """
    laid = lay_out(table)
    axes = _axes(laid)
    width = len(laid.corner)

    def heading(text: str, scope: str) -> str:
        group = table.groups.get(text)
        of = f' data-group="{html.escape(group)}"' if group else ""
        return f'<th scope="{scope}"{of}>{_breakable(text)}</th>'

    head = [heading(name, "col") for name in (*laid.corner, *laid.columns)]
    lines = [
        [
            *(heading(name, "row") for name in laid.headings(line)),
            *(_cell(cell, axis) for cell, axis in zip(line.cells, axes, strict=True)),
        ]
        for line in laid.lines
    ]
    header = f"<thead>\n<tr>{''.join(head)}</tr>\n</thead>\n" if laid.headed else ""
    body = "".join(f"<tr>{''.join(line)}</tr>\n" for line in lines)
    kind = "results wraps" if table.wraps else "results"
    heads = f' data-heads="{width}"' if width > 1 else ""
    return f'<table class="{kind}"{heads}>\n{header}<tbody>\n{body}</tbody>\n</table>\n'


def is_judged(table: Table) -> bool:
    """Whether colours say of any cell that the tests separate it from the reference."""
    columns = (column for _, column in table.frame.items())
    return any(isinstance(cell, Value) and cell.against for column in columns for cell in column)


def _breakable(text: str) -> str:
    """A heading that may go on in the next line after ``@`` and ``_``."""
    return _BREAK.sub("<wbr>", markup.html(text))


def views_json(table: Table) -> str:
    """The other views of a table for the page's script: name, then rows of [text, low, high]."""
    shown = {
        name: [
            [[cell.text, *_ends(cell)] for cell in line.cells]
            for line in lay_out(Table(table.name, "", frame)).lines
        ]
        for name, frame in table.views.items()
    }
    return markup.script_json(shown)


def _ends(cell: TableCell) -> list[str]:
    return [cell.interval("{}"), cell.interval("{1}")] if cell.interval() else []


def _axes(laid: Layout) -> list[tuple[float, float] | None]:
    """The axis of the bars of each column: from the lowest to the highest end, with zero in it.

    Differences share one axis in the whole table; shares reach to 100 % at least.
    """
    columns = [
        [line.cells[place].value for line in laid.lines] for place in range(len(laid.columns))
    ]
    drawn = [[v for v in column if v is not None and _has_bar(v)] for column in columns]
    points = [v for column in drawn for v in column if v.unit == "points"]
    found: list[tuple[float, float] | None] = []
    for column, kind in zip(drawn, laid.kinds, strict=True):
        if kind != "interval" or not column:
            found.append(None)
        elif column[0].unit == "points":
            found.append(_span(points, least=0.0))
        else:
            found.append(_span(column, least=1.0))
    return found


def _has_bar(value: Value) -> bool:
    return value.unit in _WITH_BARS and not value.missing


def _span(values: Sequence[Value], least: float) -> tuple[float, float]:
    ends = [end for v in values for end in (v.ends or (v.value or 0.0,))]
    low, high = min(0.0, *ends), max(least, *ends)
    return low, high if high > low else low + 1.0


def _cell(cell: TableCell, axis: tuple[float, float] | None) -> str:
    bar, value = "", cell.value
    if axis is not None and value is not None and value.value is not None and _has_bar(value):
        start, end = axis

        def place(number: float) -> float:
            return 100 * (min(max(number, start), end) - start) / (end - start)

        zero, at = place(0.0), place(value.value)
        sides = {"from": min(zero, at), "to": max(zero, at)}
        if value.ends:
            low, high = map(place, value.ends)
            thin = max(0.0, _THINNEST - (high - low)) / 2
            sides |= {"low": low - thin, "high": high + thin}
        told = ";".join(f"--{name}:{side:.3g}" for name, side in sides.items())
        bar = f'<i style="{told}"></i>'
    judged = f' class="{value.against}"' if value is not None and value.against else ""
    return f"<td{judged}>{html_cell(cell)}{bar}</td>"
