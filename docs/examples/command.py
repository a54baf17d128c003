"""A sub-command in one file.

robobench --plugin command.py count runs/shapes10
"""

import click

import robobench


@robobench.command("count")
@click.command()
@click.argument("run")
def count(run):
    """Count the cells and predictions of RUN."""
    loaded = robobench.load(run)
    accuracy = loaded.frame[loaded.frame["metric"] == "accuracy"]
    click.echo(f"{len(accuracy)} cells, {accuracy['n'].sum():,} predictions")
