"""`arcnn-res` and `dncnn-res`: classifiers trained on restored images (Endo et al., ICIP 2020).

Endo et al. compare restoration in front of a classifier trained on clean images, "(b)-org", with
restoration in front of one trained on restored images, "(b)-res". The former are `arcnn` and
`dncnn`, the latter are defined here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.baselines.trained_on_degraded import Jpg, Noisy
from robobench.baselines.trained_restorer import TrainedRestorer, restored_by
from robobench.registry import METHODS
from robobench.training.fitting import Fit
from robobench.training.task import TrainingTask
from robobench.types import Degradation, Recipe, Weights

_RESTORER, _CLASSIFIER = "restorer.", "classifier."


class RestoredClassifier(TrainedRestorer):
    """A classifier with the backbone's architecture, trained on the output of a trained restorer.

    It is trained with the recipe and the code of `jpg`, except that images are restored first.

    Attributes:
        restorer: Name of the method whose network restores the images.
    """

    weights_of = "classifier"
    restorer: ClassVar[str]

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone)
        self.weights = weights
        if weights is not None:
            card = weights.card
            shape = card.recipe["network"]["restorer"]
            kind: type[TrainedRestorer] = METHODS[self.restorer]
            network = kind.load_network(shape, weights.part(_RESTORER))
            self.network = network.to(backbone.device)
            self.classifier = backbone.with_state(weights.part(_CLASSIFIER), card.file)

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Recipes of `jpg`, extended by the noise levels that `noisy` is trained on."""
        noise: Mapping[str, Any] = Noisy.recipes(backbone)
        return {
            name: recipe.with_options(
                ranges={**noise[name].options["ranges"], **recipe.options["ranges"]}
            )
            for name, recipe in Jpg.recipes(backbone).items()
        }

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Restore the training images, then train like `jpg`."""
        task.require_labels()
        behind = _TaskBehindRestorer(
            **{f.name: getattr(task, f.name) for f in fields(TrainingTask)}
        )
        behind.restorer = task.trained(cls.restorer, task.trained_on)
        Jpg.fit(behind)
        task.saved = behind.saved


class _TaskBehindRestorer(TrainingTask):
    """The same training on restored images; the saved weights include the restorer."""

    restorer: Weights

    @cached_property
    def network(self) -> nn.Module:
        """The restorer's frozen network."""
        card = self.restorer.card
        kind: type[TrainedRestorer] = METHODS[card.method]
        network = kind.load_network(card.recipe["network"], self.restorer.tensors)
        return network.to(self.device)

    def degraded_batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        clean, degraded, levels, labels = super().degraded_batch(step)
        return clean, self._restored(degraded), levels, labels

    @cached_property
    def conditions(self) -> list[tuple[Degradation, Tensor]]:
        return [(d, self._restored(images)) for d, images in super().conditions]

    def save(
        self,
        tensors: Mapping[str, Tensor],
        fit: Fit,
        network: Mapping[str, Any],
        minutes: float = 0,
    ) -> Any:
        both = {_CLASSIFIER + name: tensor for name, tensor in tensors.items()}
        both |= {_RESTORER + name: tensor for name, tensor in self.restorer.tensors.items()}
        shape = self.restorer.card.recipe["network"]
        told = {**network, "restorer": shape, "restorer digest": self.restorer.card.digest}
        return super().save(both, fit, told, minutes)

    def _restored(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return restored_by(self.network, images)


@robobench.method("arcnn-res", trainings=("jpeg_compression",), worth=94)
class ArcnnRes(RestoredClassifier):
    """ARCNN, then a classifier trained on images it restored (Endo et al., ICIP 2020, "res")."""

    restorer = "arcnn"


@robobench.method("dncnn-res", trainings=("jpeg_compression",), worth=95)
class DnCnnRes(RestoredClassifier):
    """DnCNN, then a classifier trained on images it restored (Endo et al., ICIP 2020, "res")."""

    restorer = "dncnn"
