"""``robobench merge``: join the cells of one evaluation that were made on several machines."""

import click


@click.command(short_help="Join runs that were made on several machines.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(), metavar="RUN ...")
@click.option("--out", required=True, type=click.Path(), help="Folder of the new run.")
def merge(runs: tuple[str, ...], out: str) -> None:
    """Join each RUN (its folder) into one run in a new folder.

    They must be of the same images, prepared in the same way. Nothing is written if two runs predict
    different classes in a cell, or have different weights under one name: the conflicts are named.
    """
    from pathlib import Path

    from robobench.results.merging import merge as join

    merged, notes = join(runs, Path(out))
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{out}: {len(merged.cells)} of {merged.manifest['cells']} cells of {len(runs)} runs; "
        f"`robobench report {out}` shows them"
    )
