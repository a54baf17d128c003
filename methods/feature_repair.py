"""What all plug-in modules share: they repair the features of a frozen classifier's stem."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone, cost_of
from robobench.methods.drift_loss import DriftLoss, against_untreated, refuse_if_worse
from robobench.methods.repair_recipes import PHOTOGRAPHS, SMALL_IMAGES, suited
from robobench.training.task import TrainingTask
from robobench.types import Context, Cost, Recipe, Weights


class FeatureRepair(robobench.Method):
    """A small module between the stem and the rest of a frozen classifier.

    It is trained without labels, on pairs of a clean and a degraded image. The loss is a sum of up
    to three parts, weighted by options of the recipe that the card records:

    * ``stem``: squared distance between the repaired features of the degraded image and the stem's
      features of the clean one (Wang et al., CVPR 2020): the whole loss of the recipe ``paper``.
      It is smallest for blurred features, and recovers little.
    * ``stages``: the same distance at the ends of the classifier's stages, averaged over them.
    * ``distillation``: Kullback-Leibler divergence between the classifier's outputs for the two.

    Every distance is divided by the variance of the clean features, as magnitudes differ between
    networks and layers. Only ``stem`` is published; the others are what makes a few photographs
    suffice.
    """

    weights_of = "plugin"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.module: nn.Module | None = None
        if weights is not None:
            self.module = self.build(weights.card.recipe["network"])
            self.module.load_state_dict(dict(weights.tensors))
            self.module.to(backbone.device).eval().requires_grad_(False)

    @classmethod
    @abstractmethod
    def settings(cls, channels: int, *, rectified: bool) -> dict[str, Any]:
        """Arguments of `build`; stored in the card.

        Args:
            channels: Number of feature channels.
            rectified: Whether the features follow a ReLU, and repaired ones must be non-negative.
        """

    @classmethod
    @abstractmethod
    def build(cls, settings: Mapping[str, Any], *, training: bool = False) -> nn.Module:
        """A module that maps features and images on 0..1 to repaired features of the same shape.

        Untrained it changes nothing.
        """

    @classmethod
    def deploy(cls, module: nn.Module) -> nn.Module:
        """The module to store and run, made from the trained one."""
        return module

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities from the repaired features."""
        return self.from_stem(self.backbone.stem(images), images, context)

    def from_stem(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """The same, given the stem's features."""
        return self.backbone.rest(self._repaired(features, images)).softmax(dim=1)

    def features(self, images: Tensor, context: Context) -> list[Tensor]:
        """The repaired features, and what the stages make of them."""
        return self.backbone.maps(self._repaired(self.backbone.stem(images), images))

    def _repaired(self, features: Tensor, images: Tensor) -> Tensor:
        assert self.module is not None
        with self.backbone.autocast():
            repaired: Tensor = self.module(features, images.float() / 255)
        return repaired.float()

    def as_module(self) -> nn.Module:
        """The classifier with the module in it, in one pass."""
        assert self.module is not None
        return self.backbone.as_module(self.module)

    def cost(self) -> Cost:
        """Cost of the module plus the classifier around it."""
        assert self.module is not None
        example = self.backbone.example
        with torch.no_grad():
            features = self.backbone.stem(example)
        own = cost_of(self.module, features, example.float() / 255)
        around = self.backbone.cost()
        return Cost(own.parameters + around.parameters, own.macs + around.macs)

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings for many small images, or for crops of a few photographs; and the papers' loss."""
        small = Recipe(
            steps=1500,
            batch=64,
            rate=2e-3,
            minutes=3,
            options={**SMALL_IMAGES, "stem": 1.0, "stages": 0.0, "distillation": 1.0},
        )
        large = Recipe(
            steps=1600,
            batch=8,
            rate=5e-4,
            minutes=5,
            clip=1.0,
            warmup=0.05,
            evaluations=2,
            options={**PHOTOGRAPHS, "stem": 0.0, "stages": 4.0, "distillation": 0.1},
        )
        chosen = suited(backbone, small, large)
        published = replace(chosen, steps=2 * chosen.steps, minutes=2 * chosen.minutes)
        published = published.with_options(stem=1.0, stages=0.0, distillation=0.0)
        return {**chosen.in_lengths(), "paper": published}

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train on pairs of clean and degraded images; labels are not used."""
        backbone = task.frozen
        settings = cls.settings(backbone.stem_channels, rectified=backbone.stem_is_rectified)
        torch.manual_seed(task.train_seed)
        module = cls.build(settings, training=True).to(task.device)
        error = DriftLoss(backbone, task.recipe.options, task.clean[0])

        def repaired(images: Tensor) -> Tensor:
            with torch.no_grad():
                features = backbone.stem(images)
            result: Tensor = module(features, images.float() / 255)
            return result.float()

        def objective(step: int) -> Tensor:
            clean, degraded, _, _ = task.degraded_batch(step)
            return error(repaired(degraded), clean)

        def logits(images: Tensor) -> Tensor:
            return backbone.rest(repaired(images))

        fit = task.fit(module, objective, against_untreated(task, lambda _: logits))
        refuse_if_worse(task, fit.figures)
        task.save(cls.deploy(module).state_dict(), fit, settings)
