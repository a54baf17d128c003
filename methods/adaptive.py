"""`adaptive`: one set of weights for clean, compressed and noisy images, and for both at once.

Endo et al. 2020 leave two things open: their networks lose on clean images, and they know one
distortion each. Here both levels are estimated inside the network, from the features of its stem,
and scale and shift every stage; clean images and mixtures are in the training; and the clean-trained
network's answer to the clean image is what the degraded image's answer is pulled to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, mse_loss

import robobench
from robobench.backbones.backbone import Backbone, cost_of, placed
from robobench.backbones.level_network import LevelNetwork
from robobench.backbones.own import own_network
from robobench.backbones.staged import StagedNetwork
from robobench.baselines import endo_2020
from robobench.training.fitting import Recipe, in_lengths
from robobench.training.pools import Degrader, degrade_all, validation_conditions
from robobench.training.task import TrainingTask, in_batches
from robobench.types import CLEAN, Context, Cost, Degradation, Weights

_JPEG: Final = "jpeg_compression"
_NOISE: Final = "gaussian_noise"
_RANGES: Final = {_JPEG: (1, 100), _NOISE: (0, 50)}
# Clean, JPEG, noise, noise and then JPEG.
_SHARES: Final = (0.1, 0.4, 0.4, 0.1)
_MOST_QUALITY: Final = 101  # of an image that was never compressed
_MOST_SIGMA: Final = 50
_TEMPERATURE: Final = 2.0
# The averaged networks that it starts from: each has learned one of the two distortions, and with
# one start and recipe for both their mean is nearly as good at each as the one that learned it.
_PARENTS: Final = (("jpg", _JPEG), ("noisy", _NOISE))


class AdaptiveNetwork(nn.Module):
    """A `LevelNetwork` that estimates quality and noise level itself, from the mean and power of its stem.

    Args:
        network: What is scaled and shifted.
    """

    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.classifier = LevelNetwork(network, levels=2)
        width = network.widths[0]
        self.levels = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, N x classes, and scaled levels, N x 2 (quality, sigma), of normalised images."""
        features = self.classifier.network.stem(images)
        statistics = torch.cat([features.mean((2, 3)), features.square().mean((2, 3)).sqrt()], 1)
        levels = self.levels(statistics)
        return self.classifier.after_stem(features, levels), levels


