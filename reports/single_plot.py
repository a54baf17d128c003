"""One plot of a run as a file, for ``robobench plot``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.errors import RobobenchError, unknown_name
from robobench.files import write_aside
from robobench.registry import SECTIONS
from robobench.reports import style
from robobench.reports.blocks import Gallery, Plot
from robobench.reports.builder import compose
from robobench.reports.joined import join
from robobench.reports.leaderboard import leaderboards
from robobench.reports.paper_styles import PLAIN, PaperStyle
from robobench.reports.plots import KINDS

if TYPE_CHECKING:
    from robobench.results.run import Run

_NARROWEST = 2.0  # inches, of a legible plot


def draw(
    runs: Sequence[Run],
    kind: str,
    out: Path,
    normalizer: str | None = None,
    paper: PaperStyle = PLAIN,
    width: float | None = None,
) -> list[Path]:
    """Write one plot of a run, or of several side by side.

    Args:
        runs: What to draw.
        kind: One of `robobench.reports.plots.KINDS`, or the name of a plot of a report, those of a
            plug-in's sections included.
        out: File; its suffix determines the format. Several data sets or backbones get one file
            each, with their names before the suffix.
        normalizer: Reference method that losses are relative to, instead of ``org``.
        paper: Style of the letters and lines.
        width: Width of plots with several panels in inches, instead of the paper's.

    Returns:
        The files written.

    Raises:
        RobobenchError: The kind or the suffix is unknown, the width is too small, or the runs have
            no data for the plot.
    """
    form = out.suffix.removeprefix(".").lower()
    if form not in style.FORMATS:
        raise unknown_name("format of a plot", form, style.FORMATS)
    if width is not None:
        if not width >= _NARROWEST:
            raise RobobenchError(
                f"--width {width:g}: at least {_NARROWEST:g} inches are expected, such as 3.25"
            )
        paper = replace(paper, text=width, column=min(width, paper.column))
    run = join(runs, normalizer)
    if not run.cells:
        raise RobobenchError(f"{run.label} has no cells yet; `robobench run` fills it")
    with style.room(paper):
        found = _of_kind(run, kind) if kind in KINDS else _named(run, kind, paper)
        files = {
            out.with_name(f"{out.stem}{suffix}{out.suffix}"): style.figure_file(
                plot.figure, form, plot.name
            )
            for suffix, plot in found
        }
    for path, data in files.items():
        write_aside(path, data)
    return list(files)


_Found = list[tuple[str, Plot | Gallery]]


def _of_kind(run: Run, kind: str) -> _Found:
    """A plot for each leaderboard, with the suffix of its file."""
    return [(b.suffix, Plot(kind, "", KINDS[kind](b), "")) for b in leaderboards(run)]


def _named(run: Run, name: str, paper: PaperStyle) -> _Found:
    """The plots of that name in the sections of a report."""
    suffixes = [board.suffix for board in leaderboards(run)]
    known: list[str] = []
    for plots in _by_section(run, name, paper):
        found = [(s, plot) for plot in plots for s in suffixes if plot.name == name + s]
        if found:
            return found
        known += [plot.name for plot in plots]
        whole = [("", plot) for plot in plots if plot.name == name]
        if whole:
            return whole
    raise unknown_name("kind of plot", name, list(dict.fromkeys([*KINDS, *known])))


def _by_section(run: Run, name: str, paper: PaperStyle) -> Iterator[list[Plot | Gallery]]:
    """The plots of each section, first of the one whose name the plot's begins with."""
    for section in sorted(SECTIONS.names(), key=lambda one: not name.startswith(one)):
        yield compose([run], [section], paper=paper).plots
