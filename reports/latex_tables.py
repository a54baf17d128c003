r"""Tables and figures as LaTeX floats that can be ``\input`` alone, with caption, label and notes.

A table needs booktabs, siunitx and threeparttable, and is set at 8 pt as `latex_layout` decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robobench.reports import markup
from robobench.reports.blocks import Table
from robobench.reports.latex_layout import (
    NARROWEST,
    SEPARATION,
    SMALL,
    Column,
    Fit,
    NumberForm,
    Piece,
    fit,
    is_number,
    number_of,
    shown_interval,
    stacked,
    text_width,
)
from robobench.reports.style import TALLEST
from robobench.reports.tables import Layout, Line, TableCell, footnotes, lay_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robobench.reports.blocks import Gallery, Plot
    from robobench.reports.paper_styles import PaperStyle

_OF_INTERVALS = re.compile(r",?(?: with)? 95 % intervals")
_ON_INTERVALS = ("Brackets: ", "Intervals: ")
_SETTINGS = (
    "\\centering\\fontsize{8}{9.5}\\selectfont\n"
    f"\\setlength{{\\tabcolsep}}{{{SEPARATION:g}pt}}\n"
    "\\sisetup{mode=text,detect-weight=true,retain-explicit-plus=true}\n"
    "\\providecommand\\robobenchsmall[1]{{\\fontsize{6}{7}\\mdseries\\selectfont #1}}\n"
)


def to_latex(table: Table, paper: PaperStyle, *, intervals: bool = True) -> str:
    r"""A table as one float, or as several where it is longer than a page or wider.

    Args:
        table: The table.
        paper: What it has to fit.
        intervals: Whether the intervals are shown.
    """
    if not intervals:
        table = _without_intervals(table)
    laid = lay_out(table)
    notes = footnotes(table)
    told = [table.caption, *(text for _, text in notes)]
    found = fit(laid, paper, told, intervals=intervals)
    turned = _turned(table, laid)
    if turned is not None and len(found.parts[0][0].columns) <= len(laid.columns):
        other = fit(turned, paper, told, intervals=intervals)
        if _tabulars(other) < _tabulars(found):
            laid, found = turned, other
    if found.form == "half":
        notes = _of_half_widths(notes)
    parts = [_float(table, laid, found, place, paper, notes) for place in range(len(found.parts))]
    return _needs(table, laid, found) + "\n".join(parts)


def _without_intervals(table: Table) -> Table:
    """A table whose caption and notes do not speak of intervals, for one that shows none."""
    return replace(
        table,
        caption=_OF_INTERVALS.sub("", table.caption),
        notes=tuple(note for note in table.notes if not note.startswith(_ON_INTERVALS)),
    )


def _of_half_widths(notes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The notes of a table that has half the width of each interval in its place."""
    kept = [(sign, text) for sign, text in notes if not text.startswith(_ON_INTERVALS[0])]
    return [*kept, ("", "\N{PLUS-MINUS SIGN}: half the width of the 95 % interval.")]


def _tabulars(found: Fit) -> int:
    return sum(map(len, found.parts))


def _turned(table: Table, laid: Layout) -> Layout | None:
    """Rows and columns exchanged, where that leaves the meaning of a table."""
    numbers = all(kind != "text" for kind in laid.kinds)
    marked = any(cell.bold or cell.level for line in laid.lines for cell in line.cells)
    if (
        not numbers
        or marked
        or table.groups
        or len(laid.corner) > 1
        or any(line.group for line in laid.lines)
    ):
        return None
    return replace(
        laid,
        corner=("",),
        columns=tuple(line.name for line in laid.lines),
        kinds=tuple("number" for _ in laid.lines),
        lines=tuple(
            Line("", name, tuple(line.cells[place] for line in laid.lines))
            for place, name in enumerate(laid.columns)
        ),
    )


def _needs(table: Table, laid: Layout, found: Fit) -> str:
    """The comment at the top of a file, for whoever finds it in a paper's folder."""
    columns = [column for part in found.parts for piece in part for column in piece.columns]
    packages = ["booktabs", "siunitx", "threeparttable"]
    packages += ["array"] if any(column.wrapped for column in columns) else []
    packages += ["graphicx"] if found.heads == "upright" else []
    lines = " ".join(table.caption.split())
    return f"% {lines}\n% \\usepackage{{{','.join(packages)}}}\n"


