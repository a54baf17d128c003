"""``robobench train``: train the weights that are missing."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import click

from robobench.errors import RobobenchError

_UNITS = {"": 60, "s": 1, "m": 60, "h": 3600}


def seconds_in(text: str) -> float:
    """``25m``, ``90s``, ``1.5h`` or minutes without a unit, in seconds.

    Raises:
        RobobenchError: Anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if match is None or float(match[1]) <= 0:
        raise RobobenchError(f"--time-limit: expected a time like 25m, 90s or 1.5h, got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


@click.command(short_help="Train weights and store them where run finds them.")
@click.option("--method", help="Method to train. [default: everything that is missing]")
@click.option("--dataset", help="Data set to train for. [default: shapes10, or all of a study's]")
@click.option("--backbone", help="Classifier. [default: the data set's own]")
@click.option("--weights", help="File of the classifier's weights.")
@click.option("--trained-on", help="Corruptions or groups, comma-separated.")
@click.option("--images", help="Folder of images to train on instead of the data set's own.")
@click.option("--limit", type=click.IntRange(min=1), help="Train on this many images.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--recipe", help="Named settings: standard, quick, long, or a study's: endo-2020.")
@click.option("--start", help="File of weights that --method org starts from.")
@click.option("--time-limit", help="Stop after 25m, 90s, 1h; the same command resumes.")
@click.option("--data-root", help="Folder of the data sets. [default: ROBOBENCH_DATA]")
@click.option("--download", is_flag=True, help="Allow downloads of data and pretrained weights.")
@click.option("--classes", help="Not needed for training; accepted so that commands can be copied.")
@click.option("--split", "split_at", help="Layer after which a module is plugged in.")
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="auto measures which one is faster here.",
)
@click.option("--plugin", multiple=True, help="Python file that registers more methods.")
@click.option("--again", is_flag=True, help="Train again what is there already.")
def train(
    method: str | None,
    dataset: str | None,
    backbone: str | None,
    weights: str | None,
    trained_on: str | None,
    images: str | None,
    limit: int | None,
    seed: int,
    recipe: str | None,
    start: str | None,
    time_limit: str | None,
    data_root: str | None,
    download: bool,
    classes: str | None,
    split_at: str | None,
    device: str,
    precision: str,
    plugin: tuple[str, ...],
    again: bool,
) -> None:
    """Train weights and store them with their card where `run` finds them.

    Without --method, everything that is missing for the data set is trained, most valuable first;
    --recipe endo-2020 alone trains what is missing from that study, on all its data sets. An
    interrupted training resumes where it stopped.
    """
    from robobench.registry import STUDIES, load_plugin_file
    from robobench.training.study import trainings_of
    from robobench.training.trainer import Order, train_one, wanted
    from robobench.weights import storage as store

    deadline = time.monotonic() + seconds_in(time_limit) if time_limit else float("inf")
    for file in plugin:
        load_plugin_file(file)
    order = Order(
        dataset=dataset or "shapes10",
        backbone=backbone,
        weights=weights,
        images=images,
        limit=limit,
        seed=seed,
        recipe=recipe,
        data_root=data_root,
        download=download,
        split_at=split_at,
        device=device,
        precision=precision,
        deadline=deadline,
        start=start,
    )
    if method is None and recipe is not None and recipe in STUDIES:
        jobs = [
            (
                replace(order, dataset=t.dataset, seed=t.seed, start_dataset=t.start),
                t.method,
                t.trained_on,
            )
            for t in trainings_of(recipe, dataset)
        ]
    else:
        jobs = [(order, name, on) for name, on in wanted(order, method, trained_on)]
    with _Bar() as bar:
        for number, (one, name, on) in enumerate(jobs, 1):
            what = f"{one.dataset} {name}@{on} [{number}/{len(jobs)}]"
            bar.begin(what)
            path = train_one(one, name, on, again=again, progress=bar.update)
            card = store.read_card(path.card)
            figures = ", ".join(f"{k} {_figure(k, v)}" for k, v in list(card.accuracy.items())[:2])
            state = "trained" if path.trained else "there already"
            took = f", {card.minutes:g} minutes" if path.trained else ""
            bar.say(f"{name}@{on}: {state}, validation {figures}{took}: {path.card}")
            if time.monotonic() > deadline and number < len(jobs):
                raise _time_is_up([(name, on) for _, name, on in jobs[number:]])


def _time_is_up(left: list[tuple[str, str]]) -> RobobenchError:
    from robobench.training.fitting import TimeLimitReached

    names = ", ".join(f"{m}@{on}" for m, on in left)
    return TimeLimitReached(f"the time is up, not trained yet: {names}; the same command resumes")


def _figure(name: str, value: float) -> str:
    return f"{value:.2f}" if name.startswith(("psnr", "minus", "rms")) else f"{value:.1%}"


class _Bar:
    """Progress with the time left on a terminal; elsewhere only a line for each result."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task: Any = None
        self._what = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, what: str) -> None:
        """Start the bar of one training."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._what = what
        self._task = self._progress.add_task(what, total=1.0, note="")

    def update(self, stage: str, share: float, figures: Mapping[str, float]) -> None:
        """Advance it."""
        note = next((f"{k} {_figure(k, v)}" for k, v in figures.items()), "")
        text = self._what if stage == "network" else f"{self._what} {stage}"
        self._progress.update(self._task, completed=share, note=note, description=text)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._progress.stop()
        click.echo(line)
        self._progress.start()
