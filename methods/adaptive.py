"""`adaptive`: one classifier for clean, compressed and noisy images, and for both at once.

Endo et al. 2020 leave two problems open: their networks lose accuracy on clean images, and each
handles one distortion. Here both levels are estimated, by the estimators of `jpg-estqf` and
`noisy-estnl`, and scale and shift every stage of one network; its training includes clean images
and mixtures; and the output for a degraded image is distilled from the clean-trained network's
output for the clean image. Where the estimates say that an image is nearly clean, the clean-trained
network's output is averaged in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone, cost_of, folded, placed
from robobench.backbones.level_network import LevelNetwork
from robobench.backbones.own import staged_network
from robobench.baselines import recipe_endo_2020
from robobench.methods.level_aware import JpgEstimatedQuality, LevelAware, NoisyEstimatedLevel
from robobench.training.classifying import accuracies, taught_loss
from robobench.training.degrader import Degrader, degrade_all, validation_conditions
from robobench.training.task import TrainingTask
from robobench.types import CLEAN, Context, Cost, Degradation, Recipe, Weights

_JPEG: Final = "jpeg_compression"
_NOISE: Final = "gaussian_noise"
_RANGES: Final = {_JPEG: (1, 100), _NOISE: (0, 50)}
# Clean, JPEG, noise, noise followed by JPEG.
_SHARES: Final = (0.1, 0.4, 0.4, 0.1)
# The networks whose mean it starts from: each was trained on one of the two distortions, and since
# they share start and recipe, their mean is nearly as good on each as the network trained on it.
_PARENTS: Final = (("jpg", _JPEG), ("noisy", _NOISE))
# The methods whose estimators provide the levels, in the order of the network's inputs.
_ESTIMATORS: Final[dict[str, type[LevelAware]]] = {
    "jpg-estqf": JpgEstimatedQuality,
    "noisy-estnl": NoisyEstimatedLevel,
}
# An image counts as nearly clean from this quality upwards and up to this sigma; nineteen of twenty
# undegraded images are estimated to be.
_NEARLY_CLEAN: Final = (90.0, 3.0)


class LevelEstimators(nn.Module):
    """The frozen estimators of JPEG quality and noise level, side by side.

    Args:
        widths: Kind of each estimator, as given in the cards of their methods.
    """

    def __init__(self, widths: Mapping[str, int | str]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            kind.new_estimator(widths[name]) for name, kind in _ESTIMATORS.items()
        )

    def forward(self, images: Tensor) -> Tensor:
        """Scaled levels of uint8 images, N x 2 (quality over 100, sigma over 50)."""
        pixels = images.float() / 255
        return torch.stack([network(pixels).float().clamp(0, 1) for network in self.networks], 1)


@robobench.method("adaptive", trainings=("gaussian_noise+jpeg_compression",), worth=26)
class Adaptive(robobench.Method):
    """Clean, JPEG and noise with one set of weights; averages an image and its mirror image."""

    weights_of = "classifier"
    trained_on = "gaussian_noise+jpeg_compression"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is None:
            return
        settings = weights.card.recipe["network"]
        network = staged_network(settings["architecture"], backbone.num_classes)
        self.classifier = LevelNetwork(network, levels=len(_ESTIMATORS))
        self.estimators = LevelEstimators(settings["estimators"])
        for name, part in (("classifier.", self.classifier), ("estimators.", self.estimators)):
            part.load_state_dict(weights.part(name))
            placed(part, backbone.device)
            part.eval().requires_grad_(False)
        self._running = folded(self.classifier)

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Mean of the probabilities of an image and its mirror image.

        Mirroring an image whose width is a multiple of 8 keeps JPEG's block grid in place. For a
        nearly clean image the result is averaged with the backbone's.
        """
        both = torch.cat([images, images.flip(3)])
        with torch.inference_mode(), self.backbone.autocast():
            levels = self.estimators(images)
            logits = self._running(self.backbone.normalise(both), levels.repeat(2, 1))
        mean = _mean_of_halves(logits.float().softmax(1))
        nearly_clean = self._nearly_clean(levels)
        if nearly_clean.any():
            mean_with_clean = (mean + _mean_of_halves(self.backbone(both))) / 2
            mean = torch.where(nearly_clean[:, None], mean_with_clean, mean)
        return mean

    def _nearly_clean(self, levels: Tensor) -> Tensor:
        """Which images are nearly clean, bool N, from scaled levels N x 2."""
        least_quality, most_sigma = _NEARLY_CLEAN
        quality, sigma = levels.unbind(1)
        return (quality * JpgEstimatedQuality.scale >= least_quality) & (
            sigma * NoisyEstimatedLevel.scale <= most_sigma
        )

    def cost(self) -> Cost:
        """Cost of all networks for a nearly clean image; the classifiers run twice."""
        example = self.backbone.normalise(self.backbone.example)
        levels = torch.zeros(1, len(_ESTIMATORS), device=example.device)
        once = cost_of(self.estimators, self.backbone.example)
        twice = [cost_of(self.classifier, example, levels), self.backbone.cost()]
        return Cost(
            once.parameters + sum(c.parameters for c in twice),
            once.macs + 2 * sum(c.macs for c in twice),
        )

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings as for the classifiers for one distortion."""
        usual = Recipe(
            steps=3200, batch=128, rate=0.05, minutes=8, optimizer="sgd", weight_decay=5e-4,
            warmup=0.2, options={"shift": 3, "ranges": _RANGES},
        )  # fmt: skip
        # Shorter cycles than for the other arms: the parents have learned most of it.
        paper = recipe_endo_2020.in_cycles(1080, 2160, rate=0.04).with_options(ranges=_RANGES)
        return {**usual.in_lengths(), recipe_endo_2020.NAME: paper}

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train from the mean of `jpg` and `noisy`, with the backbone as teacher.

        Raises:
            MissingWeights: A network that it builds on is not trained yet.
        """
        task.require_labels()
        backbone = task.frozen
        told_by = {
            name: task.trained(name, kind.trained_on or "") for name, kind in _ESTIMATORS.items()
        }
        parents = {name: task.trained(name, trained_on) for name, trained_on in _PARENTS}
        widths = {n: w.card.recipe["network"]["estimator_width"] for n, w in told_by.items()}
        estimators = _frozen_estimators(told_by, widths).to(task.device)
        start = task.fresh_own_network()
        start.load_state_dict(_mean_of([weights.tensors for weights in parents.values()]))
        network = LevelNetwork(start, levels=len(_ESTIMATORS))
        placed(network, backbone.device)
        degrade = _Mixture(task.train_seed, task.profile, task.recipe.options.get("emphasis"))

        def answer(images: Tensor) -> Tensor:
            with torch.no_grad():
                levels = estimators(images)
            logits: Tensor = network(backbone.normalise(images), levels)
            return logits.float()

        def objective(step: int) -> Tensor:
            clean, labels = task.batch(step)
            degraded = degrade(clean, step)
            clean, degraded, labels = (t.to(task.device) for t in (clean, degraded, labels))
            return taught_loss(task, answer(degraded), labels, clean)

        conditions = _validation_sets(task)

        def validate() -> Mapping[str, float]:
            return accuracies(lambda images, level: answer(images), conditions, task.clean[1])

        fit = task.fit(network, objective, validate)
        parts = {"classifier.": network, "estimators.": estimators}
        tensors = {f"{p}{k}": t for p, part in parts.items() for k, t in part.state_dict().items()}
        made: dict[str, Any] = {
            "architecture": task.architecture,
            "start": "mean of jpg and noisy",
            "teacher": backbone.digest,
            "estimators": widths,
            "built_on": {n: w.card.digest for n, w in {**parents, **told_by}.items()},
        }
        task.save(tensors, fit, made)


