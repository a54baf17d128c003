"""A table in each format: HTML and LaTeX by pandas' Styler, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from robobench.reports import markup
from robobench.reports.blocks import Table, Value, raw

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def reasons(table: Table) -> dict[str, str]:
    """The reasons of the dashes in a table, each with the letter that stands at the dash."""
    cells = (cell for _, column in table.frame.items() for cell in column)
    found = dict.fromkeys(c.why for c in cells if isinstance(c, Value) and c.missing and c.why)
    return {why: _LETTERS[place % 26] * (1 + place // 26) for place, why in enumerate(found)}


def footnotes(table: Table) -> list[tuple[str, str]]:
    """All that stands under a table: (sign, text), the sign empty for its own notes."""
    return [(sign, f"{why}.") for why, sign in reasons(table).items()] + [
        ("", note) for note in table.notes
    ]


def to_html(table: Table) -> str:
    """A ``<table>``, without style of its own."""
    signs = reasons(table)

    def shown(cell: Any) -> str:
        if not isinstance(cell, Value):
            return markup.html(str(cell))
        if cell.missing:
            sign = signs.get(cell.why)
            return f"{cell.text}<sup>{sign}</sup>" if sign else cell.text
        number = f"<strong>{cell.text}</strong>" if cell.bold else cell.text
        return f"{number}<small>{cell.interval}</small>" if cell.interval else number

    text: str = _styler(table, shown, markup.html).to_html(exclude_styles=True)
    kind = "results wraps" if table.wraps else "results"
    return text.replace("<table>", f'<table class="{kind}">', 1)


def to_latex(table: Table) -> str:
    """A ``tabular`` that needs ``booktabs`` and nothing else (``array`` where text wraps)."""
    signs = reasons(table)
    text = markup.latex_breakable if table.wraps else markup.latex_plain

    def shown(cell: Any) -> str:
        if not isinstance(cell, Value):
            return text(str(cell))
        number = markup.latex_plain(cell.text)
        if cell.missing:
            sign = signs.get(cell.why)
            return rf"{number}\textsuperscript{{{sign}}}" if sign else number
        if cell.bold:
            number = rf"\textbf{{{number}}}"
        if not cell.interval:
            return number
        interval = cell.interval.replace("\N{MINUS SIGN}", "$-$")
        stacked = rf"{number}\\[-2pt]{{\scriptsize {interval}}}"
        return rf"\begin{{tabular}}[t]{{@{{}}c@{{}}}}{stacked}\end{{tabular}}"

    styler = _styler(table, shown, markup.latex_plain)
    body: str = styler.to_latex(column_format=_alignment(table), hrules=True)
    return body if _headed(table) else body.replace("\\midrule\n", "", 1)


def _alignment(table: Table) -> str:
    letters = ["l"] * table.frame.index.nlevels
    for place, (_, column) in enumerate(table.frame.items()):
        values = [cell for cell in column if isinstance(cell, Value)]
        if not values:
            wrapped = table.wraps and place == len(table.frame.columns) - 1
            width = 0.74 if len(table.frame.columns) == 1 else 0.48
            letters.append(
                rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}" if wrapped else "l"
            )
        else:
            letters.append("c" if any(value.interval for value in values) else "r")
    return "".join(letters)


def _styler(table: Table, cell: Callable[[Any], str], head: Callable[[str], str]) -> Any:
    """A Styler whose headings and cells are formatted, its top left corner too."""
    frame = table.frame.copy()
    frame.columns.name = head(str(frame.columns.name or ""))

    def heading(label: Any) -> str:
        return head(str(label))

    styler = frame.style.format(cell)
    styler.format_index(heading, axis=0)
    styler.format_index(heading, axis=1)
    return styler if _headed(table) else styler.hide(axis="columns")


def _headed(table: Table) -> bool:
    """Whether any column has a name: a list of facts needs no header."""
    return any(str(name) for name in table.frame.columns)


def to_markdown(table: Table) -> str:
    """A table of GitHub's Markdown, intervals beside their numbers."""
    signs = reasons(table)

    def shown(cell: Any) -> str:
        if not isinstance(cell, Value):
            return markup.markdown_plain(str(cell))
        if cell.missing:
            return f"{cell.text} ({signs[cell.why]})" if cell.why in signs else cell.text
        number = f"**{cell.text}**" if cell.bold else cell.text
        return f"{number} {markup.markdown_plain(cell.interval)}".rstrip()

    frame = table.frame
    head = [str(frame.columns.name or ""), *map(str, frame.columns)]
    numeric = [any(isinstance(cell, Value) for cell in column) for _, column in frame.items()]
    rule = ["---", *("---:" if number else "---" for number in numeric)]
    lines = [[markup.markdown_plain(name) for name in head], rule]
    for label, row in zip(frame.index, frame.itertuples(index=False), strict=True):
        lines.append([markup.markdown_plain(str(label)), *map(shown, row)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_csv(table: Table) -> str:
    """The unrounded numbers, fractions, each interval in two columns beside its value."""
    columns: dict[str, Any] = {}
    for name, column in table.frame.items():
        columns[str(name)] = [raw(cell) for cell in column]
        values = [cell for cell in column if isinstance(cell, Value)]
        if any(value.interval for value in values):
            for end in ("low", "high"):
                columns[f"{name}_{end}"] = [getattr(cell, end, None) for cell in column]
    frame = pd.DataFrame(columns, index=table.frame.index)
    label = str(table.frame.columns.name or "")
    text: str = frame.to_csv(index_label=label, float_format="%.6g", lineterminator="\n")
    return text
