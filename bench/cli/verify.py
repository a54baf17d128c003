"""``robobench verify``: is a run's folder intact and complete?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from robobench.contracts import Dataset


@click.command(short_help="Check a run's checksums and completeness.")
@click.argument("run", type=click.Path())
@click.option(
    "--data-root", type=click.Path(), help="Folder of the data sets, to check the images as well."
)
def verify(run: str, data_root: str | None) -> None:
    """Check checksums, fingerprints and completeness of RUN (its folder).

    Prints what was checked for cells, manifest, tables and images, and what is wrong. Repeating the
    run mends it. Exit code 0 if all is well, 1 if not.
    """
    from pathlib import Path

    from robobench.checking.verify import verify as look
    from robobench.errors import RobobenchError
    from robobench.results.manifest import read_manifest

    manifest = read_manifest(Path(run))
    dataset, why = None, ""
    if manifest is not None:
        try:
            dataset = _open(manifest, data_root)
        except RobobenchError as error:  # a run may outlive its data: the rest is still checked
            why = str(error)
            if data_root:
                raise
    found = look(run, dataset)
    click.echo(f"{run}: {found.cells} cells, {found.predictions:,} predictions")
    for claim in found.claims:
        click.echo(f"  {claim}")
    for problem in found.problems:
        click.echo(f"problem: {problem}")
    for note in found.notes:
        click.echo(f"note: {note}{f' ({why})' if why else ''}")
    found.raise_if_broken()
    click.echo("all is well")


def _open(manifest: Mapping[str, Any], data_root: str | None) -> Dataset:
    """The run's data set, as the run opened it."""
    from robobench.datasets import open_dataset
    from robobench.registry import load_plugin_file

    told, settings = manifest["dataset"], manifest.get("configuration", {})
    for file in settings.get("plugin") or ():
        load_plugin_file(file)
    return open_dataset(
        told.get("argument", told["name"]),
        split=told["split"],
        root=data_root or settings.get("data_root"),
        classes=settings.get("classes"),
        class_names=told.get("class_names"),
    )
