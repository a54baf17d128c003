"""The files of a reproduction: CSV, HTML, LaTeX, Markdown, and images of figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.registry import REPRODUCTIONS
from robobench.reports import latex_tables
from robobench.reports.builder import Report, page
from robobench.reports.paper_styles import STYLES
from robobench.reports.papers.page import paper_table, report_of
from robobench.reproductions.measuring import COLUMNS, Measured
from robobench.reproductions.published import find_reproduction

if TYPE_CHECKING:
    import pandas as pd


def write(measured: Measured, folder: Path) -> list[Path]:
    """Write all files of a reproduction, each whole or not at all.

    Args:
        measured: What was measured.
        folder: Where to write ``NAME.csv``, ``.html``, ``.tex``, ``.md``; ``NAME-table.tex`` in
            the paper's layout, with intervals and without; ``NAME-gain.csv`` for a claim; ``NAME.svg`` and ``NAME.pdf`` for a figure.

    Returns:
        The files written, the table first.

    Raises:
        RobobenchError: The folder is not writable.
    """
    files = files_of(measured)  # all are made before the first is written
    for name, data in files.items():
        write_aside(folder / name, data)
    return [folder / name for name in files]


def files_of(measured: Measured) -> Mapping[str, bytes]:
    """File name -> content."""
    name, report = measured.name, report_of(measured)
    files = {
        f"{name}.csv": _csv(measured.table),
        f"{name}.html": page(report, "report.html.j2"),
        f"{name}.tex": page(report, "reproduction.tex.j2", floats=_floats(report)),
        f"{name}.md": page(report, "reproduction.md.j2"),
    }
    for ending, intervals in (("table", True), ("table-without-intervals", False)):
        if not measured.reproduction.figure:
            made = latex_tables.to_latex(paper_table(measured), STYLES["cvpr"], intervals=intervals)
            files[f"{name}-{ending}.tex"] = made.encode()
    if measured.reproduction.gain is not None:
        files[f"{name}-gain.csv"] = _csv(measured.gains)
    for plot in report.plots:
        files[f"{plot.name}.svg"] = report.draw(plot, "svg")
        files[f"{plot.name}.pdf"] = report.draw(plot, "pdf")
    return files


def _floats(report: Report) -> dict[str, str]:
    """Tables and figures as LaTeX by name; as wide as a paper of two columns allows."""
    paper = STYLES["cvpr"]
    return {
        **{table.name: latex_tables.to_latex(table, paper) for table in report.tables},
        **{
            plot.name: latex_tables.figure_to_latex(plot, paper, folder="") for plot in report.plots
        },
    }


def _csv(table: pd.DataFrame) -> bytes:
    text: str = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text.encode()


def read(name: str, folder: Path) -> Measured:
    """A reproduction, read from the files of `write`.

    Args:
        name: A registered reproduction.
        folder: Where its CSV files are.

    Raises:
        RobobenchError: A file is missing or has other columns.
    """
    import pandas as pd

    from robobench.corruptions.catalogue import PROFILES

    reproduction = find_reproduction(
        name
    ).with_all_rows()  # what was not evaluated is not in the file

    def table(stem: str) -> pd.DataFrame:
        path = folder / f"{stem}.csv"
        try:
            found = pd.read_csv(path, dtype={"row": str, "column": str, "train_seeds": str})
        except (OSError, ValueError) as error:
            raise RobobenchError(
                f"{path} cannot be read ({error}): `robobench reproduce {name} --out {folder}` "
                "writes it"
            ) from error
        if tuple(found.columns) != COLUMNS:
            raise RobobenchError(
                f"{path}: the columns {', '.join(COLUMNS)} are expected, got "
                f"{', '.join(map(str, found.columns))}"
            )
        return found

    gains = table(f"{name}-gain") if reproduction.gain else pd.DataFrame(columns=list(COLUMNS))
    return Measured(
        name=name,
        paper=str(REPRODUCTIONS.entry(name).options.get("paper", "")),
        reproduction=reproduction,
        table=table(name),
        gains=gains,
        profile=PROFILES[0],  # irrelevant where columns name levels
        notes=reproduction.notes,
    )
