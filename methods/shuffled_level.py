"""Controls: level-aware classifiers that are given another image's level.

Any gain that remains when the level is unrelated to the image is not due to the level.
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

_STREAM = 301  # separate from the random streams of corruptions


class ShuffledLevel(LevelAware):
    """Gives the classifier a level drawn uniformly from the training range.

    All images of one cell have the same level, so shuffling is over the whole sweep: an image is
    given the level of an image somewhere in the sweep.
    """

    estimates = False

    def level_of(self, images: Tensor, context: Context) -> Tensor:
        """Scaled levels, float32 N, which depend only on the images' indices in the data set.

        Raises:
            RobobenchError: The indices are not known.
        """
        if context.indices is None:
            raise RobobenchError(f"{type(self).__name__} must be told the images' indices")
        draws = uniform(stream(context.indices, _STREAM), 1)[:, 0]
        low, high = self.levels
        levels = low + draws * (high - low)
        return (levels / self.scale).to(images.device, torch.float32)

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Refuse: it uses the weights of another method."""
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
