"""``robobench rank``: which of several classifiers holds up."""

from __future__ import annotations

from pathlib import Path

import click

from robobench.cli import _options


@click.command(short_help="Rank classifiers by their accuracy on degraded images.")
@click.argument("runs", nargs=-1, metavar="[RUN ...]")
@click.option(
    "--method", default="org", show_default=True, help="Compared on every classifier; or all."
)
@click.option(
    "--normalizer",
    help="Whose errors mCE is relative to: alexnet, or a classifier. [default: AlexNet where its "
    "severities were used, else the first one]",
)
@_options.draws
@click.option(
    "--csv", "table", type=click.Path(), help="File for the ranking with all its columns."
)
def rank(
    runs: tuple[str, ...],
    method: str,
    normalizer: str | None,
    draws: int | None,
    table: str | None,
) -> None:
    """Rank the classifiers of one run, or of several on the same images.

    Two have different ranks only where a test separates them: a rank is an interval.
    """
    from robobench.analysis.classifier_ranking import rank as ranked
    from robobench.cli._folders import open_runs
    from robobench.errors import RobobenchError
    from robobench.files import write_aside
    from robobench.reports.joined import JoinedRun, join
    from robobench.reports.screen import print_block, screen
    from robobench.reports.sections.classifiers import ranking_blocks

    opened = open_runs(runs)
    for one in opened:
        one.resample(draws)
    run = join(opened)
    if isinstance(run, JoinedRun) and run.disagrees:
        raise RobobenchError(f"these runs cannot be ranked together: {run.conflicts[-1]}")
    long = run.frame  # first: what is read for it also serves the series
    found = ranked(
        run.joint_series,
        method=None if method == "all" else method,
        normalizer=normalizer,
        profile=run.manifest["profile"],
        table=long,
    )
    console = screen()
    for block in ranking_blocks(found, run.manifest):
        print_block(console, block)
    if table is not None:
        text = found.frame.to_csv(index=False, float_format="%.6g")
        write_aside(Path(table), text.encode(), "--csv")
        click.echo(f"ranking: {table}")
