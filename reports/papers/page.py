"""The page of a reproduction: the paper's numbers, ours and the differences, in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from robobench.registry import METHODS
from robobench.reports.blocks import Block, Plot, Table, Text, Value
from robobench.reports.builder import Report
from robobench.reports.papers.figures import present, reproduced_figure, unit_of_level
from robobench.reports.papers.sentences import comparison, verdict
from robobench.reports.part import Part
from robobench.types import ORACLE_NEEDS
from robobench.weights.selection import bare_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from robobench.reproductions.measuring import Measured
    from robobench.reproductions.published import Reproduction, Row

PUBLISHED, OURS, DIFFERENCE = "published", "ours", "difference"
_ORACLE = "\N{DAGGER}"


def report_of(measured: Measured) -> Report:
    """A reproduction as a page: result, claimed gain, notes on how it was measured."""
    import robobench

    reproduction = measured.reproduction
    n = _images(measured)
    parts = [Part("result", "Published and ours", result_blocks(measured))]
    gained = gain_blocks(measured)
    if gained:
        parts.append(Part("gain", "The claimed gain", gained))
    if measured.notes:
        parts.append(Part("notes", "Notes", [Text(note) for note in measured.notes]))
    return Report(
        title=f"{measured.paper}: {reproduction.title}" if measured.paper else reproduction.title,
        subtitle=(
            f"`{measured.name}`; `{reproduction.dataset}`, {n:,} images; {_trainings(measured)}"
        ),
        notices=[],
        parts=parts,
        version=robobench.__version__,
    )


def result_blocks(measured: Measured) -> list[Block]:
    """The table or figure, and how far ours is from the published numbers."""
    reproduction = measured.reproduction
    if reproduction.figure:
        drawn = [row.label for row in present(measured)]
        return [
            Plot(
                measured.name,
                _figure_caption(measured),
                reproduced_figure(measured),
                f"{reproduction.title}: lines over the level for {', '.join(drawn)}.",
            )
        ]
    unit = f"unit {unit_of_level(measured)}" if reproduction.of_levels else "in percent"
    blocks: list[Block] = [
        Table(
            measured.name,
            f"{_titled(measured)}, {unit}: published and ours, with 95 % intervals"
            f"{'' if reproduction.of_levels or reproduction.moved else '; differences in points'}.",
            _result_frame(measured),
            notes=_table_notes(measured),
        )
    ]
    told = None if reproduction.moved else comparison(measured)  # of accuracies elsewhere
    return [*blocks, told] if told else blocks


def _titled(measured: Measured) -> str:
    """The paper's name and its title of the table or figure."""
    title = measured.reproduction.title
    return f"{measured.paper}, {title}" if measured.paper else title


def _figure_caption(measured: Measured) -> str:
    if measured.reproduction.of_levels:
        return (
            f"{_titled(measured)}. Lines: mean of the estimates; bands: one standard deviation on "
            "either side; dots with bars: published mean and standard deviation; grey: truth."
        )
    return (
        f"{_titled(measured)}. Left: all rows; right: all but the first. Lines: ours; bands: 95 % "
        "intervals, for the paper's rows only; dashed steps: the interval means published for the "
        "network of the same colour."
    )


def _images(measured: Measured) -> int:
    return int(measured.table["n"].max()) if len(measured.table) else 0


def _trainings(measured: Measured) -> str:
    counts = {len(str(seeds).split()) for seeds in measured.table["train_seeds"]}
    low, high = min(counts, default=0), max(counts, default=0)
    told = str(high) if low == high else f"{low} to {high}"
    return f"{told} training{'' if told == '1' else 's'} per method"


def _heading(row: Row) -> str:
    """The paper's name of a row, marked where its method is an oracle."""
    name = bare_name(row.method)
    oracle = name in METHODS and bool(ORACLE_NEEDS & METHODS[name].needs)
    return f"{row.label}{_ORACLE if oracle else ''}"


def _column_names(reproduction: Reproduction) -> list[str]:
    """The column names of a table, that of the whole range last."""
    whole = [reproduction.whole] if reproduction.whole else []
    return [column.name for column in reproduction.columns] + whole


def _values_of(measured: Measured, row: Row) -> dict[str, dict[str, Value]]:
    """The three lines of a row: ``published``, ``ours``, ``difference``, by column.

    Only ``ours`` where the paper has no numbers.
    """
    table = measured.table[measured.table["row"] == row.name].set_index("column")
    levels = row.statistic != "accuracy"
    unit: Any = "level" if levels else "percent"
    apart: Any = "level difference" if levels else "points"
    lines: dict[str, dict[str, Value]] = {PUBLISHED: {}, OURS: {}, DIFFERENCE: {}}
    for name in _column_names(measured.reproduction):
        if name not in table.index:
            for line in lines.values():
                line[name] = Value(None)
            continue
        found: Any = table.loc[name]
        published, ours, low, high = (
            float(found[key]) for key in ("published", "ours", "ci_low", "ci_high")
        )
        lines[PUBLISHED][name] = Value(published, unit=unit)
        lines[OURS][name] = Value(ours, low, high, unit)
        lines[DIFFERENCE][name] = Value(ours - published, low - published, high - published, apart)
    if all(value.missing for value in lines[PUBLISHED].values()):
        return {OURS: lines[OURS]}
    if measured.reproduction.moved:  # accuracies of other images and networks
        del lines[DIFFERENCE]
    return lines


