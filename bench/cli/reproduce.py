"""``robobench reproduce``: measure a paper's tables again and set them against the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robobench.cli import _options

if TYPE_CHECKING:
    from robobench.reproductions.planning import Prepared


@click.command(short_help="Measure a paper's tables and figures again.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option(
    "--out",
    type=_options.PATH,
    default="reproduced",
    show_default=True,
    help="Folder for NAME.csv, .html, .tex, .md, and the figures.",
)
@click.option(
    "--runs", type=_options.PATH, default="runs", show_default=True, help="Folder for the runs."
)
@_options.train_seeds("all that have weights")
@click.option("--published-only", is_flag=True, help="Leave out rows that the paper does not have.")
@click.option(
    "--all-rows",
    is_flag=True,
    help="Also our further methods and the controls of other trainings: takes longer.",
)
@_options.limit
@_options.data_root
@_options.download
@_options.device
@click.option("--precision", help="fp32, bf16, or auto: whichever is faster here. [default: auto]")
@_options.batch_size
@_options.plugin
@click.option("--dry-run", is_flag=True, help="Say what would be done, and how long it would take.")
def reproduce(
    names: tuple[str, ...], out: str, plugin: tuple[str, ...], dry_run: bool, **options: Any
) -> None:
    """Measure a paper's tables and figures again, next to the published values.

    Runs what is missing, then writes NAME.csv (row, column, published, ours, ci_low, ci_high, n,
    train_seeds), the same as HTML, LaTeX and Markdown, and figures as SVG and PDF. Without NAME,
    lists what can be reproduced. Run again, it computes only what is missing.
    """
    from robobench.registry import REPRODUCTIONS, load_plugin_file

    for file in plugin:
        load_plugin_file(file)
    if not names:
        from robobench.cli.list import table

        table([(name, REPRODUCTIONS.entry(name).summary) for name in REPRODUCTIONS])
        return
    wanted = list(dict.fromkeys(REPRODUCTIONS.canonical(name) for name in names))
    from robobench.reproductions.planning import Settings, prepare

    settings = Settings(**{k: v for k, v in options.items() if v is not None})
    prepared = [prepare(name, settings) for name in wanted]  # all of them before any work begins
    for each in prepared:
        _one(each, Path(out), dry_run)


def _one(prepared: Prepared, out: Path, dry_run: bool) -> None:
    from robobench.cli._progress import progress

    _tell(prepared)
    if dry_run:
        return
    with progress(prepared.plans) as advance:
        prepared.execute(advance)
    from robobench.reports.papers.console import show
    from robobench.reports.papers.files import write
    from robobench.reproductions.measuring import measure

    measured = measure(prepared)
    written = write(measured, out)
    show(measured)
    click.echo(f"written: {out / prepared.name}{{{','.join(_endings(written, prepared.name))}}}")


def _endings(written: list[Path], name: str) -> list[str]:
    return [path.name.removeprefix(name) for path in written]


def _tell(prepared: Prepared) -> None:
    """Say how much there is to do, before it is done."""
    from robobench.evaluation.dry_run import estimate

    told = [estimate(plan) for plan in prepared.plans]
    cells, stored = sum(t.cells for t in told), sum(t.stored for t in told)
    images = len(prepared.plans[0].source)
    left = sum(t.predictions for t in told)
    work = f"{left:,} predictions to make, {_lasting(sum(t.seconds for t in told))}"
    click.echo(
        f"{prepared.name}: {cells:,} cells of {images:,} images, {stored:,} already stored; "
        f"{work if left else 'nothing left to run'} ({prepared.folder})"
    )


def _lasting(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"
