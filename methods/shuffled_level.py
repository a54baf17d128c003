"""Controls: level-aware classifiers that are given the level of another image.

What is left of a gain when the level says nothing of the image is not the level's doing.
"""

from __future__ import annotations

import torch
from torch import Tensor

import robobench
from robobench.corruptions.random import stream, uniform
from robobench.errors import RobobenchError
from robobench.methods.level_aware import JpegLevel, LevelAware, NoiseLevel
from robobench.training.task import TrainingTask
from robobench.types import Context

_STREAM = 301  # apart from every corruption's own random numbers


class ShuffledLevel(LevelAware):
    """Gives the classifier a level drawn evenly from all that were met in training.

    All images of one cell have the same level, so that shuffling is over the whole sweep: the level
    that an image is given is that of an image somewhere in it.
    """

    estimates = False

    def level_of(self, images: Tensor, context: Context) -> Tensor:
        """Scaled levels, float32 N, which depend on the images' places in their data set alone.

        Raises:
            RobobenchError: The places are not known.
        """
        if context.indices is None:
            raise RobobenchError(f"{type(self).__name__} must be told the images' indices")
        draws = uniform(stream(context.indices, _STREAM), 1)[:, 0]
        low, high = self.levels
        levels = low + draws * (high - low)
        return (levels / self.scale).to(images.device, torch.float32)

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Refuse: another method's training serves."""
        raise RobobenchError(
            f"{task.method} takes the weights of {cls.trained_as}: train that instead"
        )


@robobench.method("jpg-shuffledqf")
class JpgShuffledQuality(ShuffledLevel, JpegLevel):
    """A control: the network of jpg-estqf, given the quality of another image."""

    trained_as = "jpg-estqf"


@robobench.method("noisy-shuffledlevel")
class NoisyShuffledLevel(ShuffledLevel, NoiseLevel):
    """A control: the network of noisy-estnl, given the noise level of another image."""

    trained_as = "noisy-estnl"
