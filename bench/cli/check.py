"""``robobench check``: fail where a run is significantly worse than its baseline."""

import click


@click.command(short_help="Fail where a run is worse than a baseline.")
@click.argument("run", type=click.Path())
@click.option(
    "--baseline", required=True, type=click.Path(), help="File made by `robobench freeze`."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 100, max_open=True),
    default=0.5,
    show_default=True,
    help="Tolerated loss, in points.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Probability of a false alarm.",
)
@click.option(
    "--allow-missing", is_flag=True, help="Do not fail for cells that only the baseline has."
)
@click.option(
    "--unpaired",
    is_flag=True,
    help="Compare other images than the baseline's, too: two accuracies instead of image by image.",
)
@click.option("--junit", type=click.Path(dir_okay=False), help="Write JUnit XML here.")
@click.option(
    "--summary",
    type=click.Path(dir_okay=False),
    help="Write Markdown here; $GITHUB_STEP_SUMMARY is appended to.",
)
def check(
    run: str,
    baseline: str,
    tolerance: float,
    alpha: float,
    allow_missing: bool,
    unpaired: bool,
    junit: str | None,
    summary: str | None,
) -> None:
    """Compare RUN (its folder) with a baseline, image by image.

    A baseline of published accuracies, which does not tell which images were right, is compared unpaired:
    only larger losses are found.

    Exit code 0 if nothing is worse, 1 if a method's mean or a cell lost more than the tolerance
    beyond chance or a cell is missing, 2 if the two cannot be compared, or RUN is damaged
    (`robobench verify`). JUnit and summary are written in every case.
    """
    import shutil
    import sys
    from pathlib import Path

    from robobench.checking.baseline import read_baseline
    from robobench.checking.check import check as compare
    from robobench.checking.junit import as_junit, refused_as_junit
    from robobench.checking.verify import whole_outcomes
    from robobench.cli._summary import append_summary
    from robobench.environment import is_terminal
    from robobench.errors import RobobenchError
    from robobench.files import write_aside
    from robobench.reports.verdicts import as_markdown, as_text, refused_as_markdown
    from robobench.results.run import load

    def write(xml: bytes, text: str) -> None:
        if junit:
            write_aside(Path(junit), xml, "--junit")
        if summary:
            append_summary(summary, text)

    try:
        frozen = read_baseline(baseline)
        loaded = load(run)
        now = whole_outcomes(run, missing=True)
        result = compare(
            *(now, loaded.manifest, frozen),
            tolerance=tolerance,
            alpha=alpha,
            allow_missing=allow_missing,
            unpaired=unpaired,
        )
    except RobobenchError as error:
        write(refused_as_junit(str(error)), refused_as_markdown(str(error)))
        raise
    if is_terminal(sys.stdout):
        click.echo(as_text(result, shutil.get_terminal_size().columns), nl=False)
    else:
        click.echo(as_text(result), nl=False)
    write(as_junit(result), as_markdown(result))
    result.raise_if_failed()
