"""Train what a run lacks: ``run --train-missing``."""

from __future__ import annotations

from collections.abc import Callable

from robobench.backbones.overrides import overrides
from robobench.errors import MissingWeights
from robobench.evaluation.configuration import Configuration


def train_missing(
    configuration: Configuration, missing: MissingWeights, tell: Callable[[str], None]
) -> None:
    """Train the weights that a plan lacks.

    Args:
        configuration: Of the run.
        missing: What is missing.
        tell: Called with a line for each training.
    """
    from robobench.training.trainer import TrainingRequest, train_one

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
        **overrides(configuration),
    )
    for training in missing.trainings:
        tell(f"training {missing.method} on {training}")
        try:
            train_one(request, missing.method, training)
        except MissingWeights as before:  # weights that this training itself needs
            train_missing(configuration, before, tell)
            train_one(request, missing.method, training)