@robobench.method("adaptive", trainings=("gaussian_noise+jpeg_compression",), worth=26)
class Adaptive(robobench.Method):
    """Clean, JPEG and noise with one set of weights; answers for an image and its mirror image."""

    weights_of = "classifier"
    trained_on = "gaussian_noise+jpeg_compression"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is not None:
            architecture = weights.card.recipe["network"]["architecture"]
            self.network = AdaptiveNetwork(own_network(architecture, backbone.num_classes))
            self.network.load_state_dict(dict(weights.tensors))
            placed(self.network, backbone.device)
            self.network.eval().requires_grad_(False)

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Mean of the probabilities of an image and its mirror image.

        Mirroring an image of a multiple of 8 pixels leaves JPEG's grid where it was.
        """
        both = torch.cat([images, images.flip(3)])
        with torch.inference_mode(), self.backbone.autocast():
            logits, _ = self.network(self.backbone.normalise(both))
        straight, mirrored = logits.float().softmax(1).chunk(2)
        mean: Tensor = (straight + mirrored) / 2
        return mean

    def cost(self) -> Cost:
        """Of the network; it runs twice."""
        once = cost_of(self.network, self.backbone.normalise(self.backbone.example))
        return Cost(once.parameters, 2 * once.macs)

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Those of the classifiers for one distortion."""
        usual = Recipe(
            steps=3200, batch=128, rate=0.05, minutes=8, optimizer="sgd", weight_decay=5e-4,
            warmup=0.2, options={"shift": 3, "ranges": _RANGES},
        )  # fmt: skip
        # At first a gentle rate: the parents have learned most of it.
        first = endo_2020.ON_DEGRADED.steps // 4
        paper = replace(
            endo_2020.ON_DEGRADED, steps=3 * first, minutes=30, rate=0.02, restarts=((first, 0.03),)
        ).with_options(ranges=_RANGES)
        return {**in_lengths(usual), endo_2020.NAME: paper}

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train from the mean of `jpg` and `noisy` on, with the backbone as teacher."""
        task.require_labels()
        backbone = task.frozen
        network = AdaptiveNetwork(task.fresh_own_network())
        network.classifier.network.load_state_dict(_mean_of_parents(task))
        placed(network, backbone.device)
        degrade = _Mixture(task.train_seed, task.profile, task.recipe.options.get("emphasis"))

        def objective(step: int) -> Tensor:
            clean, labels = task.batch(step)
            degraded, levels = degrade(clean, step)
            clean, degraded, levels, labels = (
                t.to(task.device) for t in (clean, degraded, levels, labels)
            )
            with torch.no_grad():
                target = (backbone.logits(clean) / _TEMPERATURE).softmax(1)
            logits, guess = network(backbone.normalise(degraded))
            logits = logits.float()
            answer = log_softmax(logits / _TEMPERATURE, dim=1)
            distance = kl_div(answer, target, reduction="batchmean") * _TEMPERATURE**2
            supervised = cross_entropy(logits, labels, label_smoothing=0.05)
            return supervised + distance + mse_loss(guess.float(), levels)

        conditions = _validation_sets(task)

        def validate() -> Mapping[str, float]:
            labels = task.clean[1]
            scores = {}
            for degradation, images in conditions:
                logits = in_batches(lambda some: network(backbone.normalise(some))[0], images)
                scores[degradation.label] = float((logits.argmax(1) == labels).float().mean())
            return {"mean": sum(scores.values()) / len(scores), **scores}

        fit = task.fit(network, objective, validate)
        settings: dict[str, Any] = {
            "architecture": task.architecture,
            "start": "mean of jpg and noisy",
            "teacher": backbone.digest,
        }
        task.save(network.state_dict(), fit, settings)


class _Mixture:
    """Degrades training images in the shares of `_SHARES`."""

    def __init__(
        self, seed: int, profile: str, emphasis: Mapping[str, Sequence[float]] | None
    ) -> None:
        self.seed = seed
        self.jpeg, self.noise = (
            Degrader((name,), profile, ranges=_RANGES, seed=seed, emphasis=emphasis)
            for name in (_JPEG, _NOISE)
        )

    def __call__(self, images: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Degraded uint8 images and their scaled levels, N x 2 (quality, sigma)."""
        generator = np.random.default_rng([self.seed, step, 2])
        kinds = torch.from_numpy(generator.choice(len(_SHARES), len(images), p=_SHARES))
        noisy, sigmas = self.noise(images, step)
        has_noise = kinds >= 2
        mixed = torch.where(has_noise[:, None, None, None], noisy, images)
        compressed, qualities = self.jpeg(mixed, step)
        has_jpeg = (kinds == 1) | (kinds == 3)
        mixed = torch.where(has_jpeg[:, None, None, None], compressed, mixed)
        qualities = torch.where(has_jpeg, qualities, float(_MOST_QUALITY)) / _MOST_QUALITY
        sigmas = torch.where(has_noise, sigmas, 0.0) / _MOST_SIGMA
        return mixed, torch.stack([qualities, sigmas], dim=1)


def _mean_of_parents(task: TrainingTask) -> dict[str, Tensor]:
    """The averaged tensors of the networks in `_PARENTS`.

    Raises:
        MissingWeights: One of them is not there yet.
    """
    states = [task.trained(method, trained_on).tensors for method, trained_on in _PARENTS]
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
    }


def _validation_sets(task: TrainingTask) -> list[tuple[Degradation, Tensor]]:
    """Validation images clean, compressed and noisy, at five levels each."""
    clean, _ = task.clean
    found = validation_conditions((_JPEG, _NOISE), task.profile, _RANGES)
    return [
        (Degradation(CLEAN), clean),
        *((d, degrade_all(clean.cpu(), d).to(task.device)) for d in found),
    ]
