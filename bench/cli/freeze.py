"""``robobench freeze``: make the baseline that ``robobench check`` reads."""

import click


@click.command(short_help="Freeze a run into a small baseline file.")
@click.argument("run", type=click.Path())
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="The baseline file.")
def freeze(run: str, out: str) -> None:
    """Freeze RUN (its folder) into a small file to commit.

    It records which images each cell got right and what was run: about n/8 bytes per cell. The run
    has to be whole, as `robobench verify` sees it.

    RUN may also be a table of published accuracies, FILE.csv, in the columns of a run's results.csv. As it does
    not tell which images were right, `robobench check` then compares two accuracies, unpaired.
    """
    from pathlib import Path

    from robobench.checking.baseline import freeze as frozen
    from robobench.checking.baseline import parse_baseline
    from robobench.checking.power import smallest_losses
    from robobench.checking.published import published_baseline
    from robobench.checking.verify import whole_outcomes
    from robobench.files import is_stream, write_aside
    from robobench.results.run import load

    if Path(run).suffix == ".csv" and not Path(run).is_dir():
        content = published_baseline(Path(run))
    else:
        loaded = load(run)
        content = frozen(whole_outcomes(run), loaded.manifest)
    found = parse_baseline(content, out).outcomes
    write_aside(Path(out), content)
    least = smallest_losses(found)
    said = [
        f"{out}: {len(found)} cells, {-(-len(content) // 1024)} KB; `robobench check RUN` reads it"
    ]
    if least.cell is not None and least.mean is not None:
        said.append(
            "of losses without gains, a check at the default tolerance and alpha finds with 95 %: "
            f"{_points(least.cell)} in one cell, {_points(least.mean)} in a method's mean"
        )
    said.append(
        f"unpaired, on as many other images: {_points(least.unpaired_cell)} in one cell, "
        f"{_points(least.unpaired_mean)} in a method's mean"
    )
    for line in said:  # to another place than the file, which may be the standard output
        click.echo(line, err=is_stream(Path(out)))


def _points(loss: float) -> str:
    import math

    return "no loss" if math.isnan(loss) else f"{loss:.1f} points"  # of too few images