def _result_frame(measured: Measured) -> pd.DataFrame:
    """Cells are `Value`; a group per row: published, ours and the difference."""
    lines = {
        (_heading(row), what): values
        for row in present(measured)
        for what, values in _values_of(measured, row).items()
    }
    return _grouped(lines, "truth" if measured.reproduction.of_levels else "network")


def paper_table(measured: Measured) -> Table:
    """The table in the paper's layout: its rows and columns once published, once as ours."""
    lines: dict[tuple[str, str], dict[str, Value]] = {}
    for group in (PUBLISHED, OURS):
        for row in present(measured):
            values = _values_of(measured, row).get(group)
            if values is not None:
                lines[group.capitalize(), _heading(row)] = values
    what = "truth" if measured.reproduction.of_levels else "network"
    unit = f"unit {unit_of_level(measured)}" if measured.reproduction.of_levels else "in percent"
    return Table(
        f"{measured.name}-table",
        f"{_titled(measured)}, {unit}: published and ours.",
        _grouped(lines, what),
        notes=_table_notes(measured),
    )


def _grouped(lines: Mapping[tuple[str, str], Mapping[str, Value]], corner: str) -> pd.DataFrame:
    """A frame of rows, each headed by its group and its name."""
    frame = pd.DataFrame(
        list(lines.values()), index=pd.MultiIndex.from_tuples(list(lines)), dtype=object
    )
    frame.columns.name = corner
    return frame


def _table_notes(measured: Measured) -> tuple[str, ...]:
    """What the rows are, and how the intervals were made."""
    shown = present(measured)
    own = [row for row in shown if row.published or row in measured.reproduction.rows]
    methods: dict[str, list[str]] = {}
    for row in own:
        methods.setdefault(row.method, []).append(row.label)
    names = "; ".join(f"{' and '.join(labels)}: `{name}`" for name, labels in methods.items())
    several = any(" " in str(seeds) for seeds in measured.table["train_seeds"])
    notes = [f"{names}.", f"Intervals: bootstrap over images, {_scope(several)}."]
    if len(own) < len(shown):
        notes.append("The other rows are not in the paper.")
    if any(_heading(row).endswith(_ORACLE) for row in shown):
        notes.append(f"{_ORACLE} oracle: given the true level, which is unknown in deployment.")
    return tuple(notes)


def _gain_label(name: str) -> str:
    """The heading of a row of gains: with a minus sign, and seeds called trainings."""
    return name.replace(" - ", " \N{MINUS SIGN} ").replace(" seed ", ", training ")


def gain_blocks(measured: Measured) -> list[Block]:
    """The claimed gain with its controls, and the verdict; empty without a claim."""
    if measured.reproduction.gain is None:
        return []
    blocks: list[Block] = list(verdict(measured))
    if measured.gains.empty:
        return blocks
    return [
        *blocks,
        Table(
            f"{measured.name}-gain",
            "Differences in accuracy, in points, with 95 % intervals.",
            _gain_frame(measured),
            notes=_gain_notes(measured),
        ),
    ]


def _gain_frame(measured: Measured) -> pd.DataFrame:
    """Cells are `Value`; a group for the claimed gain (published, ours) and one per control."""
    gains, gain = measured.gains, measured.reproduction.gain
    names = _column_names(measured.reproduction)
    lines: dict[tuple[str, str], dict[str, Value]] = {}
    for name in dict.fromkeys(gains["row"]):
        rows = gains[gains["row"] == name].set_index("column")
        published = {
            n: Value(float(rows["published"].get(n, float("nan"))), unit="points") for n in names
        }
        if not all(value.missing for value in published.values()):
            lines[_gain_label(name), PUBLISHED] = published
        ours = {}
        for n in names:
            found: Any = rows.loc[n] if n in rows.index else None
            ours[n] = (
                Value(None)
                if found is None
                else Value(
                    float(found["ours"]), float(found["ci_low"]), float(found["ci_high"]), "points"
                )
            )
        claimed = gain is not None and name == gain.name
        lines[_gain_label(name), OURS if claimed else ""] = ours
    return _grouped(lines, DIFFERENCE)


def _scope(several: bool) -> str:
    return "with t of the trainings" if several else "of these trained networks"


def _gain_notes(measured: Measured) -> tuple[str, ...]:
    gain = measured.reproduction.gain
    assert gain is not None
    rows = set(measured.gains["row"])
    own = measured.gains[measured.gains["row"] == gain.name]
    several = any(" " in str(seeds) for seeds in own["train_seeds"])
    notes = [
        (
            f"Intervals: paired bootstrap over images, {_scope(several)}; each at 95 %, not "
            "adjusted for multiple comparisons."
        )
    ]
    if gain.shuffled and any(gain.shuffled in str(row) for row in rows):
        notes.append(f"`{gain.shuffled}`: control with the level shuffled between images.")
    if any(str(row).startswith(f"{gain.over} seed") for row in rows):
        notes.append(
            f"Training 1 {chr(0x2212)} training 0 and the like: the same network trained with "
            "another seed; intervals over images only."
        )
    return tuple(notes)
