"""Train what a run lacks: ``run --train-missing``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from robobench.backbones.overrides import overrides
from robobench.errors import MissingWeights, RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.registry import METHODS
from robobench.weights.candidates import recipe_names
from robobench.weights.samples import answers_to, source_named, wanted_by
from robobench.weights.storage import read_card


def train_missing(
    configuration: Configuration, missing: MissingWeights, tell: Callable[[str], None]
) -> None:
    """Train the weights that a plan lacks.

    Args:
        configuration: Of the run.
        missing: What is missing.
        tell: Called with a line for each training.

    Raises:
        RobobenchError: It cannot be trained, or not on the images that its tag names.
    """
    from robobench.training.trainer import TrainingRequest, train_one

    recipes = recipe_names(METHODS[missing.method], None)
    wanted = wanted_by(missing.tag, recipes)

    request = TrainingRequest(
        dataset=configuration.dataset,
        backbone=configuration.backbone,
        weights=configuration.weights,
        seed=missing.train_seed,
        data_root=configuration.data_root,
        download=configuration.download,
        device=configuration.device,
        layer=configuration.layer,
        classes=configuration.classes,
        images=configuration.images,
        limit=wanted.limit,
        recipe=wanted.recipe,
        **overrides(configuration),
    )
    folder = configuration.images
    place = request.dataset_name if folder is None else f"images:{Path(folder).resolve().name}"
    if wanted.digest or wanted.source not in ("", source_named(place)):
        raise RobobenchError(
            f"{missing}; --train-missing would train on {source_named(place) or place}"
        )
    for training in missing.trainings:
        tell(f"training {missing.method} on {training}")
        try:
            made = train_one(request, missing.method, training, tell=tell)
        except MissingWeights as before:  # weights that this training itself needs
            train_missing(configuration, before, tell)
            made = train_one(request, missing.method, training, tell=tell)
        if missing.tag and not answers_to(read_card(made.card), missing.tag, recipes):
            raise RobobenchError(
                f"{missing}; those of {made.card} are not what #{missing.tag} names"
            )