def _float(
    table: Table,
    laid: Layout,
    found: Fit,
    place: int,
    paper: PaperStyle,
    notes: Sequence[tuple[str, str]],
) -> str:
    """One of the floats of a table; the later ones continue its number."""
    name = "table*" if found.wide else "table"
    last = place == len(found.parts) - 1
    caption = markup.latex(table.caption)
    if place:
        head = f"\\addtocounter{{table}}{{-1}}\n\\caption[]{{{caption} (Continued.)}}\n"
    else:
        head = f"\\caption{{{caption}}}\n\\label{{tab:{table.name}}}\n"
    room = 72 * (paper.text if found.wide or paper.columns == 1 else paper.column)
    filled = any(len(piece.columns) < _count(laid) for piece in found.parts[0])
    tabulars = "\\par\\medskip\n".join(
        _tabular(table, laid, found, piece, room, filled=filled) for piece in found.parts[place]
    )
    below = _notes(notes) if last else ""
    return (
        f"\\begin{{{name}}}\n{_SETTINGS}\\begin{{threeparttable}}\n{head}{tabulars}{below}"
        f"\\end{{threeparttable}}\n\\end{{{name}}}\n"
    )


def _count(laid: Layout) -> int:
    return len(laid.corner) + len(laid.columns)


def _notes(notes: Sequence[tuple[str, str]]) -> str:
    if not notes:
        return ""
    items = "".join(
        f"\\item[{sign}] {markup.latex(text)}\n"
        if sign
        else f"\\item[]\\hspace*{{-\\labelsep}}{markup.latex(text)}\n"
        for sign, text in notes
    )
    return f"\\begin{{tablenotes}}[flushleft]\\fontsize{{7}}{{8.5}}\\selectfont\n{items}\\end{{tablenotes}}\n"


def _tabular(
    table: Table, laid: Layout, found: Fit, piece: Piece, room: float, *, filled: bool
) -> str:
    """One ``tabular``, stretched where captions and notes would be too narrow beside it."""
    letters = "".join(_letter(laid, found, column, piece) for column in piece.columns)
    natural = sum(c.width + 2 * SEPARATION for c in piece.columns)
    least = min(room, NARROWEST)
    if filled or natural < least:
        width = r"\linewidth" if filled or least == room else f"{least:g}pt"
        begin = f"\\begin{{tabular*}}{{{width}}}{{@{{\\extracolsep{{\\fill}}}}{letters}@{{}}}}\n"
        end = "\\end{tabular*}\n"
    else:
        begin, end = f"\\begin{{tabular}}{{@{{}}{letters}@{{}}}}\n", "\\end{tabular}\n"
    header = _header(table, laid, found, piece) if laid.headed else ""
    return f"{begin}\\toprule\n{header}{_body(laid, found, piece)}\\bottomrule\n{end}"


def _letter(laid: Layout, found: Fit, column: Column, piece: Piece) -> str:
    if column.wrapped:
        return rf">{{\raggedright\arraybackslash}}p{{{column.width:.1f}pt}}"
    if column.place < 0 or laid.kinds[column.place] == "text":
        return "l"
    cells = [line.cells[column.place] for line in piece.lines]
    form = NumberForm.of(cells)
    if form is None:
        return "r"
    width = f"table-format={'+' if form.signed else ''}{form.whole}.{form.digits}"
    beside = [cell for cell in cells if found.form == "beside" and cell.interval()]
    if not beside:
        return f"S[{width}]"
    widest = max(beside, key=lambda cell: text_width(cell.interval(), SMALL))
    mark = next((cell.level for cell in beside if cell.level), "")
    return f"S[{width},table-space-text-post={{{_after(mark, widest)}}}]"


def _after(mark: str, cell: TableCell) -> str:
    """What stands beside a number: a mark and the interval."""
    raised = rf"\textsuperscript{{{mark}}}" if mark else ""
    return f"{raised}\\,{_small(cell.interval())}"


def _header(table: Table, laid: Layout, found: Fit, piece: Piece) -> str:
    """The headings of columns, below those of their groups."""
    texts = [_heading(laid, found, column) for column in piece.columns]
    return f"{_groups(table, laid, piece)}{' & '.join(texts)} \\\\\n\\midrule\n"


def _heading(laid: Layout, found: Fit, column: Column) -> str:
    if column.place < 0:
        return markup.latex_plain(laid.corner[column.place])
    text = laid.columns[column.place]
    if found.heads == "stacked" and len(stacked(text)) > 1:
        lines = r"\\".join(map(markup.latex_plain, stacked(text)))
        return rf"{{\shortstack{{{lines}}}}}"
    if found.heads == "upright":
        return rf"{{\rotatebox{{90}}{{{markup.latex_plain(text)}}}}}"
    return f"{{{markup.latex_plain(text)}}}"


