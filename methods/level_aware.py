"""Classifiers that also get the level of the degradation (Endo et al. 2020, section 3).

A network estimates the level from the image; the classifier gets the image and the level. The
estimator is trained first and then frozen. With the true level in its place the method is an
oracle: it shows what a perfect estimator would be worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

import robobench
from robobench.backbones.backbone import Backbone, cost_of, folded, placed
from robobench.backbones.level_network import LevelNetwork
from robobench.backbones.own import staged_network
from robobench.baselines import recipe_endo_2020
from robobench.errors import RobobenchError
from robobench.methods.estimators import BlockEstimator, EnergyEstimator, PixelwiseEstimator
from robobench.training.classifying import accuracies, classification_loss, in_batches
from robobench.training.task import TrainingTask
from robobench.types import CLEAN, Context, Cost, Recipe, Weights
from robobench.weights import storage as stored

_PAPER_WIDTH: Final = 64
_ESTIMATOR_WIDTHS: Final = {"vgg-tiny": 16, "vgg-small": 24}
_MOST_ESTIMATOR_STEPS: Final = 1600
Estimator = PixelwiseEstimator | BlockEstimator | EnergyEstimator
_BLOCKS: Final = "blocks"
_ENERGIES: Final = "energies"
# Values that stand in for a width.
_LEAN: Final[dict[str, type[BlockEstimator | EnergyEstimator]]] = {
    _BLOCKS: BlockEstimator,
    _ENERGIES: EnergyEstimator,
}
# Its estimator (seed 0) is used for other data sets and seeds, too: it does not depend on classes.
_SHARED_FROM: Final = "cifar10"


class LevelAware(robobench.Method):
    """Maps an image and its level, estimated or true, to class probabilities.

    Attributes:
        levels: Lowest and highest level seen in training.
        scale: Divisor of levels before they enter a network.
        untouched: Level of an undegraded image.
        estimates: Whether the level is estimated or given.
    """

    weights_of = "classifier"
    levels: ClassVar[tuple[float, float]]
    scale: ClassVar[float]
    untouched: ClassVar[float]
    estimates: ClassVar[bool] = True

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is None:
            return
        settings = weights.card.recipe["network"]
        self.classifier = LevelNetwork(
            staged_network(settings["architecture"], backbone.num_classes),
            entry=settings.get("entry"),
        )
        self.estimator = self.new_estimator(settings["estimator_width"]) if self.estimates else None
        for name, network in (("classifier.", self.classifier), ("estimator.", self.estimator)):
            if network is None:
                continue
            network.load_state_dict(weights.part(name))
            placed(network, backbone.device)
            network.eval().requires_grad_(False)
        self._running = folded(self.classifier)

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities from the images and their levels."""
        levels = self.level_of(images, context)
        with torch.inference_mode(), self.backbone.autocast():
            logits = self._running(self.backbone.normalise(images), levels)
        probabilities: Tensor = logits.float().softmax(dim=1)
        return probabilities

    def level_of(self, images: Tensor, context: Context) -> Tensor:
        """The scaled level of each image: estimated, or as given in the context."""
        if self.estimator is not None:
            with torch.inference_mode(), self.backbone.autocast():
                estimate: Tensor = self.estimator(images.float() / 255)
            return estimate.float().clamp(0, 1)
        if context.level is None:
            raise RobobenchError(f"{type(self).__name__} must be told the true level")
        level = context.level if context.level > 0 else self.untouched
        return torch.full((len(images),), level / self.scale, device=images.device)

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """``estimated_level`` in the corruption's own unit, if it is estimated."""
        if not self.estimates:
            return {}
        return {"estimated_level": self.level_of(images, context) * self.scale}

    @classmethod
    def applies_to(cls, corruption: str) -> bool:
        """Any corruption, if the level is estimated; with a true level only the method's own."""
        return cls.estimates or corruption in (CLEAN, cls.trained_on)

    def cost(self) -> Cost:
        """Cost of classifier and estimator."""
        example = self.backbone.normalise(self.backbone.example)
        costs = [cost_of(self.classifier, example, torch.zeros(1, device=example.device))]
        if self.estimator is not None:
            costs.append(cost_of(self.estimator, example))
        return Cost(sum(c.parameters for c in costs), sum(c.macs for c in costs))

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """The settings of the image-only classifiers, so that the two can be compared."""
        from robobench.baselines.trained_on_degraded import Jpg, Noisy

        twin = {j.trained_on: j for j in (Jpg, Noisy)}[cls.trained_on or ""]
        width = _ESTIMATOR_WIDTHS.get(backbone.name, _PAPER_WIDTH) if backbone else _PAPER_WIDTH
        lean = _BLOCKS if cls.trained_on == "jpeg_compression" else _ENERGIES
        steps = recipe_endo_2020.ESTIMATOR_STEPS[lean]
        recipes = {
            name: recipe.with_options(estimator_width=width)
            for name, recipe in twin.recipes(backbone).items()
        }
        paper = recipes[recipe_endo_2020.NAME]
        recipes[recipe_endo_2020.NAME] = paper.with_options(
            estimator_width=lean, estimator_steps=steps, shared=True
        )
        return recipes

    @staticmethod
    def new_estimator(width: int | str) -> Estimator:
        """An untrained estimator.

        Args:
            width: Channels of the paper's, or the name of a lightweight one, as on the card.
        """
        return _LEAN[width]() if isinstance(width, str) else PixelwiseEstimator(width)

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train the estimator, freeze it, then train the classifier on its estimates."""
        task.require_labels()
        backbone = task.frozen
        start = task.fresh_own_network()
        tensors: dict[str, Tensor] = {}
        settings: dict[str, Any] = {
            "architecture": task.architecture,
            "start": task.start_of_arm,
        }
        estimator, minutes = None, 0.0
        if cls.estimates:
            settings["estimator_width"] = task.recipe.options["estimator_width"]
            shared = cls._shared_estimator(task) if task.recipe.options.get("shared") else None
            if shared is None:
                estimator, minutes = cls._fit_estimator(task)
            else:
                estimator, settings["estimator"] = shared
            tensors |= {f"estimator.{k}": v for k, v in estimator.state_dict().items()}
        torch.manual_seed(task.train_seed)
        network = LevelNetwork(start, entry=task.recipe.options.get("entry"))
        settings["entry"] = network.entry
        placed(network, backbone.device)

        def levels_of(images: Tensor, true: Tensor) -> Tensor:
            if estimator is None:
                return true / cls.scale
            with torch.no_grad():
                estimate: Tensor = estimator(images.float() / 255)
            return estimate.float().clamp(0, 1)

        def objective(step: int) -> Tensor:
            _, images, levels, labels = task.degraded_batch(step)
            logits = network(backbone.normalise(images), levels_of(images, levels))
            return classification_loss(logits.float(), labels)

        def answer(images: Tensor, level: float) -> Tensor:
            true = torch.full((len(images),), level, device=images.device)
            logits: Tensor = network(backbone.normalise(images), levels_of(images, true))
            return logits

        def validate() -> Mapping[str, float]:
            return accuracies(answer, task.conditions, task.clean[1])

        fit = task.fit(network, objective, validate, stage="classifier")
        tensors |= {f"classifier.{k}": v for k, v in network.state_dict().items()}
        task.save(tensors, fit, settings, minutes)

    @classmethod
    def _shared_estimator(cls, task: TrainingTask) -> tuple[Estimator, str] | None:
        """The estimator trained on CIFAR-10, and its description for the card."""
        if (task.dataset, task.train_seed) == (_SHARED_FROM, 0):
            return None
        found = stored.find(
            task.method,
            dataset=_SHARED_FROM,
            backbone_name=task.architecture,
            trained_on=task.trained_on,
            train_seed=0,
        )
        if not found:
            return None
        weights = stored.load(found[0])
        estimator = cls.new_estimator(weights.card.recipe["network"]["estimator_width"])
        estimator.load_state_dict(weights.part("estimator."))
        estimator = estimator.to(task.device).eval().requires_grad_(False)
        return estimator, f"of {weights.card.file}, sha256 {weights.card.digest}"

    @classmethod
    def _fit_estimator(cls, task: TrainingTask) -> tuple[Estimator, float]:
        torch.manual_seed(task.train_seed)
        width = task.recipe.options["estimator_width"]
        estimator = cls.new_estimator(width).to(task.device)
        recipe = task.recipe.in_one_cycle(
            steps=task.recipe.options.get(
                "estimator_steps", min(task.recipe.steps, _MOST_ESTIMATOR_STEPS)
            ),
            optimizer="adam",
            rate=2e-3 if width == _ENERGIES else 3e-3,
            weight_decay=0.0,
            keep="best",  # the estimator starts from scratch
        )

        def objective(step: int) -> Tensor:
            _, images, levels, _ = task.degraded_batch(step)
            return mse_loss(estimator(images.float() / 255).float(), levels / cls.scale)

        def validate() -> Mapping[str, float]:
            errors = {}
            for degradation, images in task.conditions:
                guess = in_batches(lambda some: estimator(some.float() / 255).float(), images)
                error = (guess.clamp(0, 1) * cls.scale - degradation.level).square().mean().sqrt()
                errors[f"rms {degradation.label}"] = float(error)
            return {"minus rms": -sum(errors.values()) / len(errors), **errors}

        fit = task.fit(estimator, objective, validate, stage="estimator", recipe=recipe)
        return estimator.requires_grad_(False), fit.minutes


class JpegLevel(LevelAware):
    """Level-aware for JPEG: the quality over 100."""

    trained_on = "jpeg_compression"
    levels = (1, 100)
    scale = 100.0
    untouched = 100.0


class NoiseLevel(LevelAware):
    """Level-aware for Gaussian noise: sigma over 50."""

    trained_on = "gaussian_noise"
    levels = (0, 50)
    scale = 50.0
    untouched = 0.0


@robobench.method("jpg-estqf", trainings=("jpeg_compression",), worth=22)
class JpgEstimatedQuality(JpegLevel):
    """Trained on JPEG; gets the image and its estimated quality (Endo et al. 2020)."""


@robobench.method("noisy-estnl", trainings=("gaussian_noise",), worth=24)
class NoisyEstimatedLevel(NoiseLevel):
    """Trained on noise; gets the image and its estimated noise level (Endo et al. 2020)."""


@robobench.method("jpg-trueqf")
class JpgTrueQuality(JpegLevel):
    """Trained on JPEG; gets the image and its true quality: an oracle."""

    needs = frozenset({"level"})
    estimates = False


@robobench.method("noisy-truenl")
class NoisyTrueLevel(NoiseLevel):
    """Trained on noise; gets the image and its true noise level: an oracle."""

    needs = frozenset({"level"})
    estimates = False
