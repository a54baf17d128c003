"""``robobench run``: evaluate methods on corruptions, print the table, write the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from robobench.cli import _names, _options
from robobench.errors import CellsFailed
from robobench.evaluation.configuration import Configuration, read_settings

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan
    from robobench.results.run import Run


_PATH = _options.PATH


@click.command()
@click.option(
    "--methods",
    shell_complete=_names.of_methods,
    help="Comma-separated names; NAME@TRAINED_ON picks weights. [default: org]",
)
@click.option(
    "--corruptions",
    shell_complete=_names.of_corruptions,
    help="Names, groups (noise, blur, weather, digital, common, all), sweeps (jpeg:10-90/10), "
    "mixtures (gaussian_noise+jpeg). [default: common]",
)
@click.option(
    "--dataset",
    shell_complete=_names.of_datasets,
    help="A registered data set or folder:PATH. [default: shapes10]",
)
@click.option("--split", help="Split of the data set. [default: test]")
@_options.data_root
@_options.limit
@_options.download
@click.option(
    "--classes",
    type=_PATH,
    help="File: folder,class per line, or class names in order; or the word sorted (as ImageFolder).",
)
@click.option(
    "--skip-broken", is_flag=True, default=None, help="Leave out images that cannot be read."
)
@click.option("--severities", help="E.g. 1-5 or 1,3,5. [default: 1-5]")
@click.option(
    "--levels-per-image",
    type=int,
    help="In a sweep, evaluate each image at so many of the levels, by design. [default: all]",
)
@click.option("--profile", help="Severity table. [default: the data set's]")
@click.option(
    "--save-jpeg85", is_flag=True, default=None, help="Save as JPEG 85, as ImageNet-C does."
)
@click.option("--engine", help="native or imagecorruptions. [default: native]")
@click.option("--seed", help="Seed of the corruptions, or several, e.g. 0-2. [default: 0]")
@click.option(
    "--backbone",
    help="vgg-tiny, timm:NAME, torchvision:NAME, hf:NAME, onnx:FILE, FILE.py:factory; or several, with "
    "commas.",
)
@click.option(
    "--weights",
    type=_PATH,
    help="The classifier's weights (safetensors, PyTorch); for several classifiers as many, in order.",
)
@click.option(
    "--models", type=_PATH, help="TOML file with a table for each of several classifiers."
)
@click.option("--label", help="Name of the classifier in the results. [default: --backbone]")
@click.option(
    "--layer",
    help="Layer after which modules are plugged in, see `robobench list layers`. [default: the first "
    "convolution with its activation, or the patch embedding]",
)
@_options.train_seeds("0")
@click.option("--train-missing", is_flag=True, default=None, help="Train missing weights first.")
@click.option("--images", type=_PATH, help="Folder of photographs that it trains on.")
@click.option("--no-reference", is_flag=True, default=None, help="Leave out org.")
@click.option("--stream", help="Images come to methods that adapt iid or by-class. [default: iid]")
@click.option(
    "--adapt",
    help="They adapt continual(ly) or episodic(ally, batch by batch). [default: continual]",
)
@_options.draws
@_options.seed_sd
@_options.geometry
@click.option(
    "--corrupt-at", help="crop (as ImageNet-C) or native (full-size image). [default: crop]"
)
@_options.device
@_options.precision
@click.option(
    "--compile",
    is_flag=False,
    flag_value="auto",
    shell_complete=_names.of_compilation,
    help="Compile networks: always, never, or auto (the plain --compile): if it pays. [default: never]",
)
@_options.batch_size
@click.option("--workers", type=int, help="Threads that read files.")
@click.option("--executor", help="local or ray. [default: local]")
@click.option(
    "--ray-address", help="Address of a running Ray cluster. [default: one of this machine]"
)
@click.option("--shard", help="Compute one of several parts, e.g. 3/8; they may run at once.")
@click.option(
    "--keep",
    help="logits: store every class's logit with each prediction (2 bytes per image and class).",
)
@click.option(
    "--config", type=_PATH, help="TOML file with these options; the command line takes precedence."
)
@_options.plugin
@click.option(
    "--dry-run",
    is_flag=True,
    default=None,
    help="Say what would be done, and how long it would take.",
)
@click.option("--out", type=_PATH, help="Folder for the run. [default: runs/DATASET]")
@click.option(
    "--drift",
    is_flag=True,
    default=None,
    help="Also measure how far features drift, with each repair and without; the report shows it.",
)
@click.option("--no-report", is_flag=True, default=None, help="Do not write a report.")
@click.option(
    "--full",
    is_flag=True,
    default=None,
    help="Print every corruption, not only a row per method.",
)
def run(config: str | None, **options: Any) -> None:
    """Evaluate methods on corruptions.

    Prints accuracy with 95 % intervals and what each method recovers, and writes predictions,
    tables and a report. Run again, it computes only what is missing.
    """
    from robobench.evaluation.classifiers import prepare_all
    from robobench.evaluation.drift import check_drift
    from robobench.evaluation.progress import run_progress
    from robobench.evaluation.run import check_folder, execute_all
    from robobench.results.run import load

    settings = read_settings(config) if config else {}
    settings |= {k: v for k, v in options.items() if v is not None and v != ()}
    dry_run, no_report, full, drift = (
        settings.pop(name, False) for name in ("dry_run", "no_report", "full", "drift")
    )
    configuration = Configuration.from_settings(settings)
    check_folder(configuration.folder)
    plans = prepare_all(configuration, tell=click.echo)
    methods = [method for plan in plans for method in plan.grid.methods]
    several = len({m.backbone.label for m in methods}) > 1
    for line in dict.fromkeys(
        f"{m.backbone.label}, {m.line}" if several else m.line for m in methods
    ):
        click.echo(line)
    if drift:
        check_drift(plans)
    if dry_run:
        for plan in plans:
            _tell_what_would_be_done(plan)
        return
    try:
        with run_progress(plans) as advance:
            done = execute_all(plans, advance=advance, tell=click.echo)
    except CellsFailed:
        stored = load(configuration.folder)
        if stored.cells:
            _show(stored, report=not no_report, full=full)
        raise
    if configuration.shard is not None and not done.is_complete:
        click.echo(
            f"shard {configuration.shard} is done; {len(done.cells)} of {done.manifest['cells']} cells "
            f"are in {done.folder}, and the shard that stores the last one writes tables and report"
        )
        return
    if drift:
        _measure_drift(plans)
    _show(done, report=not no_report, full=full)


def _measure_drift(plans: list[Plan]) -> None:
    from robobench.evaluation.drift import IMAGES, conditions_of, write_drift
    from robobench.training.progress import progress

    images = sum(conditions_of(p) * min(IMAGES, len(p.source)) for p in plans)
    with progress("drift of the features", images) as update:
        path = write_drift(plans, advance=lambda count: update(advance=count))
    click.echo(f"drift of the features: {path}")


def _tell_what_would_be_done(plan: Plan) -> None:
    from robobench.evaluation.dry_run import estimate

    told = estimate(plan)
    click.echo(
        f"{told.cells} cells of {'up to ' if plan.grid.designs else ''}{len(plan.source)} images, {told.stored} already stored; "
        f"{told.predictions} predictions to make, about {told.seconds:.0f} s and "
        f"{told.megabytes:.1f} MB in {plan.configuration.folder}"
    )
    for line in told.missing:
        click.echo(f"  {line}")


def _show(done: Run, *, report: bool, full: bool) -> None:
    from robobench.reports.console_summary import print_results
    from robobench.reports.run_summary import print_summary

    if full:
        print_summary(done.summary(), done.manifest)
    else:
        print_results(done)
        for note in done.summary().attrs.get("notes", []):
            click.echo(f"note: {note}")
    for note in done.manifest["notes"]:
        click.echo(f"note: {note}")
    if report:
        from robobench.reports.builder import build

        folder = done.folder / "report"
        build([done], folder)
        click.echo(f"report: {folder / 'index.html'}")
    click.echo(f"tables: {done.folder / 'results.csv'} and results.parquet")
