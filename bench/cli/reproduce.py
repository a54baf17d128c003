"""``robobench reproduce``: measure tables and figures of a paper again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robobench.cli import _options

if TYPE_CHECKING:
    from robobench.reproductions.planning import PlannedReproduction


@click.command(short_help="Measure a paper's tables and figures again.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option(
    "--out",
    type=_options.PATH,
    default="reproduced",
    show_default=True,
    help="Folder for NAME.csv, .html, .tex, .md, and images of figures.",
)
@click.option(
    "--runs", type=_options.PATH, default="runs", show_default=True, help="Folder for the runs."
)
@_options.train_seeds("all that have weights")
@click.option("--published-only", is_flag=True, help="Leave out rows that are not in the paper.")
@click.option(
    "--all-rows",
    is_flag=True,
    help="Also evaluate further methods of ours and controls from other trainings; takes longer.",
)
@click.option("--dataset", help="Data set, for tables that may be measured on any.")
@click.option(
    "--backbone", help="Classifier, likewise: torchvision:NAME, timm:NAME, FILE.py:FACTORY."
)
@click.option("--weights", type=_options.PATH, help="File of its weights.")
@click.option("--classes", help="File that maps folder names to classes, or the word sorted.")
@click.option(
    "--layer", help="Layer after which modules are plugged in, see `robobench list layers`."
)
@_options.geometry
@click.option(
    "--trained",
    help="Which trainings, where several are stored: '#10-cub100' for all rows, or one by one with "
    "commas, ddp@jpeg#10-cub100,afd@jpeg#100; see `robobench list weights`.",
)
@_options.limit
@_options.data_root
@_options.download
@_options.device
@click.option(
    "--precision", help="fp32, bf16, or auto, the faster one on this machine. [default: auto]"
)
@_options.batch_size
@_options.plugin
@_options.draws
@click.option(
    "--dry-run", is_flag=True, help="Print what would be done and how long it would take."
)
def reproduce(
    names: tuple[str, ...], out: str, plugin: tuple[str, ...], dry_run: bool, **options: Any
) -> None:
    """Measure a paper's tables and figures again, next to the published numbers.

    Runs what is missing, then writes NAME.csv (row, column, published, ours, ci_low, ci_high, n,
    train_seeds), the same as HTML, LaTeX and Markdown, and figures as SVG and PDF. Without NAME, it
    lists the tables and figures. Run again, it computes only what is missing.
    """
    from robobench.registry import REPRODUCTIONS, load_plugin_file

    for file in plugin:
        load_plugin_file(file)
    if not names:
        from robobench.cli.list import table

        table([(name, REPRODUCTIONS.entry(name).summary) for name in REPRODUCTIONS])
        return
    names = tuple(dict.fromkeys(REPRODUCTIONS.canonical(name) for name in names))
    from robobench.reproductions.planning import plan_reproduction
    from robobench.reproductions.settings import MeasurementSettings

    settings = MeasurementSettings(**{k: v for k, v in options.items() if v is not None})
    planned = [plan_reproduction(name, settings) for name in names]  # all, before any work begins
    for one in planned:
        _tell_what_is_left(one)
        if not dry_run:
            _measure(one, Path(out))


def _measure(planned: PlannedReproduction, out: Path) -> None:
    from robobench.evaluation.progress import run_progress

    with run_progress(planned.plans) as advance:
        planned.execute(advance)
    from robobench.reports.papers.console import print_measured
    from robobench.reports.papers.files import write
    from robobench.reproductions.measuring import measure

    measured = measure(planned)
    written = write(measured, out)
    print_measured(measured)
    click.echo(f"written: {out / planned.name}{{{','.join(_endings(written, planned.name))}}}")


def _endings(written: list[Path], name: str) -> list[str]:
    return [path.name.removeprefix(name) for path in written]


def _tell_what_is_left(planned: PlannedReproduction) -> None:
    """Print how much there is to compute."""
    from robobench.evaluation.dry_run import estimate

    told = [estimate(plan) for plan in planned.plans]
    cells, stored = sum(t.cells for t in told), sum(t.stored for t in told)
    images = len(planned.plans[0].source)
    left = sum(t.predictions for t in told)
    work = f"{left:,} predictions to make, {_duration(sum(t.seconds for t in told))}"
    click.echo(
        f"{planned.name}: {cells:,} cells of {images:,} images, {stored:,} already stored; "
        f"{work if left else 'nothing left to run'} ({planned.folder})"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"
