"""``robobench train``: train the weights that are missing."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from robobench.cli import _options
from robobench.errors import RobobenchError
from robobench.training.progress import figure, of_training, progress

_UNITS = {"": 60, "s": 1, "m": 60, "h": 3600}


def seconds_in(text: str) -> float:
    """Seconds in a text like ``25m``, ``90s`` or ``1.5h``; without a unit it means minutes.

    Raises:
        RobobenchError: Anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if match is None or float(match[1]) <= 0:
        raise RobobenchError(f"--time-limit: expected a time like 25m, 90s or 1.5h, got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


@click.command(short_help="Train weights, and store them where run finds them.")
@click.option("--method", help="Method to train. [default: all whose weights are missing]")
@click.option("--dataset", help="Data set. [default: shapes10, or all data sets of a study]")
@click.option("--backbone", help="Classifier. [default: that of the data set]")
@click.option("--weights", help="File with the classifier's weights.")
@click.option(
    "--trained-on", help="Corruption, levels (jpeg:5-40) or group; / joins some in one training."
)
@click.option("--images", help="Folder of training images. [default: the training split]")
@click.option("--limit", type=click.IntRange(min=1), help="Number of training images.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Training seed."
)
@click.option(
    "--recipe", help="Named settings: standard, quick, long, paper, or a study: endo-2020."
)
@click.option("--start", help="File of weights from which --method org starts.")
@click.option(
    "--time-limit", help="Stop after 25m, 90s, 1h (5 is 5 minutes); the same command resumes."
)
@click.option("--data-root", help="Folder of the data sets. [default: ROBOBENCH_DATA]")
@click.option("--download", is_flag=True, help="Allow downloads of data and pretrained weights.")
@click.option("--classes", help="File that maps folder names to classes, or the word sorted.")
@click.option("--layer", help="Layer after which a module is plugged in, see list layers.")
@_options.geometry
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, mps.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="auto measures which is faster on this machine.",
)
@click.option("--plugin", multiple=True, help="Python file that registers more methods.")
@click.option("--keep-anyway", is_flag=True, help="Store a module even if it is worse than none.")
@click.option("--again", is_flag=True, help="Train again what is already trained.")
def train(
    method: str | None,
    dataset: str | None,
    trained_on: str | None,
    recipe: str | None,
    time_limit: str | None,
    plugin: tuple[str, ...],
    again: bool,
    **options: Any,
) -> None:
    """Train weights, and store them with their card where `run` finds them.

    Without --method, all weights that are missing for the data set are trained, the most valuable
    first. --recipe endo-2020 alone trains what is missing of that study, on all its data sets. An
    interrupted training resumes where it stopped; stopped by --time-limit, it ends with exit code 0.
    """
    from robobench.datasets.opening import check_dataset_name
    from robobench.registry import STUDIES, load_plugin_file
    from robobench.training.study import trainings_of
    from robobench.training.trainer import TrainingRequest, requested_trainings, train_one
    from robobench.weights import storage

    deadline = time.monotonic() + seconds_in(time_limit) if time_limit else float("inf")
    for file in plugin:
        load_plugin_file(file)
    if dataset is not None:
        check_dataset_name(dataset)
    if options["images"] is not None and not Path(options["images"]).is_dir():
        raise RobobenchError(f"--images {options['images']}: no such folder")
    request = TrainingRequest(
        dataset=dataset or "shapes10", recipe=recipe, deadline=deadline, **options
    )
    if method is None and recipe is not None and recipe in STUDIES:
        trainings = [
            (
                replace(request, dataset=t.dataset, seed=t.seed, start_dataset=t.start),
                t.method,
                t.trained_on,
            )
            for t in trainings_of(recipe, dataset)
        ]
    else:
        trainings = [
            (request, name, on) for name, on in requested_trainings(request, method, trained_on)
        ]
    if not trainings:
        how = f"{method} names no training of its own: add --trained-on" if method else "see --help"
        raise RobobenchError(f"nothing to train: {how}")
    done = 0
    for number, (one, name, on) in enumerate(trainings, 1):
        label = f"{one.dataset} {name}@{on} [{number}/{len(trainings)}]"
        with progress(label, total=1.0) as update:
            result = train_one(
                one, name, on, again=again, progress=of_training(update, label), tell=click.echo
            )
        done += result.trained
        card = storage.read_card(result.card)
        state = "trained" if result.trained else "already trained"
        took = f", {card.minutes:g} minutes" if result.trained else ""
        click.echo(f"{name}@{on}: {state}, {_worth(card.accuracy)}{took}: {result.card}")
        if time.monotonic() > deadline and number < len(trainings):
            raise _time_limit_reached([(name, on) for _, name, on in trainings[number:]])
    if not done:
        click.echo("nothing was trained: all weights were there; --again trains them again")


def _time_limit_reached(left: list[tuple[str, str]]) -> RobobenchError:
    from robobench.training.fitting import TimeLimitReached

    names = ", ".join(f"{m}@{on}" for m, on in left)
    return TimeLimitReached(
        f"time limit reached, not trained yet: {names}; run the same command again to resume"
    )


def _worth(figures: Mapping[str, float]) -> str:
    """What validation says of new weights."""
    if (without := figures.get("untreated agreement")) is not None:
        return (
            f"{figures['agreement']:.1%} of degraded validation images classified as without "
            f"degradation, {without:.1%} before"
        )
    first = list(figures.items())[:2]
    return "validation " + ", ".join(f"{k} {figure(k, v)}" for k, v in first)
