"""Which of several stored trainings the rows of a table are measured with, and how to make those that lack."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from robobench.errors import RobobenchError, unknown_name
from robobench.evaluation.grid import split_list
from robobench.registry import METHODS
from robobench.reproductions.published import Reproduction
from robobench.reproductions.settings import MeasurementSettings
from robobench.weights import storage
from robobench.weights.candidates import recipe_names
from robobench.weights.coverage import asked_training
from robobench.weights.missing import has_training_images, training_command
from robobench.weights.samples import wanted_by
from robobench.weights.selection import bare_name

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone


def with_trainings(reproduction: Reproduction, trained: str) -> Reproduction:
    """A table measured with the trainings that the user names.

    Args:
        reproduction: The table or figure.
        trained: Comma-separated: ``#10-cub100`` for every row that is trained, or
            ``ddp@jpeg#10-cub100`` for the rows of one training; that counts more.

    Raises:
        RobobenchError: A name has no tag, or the table has no such training.
    """
    waiting = [row.method for row in reproduction.on_demand]
    specs = (*reproduction.needed, *reproduction.optional, *waiting)
    known = {spec: _key(spec) for spec in specs if _is_trained(spec)}
    tags: dict[str, str] = {}
    for one in sorted(split_list(trained) or [trained], key=lambda text: not text.startswith("#")):
        spec, _, tag = one.partition("#")
        if not tag:
            raise RobobenchError(
                f"--trained {one}: expected what a training learned from after #, as in '#10' or "
                "ddp@jpeg#10; `robobench list weights` shows what there is"
            )
        fitting = [row for row, key in known.items() if _names(spec, key)]
        if not fitting:
            raise unknown_name(f"training of {reproduction.title}", spec or one, known)
        tags.update(dict.fromkeys(fitting, tag))
    return reproduction.with_methods(lambda spec: f"{spec}#{tags[spec]}" if spec in tags else spec)


def _is_trained(spec: str) -> bool:
    name = bare_name(spec)
    return name in METHODS and METHODS[name].weights_of != "none"


def _key(spec: str) -> tuple[str, str]:
    """The method that owns the weights, and what it was trained on; empty if that is left open."""
    method = METHODS[METHODS.canonical(bare_name(spec))]
    on = asked_training(spec.partition("@")[2])
    return method.trained_as or METHODS.canonical(bare_name(spec)), on or method.trained_on or ""


def _names(spec: str, key: tuple[str, str]) -> bool:
    """Whether a specification, empty for all, names the weights of a key."""
    if not spec:
        return True
    if bare_name(spec) not in METHODS:
        return False
    owner, on = _key(spec)
    return owner == key[0] and (on == key[1] or not on or not key[1])


def training_line(
    reproduction: Reproduction,
    settings: MeasurementSettings,
    spec: str,
    seed: int,
    backbone: Backbone | None,
) -> str:
    """A line with what is missing and the command that trains it.

    Args:
        reproduction: The table or figure.
        settings: How it is measured.
        spec: The method.
        seed: Training seed.
        backbone: The classifier; None if that is missing too.
    """
    dataset = storage.base_dataset(reproduction.dataset)
    training, _, tag = spec.partition("#")
    method, _, on = training.partition("@")
    owner = METHODS[method].trained_as or method
    wanted = wanted_by(tag, recipe_names(METHODS[owner], backbone))
    wanted = replace(wanted, recipe=wanted.recipe or reproduction.recipe or None)
    selection = {
        "--dataset": dataset,
        "--backbone": reproduction.backbone,
        "--weights": reproduction.weights,
        **settings.preparation,
        "--data-root": settings.data_root,
    }
    command = training_command(
        owner,
        [
            *(f"{option} {shlex.quote(value)}" for option, value in selection.items() if value),
            "--download" if settings.download else "",
        ],
        on,
        wanted,
        own_images=has_training_images(dataset),
        seed=seed,
    )
    recipes = METHODS[owner].recipes(backbone)
    recipe = recipes.get(wanted.recipe or next(iter(recipes), ""))
    duration = f" (about {max(1, round(recipe.minutes))} minutes on two cores)" if recipe else ""
    of_seed = f", training {seed}" if seed else ""
    return f"  {spec}{of_seed}: `{command}` trains it{duration}"