def _mean_of_halves(probabilities: Tensor) -> Tensor:
    straight, mirrored = probabilities.chunk(2)
    return (straight + mirrored) / 2


class _Mixture:
    """Degrades training images in the proportions of `_SHARES`."""

    def __init__(
        self, seed: int, profile: str, emphasis: Mapping[str, Sequence[float]] | None
    ) -> None:
        self.seed = seed
        self.jpeg, self.noise = (
            Degrader((name,), profile, ranges=_RANGES, seed=seed, emphasis=emphasis)
            for name in (_JPEG, _NOISE)
        )

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """Degraded uint8 images."""
        generator = np.random.default_rng([self.seed, step, 2])
        kinds = torch.from_numpy(generator.choice(len(_SHARES), len(images), p=_SHARES))
        noisy, _ = self.noise(images, step)
        mixed = torch.where((kinds >= 2)[:, None, None, None], noisy, images)
        compressed, _ = self.jpeg(mixed, step)
        has_jpeg = (kinds == 1) | (kinds == 3)
        return torch.where(has_jpeg[:, None, None, None], compressed, mixed)


def _frozen_estimators(
    told_by: Mapping[str, Weights], widths: Mapping[str, int | str]
) -> LevelEstimators:
    estimators = LevelEstimators(widths)
    for network, weights in zip(estimators.networks, told_by.values(), strict=True):
        network.load_state_dict(weights.part("estimator."))
    return estimators.eval().requires_grad_(False)


def _mean_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the tensors of networks with the same architecture."""
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
    }


def _validation_sets(task: TrainingTask) -> list[tuple[Degradation, Tensor]]:
    """Validation images, clean, compressed and noisy, at five levels each."""
    clean, _ = task.clean
    found = validation_conditions((_JPEG, _NOISE), task.profile, _RANGES)
    return [
        (Degradation(CLEAN), clean),
        *((d, degrade_all(clean.cpu(), d).to(task.device)) for d in found),
    ]
