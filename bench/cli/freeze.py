"""``robobench freeze``: make the baseline that ``robobench check`` reads."""

import click


@click.command(short_help="Freeze a run into a small baseline file.")
@click.argument("run", type=click.Path())
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="The baseline file.")
def freeze(run: str, out: str) -> None:
    """Freeze RUN (its folder) into a small file to commit.

    It records which images each cell got right and what was run: about n/8 bytes per cell. The run
    has to be whole, as `robobench verify` sees it.
    """
    from pathlib import Path

    from robobench.analysis.outcomes import image_shares
    from robobench.checking.baseline import freeze as frozen
    from robobench.checking.power import smallest_loss
    from robobench.checking.verify import whole_outcomes
    from robobench.files import is_stream, write_aside
    from robobench.results.run import load

    loaded = load(run)
    found = whole_outcomes(run)
    content = frozen(found, loaded.manifest)
    write_aside(Path(out), content)
    click.echo(
        f"{out}: {len(found)} cells, {len(content) / 1024:.0f} KB; `robobench check RUN` reads it",
        err=is_stream(Path(out)),  # which may be the standard output
    )
    count = min(len(one.index) for one in found)
    methods = len({(o.cell.method, o.cell.trained_on, o.cell.train_seed) for o in found})
    one = smallest_loss(count, len(found))
    mean = smallest_loss(len(image_shares(found)[0]), methods)
    click.echo(
        f"of losses without gains, a check at the default tolerance and alpha finds with 95 %: "
        f"{one:.1f} points in one cell, {mean:.1f} in a method's mean",
        err=is_stream(Path(out)),
    )
