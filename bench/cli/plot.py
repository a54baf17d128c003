"""``robobench plot``: one figure of a run, for a paper or a slide."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN ...]")
@click.option("--kind", required=True, help="severity, methods, level, heatmap, paired or cost.")
@click.option("--out", help="FILE.pdf, .svg or .png. [default: KIND.pdf]")
@click.option("--normalizer", help="Reference method that losses are relative to. [default: org]")
def plot(runs: tuple[str, ...], kind: str, out: str | None, normalizer: str | None) -> None:
    """Draw one plot of a run, as in its report.

    Without RUN, the newest one under runs/ is used. Each data set and backbone gets its own file.
    """
    from robobench.cli._folders import open_runs
    from robobench.reports.builder import draw

    for written in draw(open_runs(runs), kind, Path(out or f"{kind}.pdf"), normalizer):
        click.echo(f"plot: {written}")
