"""A small network that tells from an image's statistics how it was degraded, if at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy

from robobench.methods.estimators import EnergyEstimator, cosines, reading
from robobench.training.degrader import Degrader
from robobench.training.task import TrainingTask
from robobench.types import Recipe

_BLOCK: Final = 8
_FAINTEST: Final = 1e-3  # energies below do not matter; on 0..1
_HIDDEN: Final = 64


class DegradationDetector(nn.Module):
    """Logits of ``clean`` and of each kind of degradation.

    The energies of the 64 cosine patterns of 8 x 8 pixels in red, green and blue show blur,
    pixelation and haze, the local energies of `EnergyEstimator` noise and clipping. These
    statistics are fixed; only their scaling and three linear layers are learned, so that a few
    photographs suffice. They hardly depend on the size of the image.

    Args:
        kinds: Number of kinds of degradation.
    """

    basis: Tensor

    def __init__(self, kinds: int) -> None:
        super().__init__()
        self.register_buffer("basis", cosines(_BLOCK), persistent=False)
        self.energies = EnergyEstimator()
        del self.energies.reading
        inputs = self.energies.count + 3 * _BLOCK**2
        self.scaling = nn.BatchNorm1d(inputs, affine=False)
        self.reading = reading(inputs, _HIDDEN, _HIDDEN, kinds + 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float32 N x (1 + kinds), for images on 0..1 of 8 x 8 pixels or more.

        Always in full precision: weak noise amounts to single grey levels.
        """
        with torch.autocast(images.device.type, enabled=False):
            count, _, height, width = images.shape
            planes = images.reshape(count * 3, 1, height, width)
            blocks = conv2d(planes, self.basis, stride=_BLOCK)
            sizes = (blocks.square().mean((2, 3)) + _FAINTEST**2).log().reshape(count, -1)
            statistics = torch.cat([self.energies.statistics(images), sizes], dim=1)
            logits: Tensor = self.reading(self.scaling(statistics))
        return logits


def train_detector(
    task: TrainingTask, kinds: Sequence[Sequence[str]], recipe: Recipe
) -> tuple[DegradationDetector, float]:
    """Train a detector on the images of a task.

    Args:
        task: Has the images.
        kinds: The corruptions of each kind.
        recipe: Its settings; the option ``clean_share`` is the fraction of clean images.

    Returns:
        The detector, and the minutes that it took.
    """
    torch.manual_seed(task.train_seed)
    detector = DegradationDetector(len(kinds)).to(task.device)
    kind_of = {name: 1 + place for place, names in enumerate(kinds) for name in names}
    degraders = [
        Degrader(
            names, task.profile, ranges=task.ranges, seed=task.train_seed + 1, logarithmic=True
        )
        for names in kinds
    ]
    share = float(recipe.options["clean_share"])

    def objective(step: int) -> Tensor:
        clean, _ = task.batch(step)
        truth = torch.zeros(len(clean), dtype=torch.int64)
        draws = torch.rand(len(clean))
        images = clean.clone()
        for place, degrader in enumerate(degraders):
            low, high = (share + (1 - share) * p / len(degraders) for p in (place, place + 1))
            rows = ((draws >= low) & (draws < high)).nonzero()[:, 0]
            if len(rows):
                images[rows] = degrader(clean[rows], step)[0]
                truth[rows] = place + 1
        images = images.to(task.device)
        return cross_entropy(detector(images.float() / 255), truth.to(task.device))

    def validate() -> dict[str, float]:
        with torch.no_grad():
            clean, _ = task.clean
            right = [(detector(clean.float() / 255).argmax(1) == 0).float().mean()]
            for degradation, images in task.conditions:
                if degradation.corruption in kind_of:
                    found = detector(images.float() / 255).argmax(1)
                    right.append((found == kind_of[degradation.corruption]).float().mean())
        return {"recognised": float(torch.stack(right[1:]).mean()), "clean": float(right[0])}

    fit = task.fit(detector, objective, validate, stage="detector", recipe=recipe)
    return detector, fit.minutes
