"""``robobench plot``: one figure of a run, for a paper or a slide."""

from __future__ import annotations

from pathlib import Path

import click

from robobench.cli import _options


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN ...]")
@click.option(
    "--kind",
    required=True,
    help="severity, methods, level, heatmap, paired, cost, or any plot of the report by its name.",
)
@click.option("--out", help="FILE.pdf, .svg or .png. [default: KIND.pdf]")
@click.option("--normalizer", help="Reference method that losses are relative to. [default: org]")
@click.option(
    "--style",
    default="plain",
    show_default=True,
    help="Its letters and lines: plain, cvpr, neurips.",
)
@click.option(
    "--width", type=float, help="Inches, such as 3.25 for a column. [default: the text's]"
)
@_options.plugin
def plot(
    runs: tuple[str, ...],
    kind: str,
    out: str | None,
    normalizer: str | None,
    style: str,
    width: float | None,
    plugin: tuple[str, ...],
) -> None:
    """Draw one plot of a run, as in its report.

    Without RUN, the newest one under runs/ is used. Each data set and backbone gets its own file.
    """
    from robobench.cli._folders import open_runs
    from robobench.registry import load_plugin_file
    from robobench.reports.paper_styles import paper_style
    from robobench.reports.single_plot import draw

    for file in plugin:
        load_plugin_file(file)
    paper = paper_style(style)
    target = Path(out or f"{kind}.pdf")
    for written in draw(open_runs(runs), kind, target, normalizer, paper, width):
        click.echo(f"plot: {written}")
