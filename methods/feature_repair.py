"""What all plug-in modules share: they repair the features of a frozen classifier's stem."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone, cost_of
from robobench.training.classifying import divergence
from robobench.training.task import TrainingTask, in_batches
from robobench.types import Context, Cost, Recipe, Weights

_SMALL_SIDE = 64


class FeatureRepair(robobench.Method):
    """A small module between the stem and the rest of a frozen classifier.

    It is trained without labels, on pairs of a clean and a degraded image: the loss is the l2
    distance between the repaired features of the degraded image and the stem's features of the
    clean one (Wang et al., CVPR 2020). Recipes may add ``distillation``, the weight of a
    Kullback-Leibler divergence between the frozen network's outputs for the two. The papers have no
    such term. On 32 x 32 images the distance alone recovers next to nothing, as it is smallest for
    blurred features; the cards record the weight.
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
    def settings(cls, channels: int) -> dict[str, Any]:
        """Arguments of `build` for features with this many channels; stored in the card."""

    @classmethod
    @abstractmethod
    def build(cls, settings: Mapping[str, Any], *, training: bool = False) -> nn.Module:
        """A module that maps features and images on 0..1 to repaired features of the same shape."""

    @classmethod
    def deploy(cls, module: nn.Module) -> nn.Module:
        """The module to store and run, made from the trained one."""
        return module

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities from the repaired features."""
        return self.from_stem(self.backbone.stem(images), images, context)

    def from_stem(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """The same, given the stem's features."""
        assert self.module is not None
        with self.backbone.autocast():
            repaired = self.module(features, images.float() / 255)
        return self.backbone.rest(repaired.float()).softmax(dim=1)

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
        """Settings for training on many small images, or on random crops of a few photographs."""
        small = Recipe(
            steps=1500,
            batch=64,
            rate=2e-3,
            minutes=3,
            options={
                "shift": 3,
                "ranges": {"jpeg_compression": (5, 90)},
                "distillation": 1.0,
            },
        )
        large = Recipe(
            steps=400,
            batch=8,
            rate=3e-4,
            minutes=5,
            clip=1.0,
            options={
                "crop": 128,
                "ranges": {"jpeg_compression": (5, 50)},
                "distillation": 1.0,
            },
        )
        is_large = backbone is not None and backbone.example.shape[-1] > _SMALL_SIDE
        return (large if is_large else small).in_lengths()

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train on pairs of clean and degraded images; labels are not used."""
        backbone = task.frozen
        settings = cls.settings(backbone.stem_channels)
        torch.manual_seed(task.train_seed)
        module = cls.build(settings, training=True).to(task.device)
        weight = float(task.recipe.options["distillation"])
        # Feature magnitudes differ between networks; the variance makes their losses comparable.
        spread = _spread(backbone, task.clean[0])

        def repaired(images: Tensor) -> Tensor:
            with torch.no_grad():
                features = backbone.stem(images)
            result: Tensor = module(features, images.float() / 255)
            return result.float()

        def objective(step: int) -> Tensor:
            clean, degraded, _, _ = task.degraded_batch(step)
            with torch.no_grad():
                target = backbone.stem(clean)
                wanted = backbone.rest(target) if weight else None
            features = repaired(degraded)
            loss = (features - target).square().mean() / spread
            if wanted is not None:
                loss = loss + weight * divergence(backbone.rest(features), wanted)
            return loss

        def validate() -> dict[str, float]:
            return _fidelity(task, lambda images: backbone.rest(repaired(images)))

        fit = task.fit(module, objective, validate)
        task.save(cls.deploy(module).state_dict(), fit, settings)


def _spread(backbone: Backbone, images: Tensor) -> float:
    with torch.no_grad():
        return float(backbone.stem(images[:32]).var())


def _fidelity(task: TrainingTask, logits: Any) -> dict[str, float]:
    """How closely outputs for degraded images match those for the clean ones.

    The first figure, which selects the weights, is exp(-KL), averaged over conditions: no labels.
    """
    clean, _ = task.clean
    wanted = in_batches(task.frozen.logits, clean)
    figures = {}
    agreement = []
    for degradation, images in task.conditions:
        answer = in_batches(logits, images)
        figures[degradation.label] = math.exp(-float(divergence(answer, wanted)))
        agreement.append(float((answer.argmax(1) == wanted.argmax(1)).float().mean()))
    mean = sum(figures.values()) / len(figures)
    return {"fidelity": mean, "agreement": sum(agreement) / len(agreement), **figures}
