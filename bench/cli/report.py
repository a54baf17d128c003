"""``robobench report``: write the report of one run, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from robobench.cli import _options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from robobench.results.run import Run


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN ...]")
@click.option("--out", help="Folder of the report. [default: RUN/report]")
@click.option(
    "--format",
    "formats",
    default="html,latex,csv",
    show_default=True,
    help="Any of html, latex, markdown, csv, json, parquet, separated by commas.",
)
@click.option("--sections", help="Names separated by commas, in this order. [default: all]")
@click.option("--normalizer", help="Reference method that losses are relative to. [default: org]")
@click.option(
    "--style",
    default="plain",
    show_default=True,
    help="Of the LaTeX: plain, cvpr (two columns) or neurips.",
)
@_options.draws
@_options.seed_sd
@click.option("--plugin", multiple=True, type=click.Path(), help="Python file that registers more.")
def report(
    runs: tuple[str, ...],
    out: str | None,
    formats: str,
    sections: str | None,
    normalizer: str | None,
    style: str,
    draws: int | None,
    seed_sd: float | None,
    plugin: tuple[str, ...],
) -> None:
    """Write the report of a run: HTML, LaTeX, Markdown, CSV, JSON, Parquet.

    Several runs are shown side by side; without RUN, the newest one under runs/ is used.
    """
    from robobench.cli._folders import open_runs
    from robobench.registry import load_plugin_file
    from robobench.reports.builder import build

    for file in plugin:
        load_plugin_file(file)
    opened = open_runs(runs)
    for one in opened:
        one.resample(draws, seed_sd)
    wanted = None if sections is None else _names(sections)
    written = build(opened, out or _folder(opened), _names(formats), wanted, normalizer, style)
    click.echo(f"report: {written}")


def _names(joined: str) -> list[str]:
    return [name for part in joined.split(",") if (name := part.strip().lower())]


def _folder(runs: Sequence[Run]) -> Path:
    """The report of one run goes into its folder; that of several, next to the first run."""
    if len(runs) == 1:
        return runs[0].folder / "report"
    return runs[0].folder.parent / f"report-{'-'.join(run.label for run in runs)}"