def _groups(table: Table, laid: Layout, piece: Piece) -> str:
    """A row with the groups that columns belong to; empty without groups."""
    runs: list[tuple[str, int]] = []
    for column in piece.columns:
        name = table.groups.get(laid.columns[column.place], "") if column.place >= 0 else ""
        if runs and runs[-1][0] == name:
            runs[-1] = name, runs[-1][1] + 1
        else:
            runs.append((name, 1))
    if len([name for name, _ in runs if name]) < 2:
        return ""
    cells, rules, start = [], [], 1
    for name, count in runs:
        cells.append(rf"\multicolumn{{{count}}}{{c}}{{{markup.latex_plain(name)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{start}-{start + count - 1}}}")
        start += count
    return f"{' & '.join(cells)} \\\\\n{''.join(rules)}\n"


def _body(laid: Layout, found: Fit, piece: Piece) -> str:
    """The rows, with space between groups, whose names stand once."""
    parts: list[str] = []
    group = ""
    for line in piece.lines:
        begins = line.group != group
        if begins and group:
            parts.append("\\addlinespace\n")
        names = [line.group if begins else "", line.name]
        if len(laid.corner) == 1:
            if begins:
                width = len(piece.columns)
                name = markup.latex_plain(line.group)
                parts.append(rf"\multicolumn{{{width}}}{{@{{}}l}}{{{name}}} \\" + "\n")
            names = [line.name]
        group = line.group
        parts.append(_row(laid, found, piece, line, names))
    return "".join(parts)


def _row(laid: Layout, found: Fit, piece: Piece, line: Line, names: Sequence[str]) -> str:
    indent = r"\quad " if line.group and len(names) == 1 else ""
    cells = [
        indent + _text(names[column.place], column)
        if column.place < 0
        else _cell(line.cells[column.place], column, found)
        for column in piece.columns
    ]
    below = [
        "" if column.place < 0 else _interval_below(line.cells[column.place], found)
        for column in piece.columns
    ]
    if found.form not in ("below", "half"):
        return f"{' & '.join(cells)} \\\\\n"
    if not any(below):
        return f"{' & '.join(cells)} \\\\[1.5pt]\n"
    return f"{' & '.join(cells)} \\\\*[-2pt]\n{' & '.join(below)} \\\\[1.5pt]\n"


def _text(text: str, column: Column) -> str:
    return markup.latex_breakable(text) if column.wrapped else markup.latex_plain(text)


def _cell(cell: TableCell, column: Column, found: Fit) -> str:
    """A number that siunitx aligns, with what follows it in braces, or a text."""
    if cell.value is None:
        return _text(cell.text, column)
    if not is_number(cell):
        sign = rf"\tnote{{{cell.sign}}}" if cell.sign else ""
        return f"{{{markup.latex_plain(cell.text)}{sign}}}"
    number = rf"\bfseries {number_of(cell)}" if cell.bold else number_of(cell)
    if found.form == "beside" and cell.interval():
        return f"{number}{{{_after(cell.level, cell)}}}"
    return f"{number}{{\\rlap{{\\textsuperscript{{{cell.level}}}}}}}" if cell.level else number


def _interval_below(cell: TableCell, found: Fit) -> str:
    text = shown_interval(cell, found.form) if found.form in ("below", "half") else ""
    return f"{{{_small(text)}}}" if text else ""


def _small(text: str) -> str:
    return rf"\robobenchsmall{{{markup.latex_plain(text)}}}"


def figure_to_latex(plot: Plot | Gallery, paper: PaperStyle, folder: str = "figures/") -> str:
    """A figure as a float that includes ``NAME.pdf`` from a folder."""
    figure: Figure = plot.figure
    width, height = (float(side) for side in figure.get_size_inches())
    shown = min(1.0, paper.text / width, TALLEST * paper.height / height) * width
    name = "figure*" if paper.columns == 2 and shown > paper.column + 0.01 else "figure"
    return (
        f"% \\usepackage{{graphicx}}\n\\begin{{{name}}}\n\\centering\n"
        f"\\includegraphics[width={shown:.3f}in]{{{folder}{plot.name}.pdf}}\n"
        f"\\caption{{{markup.latex(plot.caption)}}}\n\\label{{fig:{plot.name}}}\n\\end{{{name}}}\n"
    )
