"""Level-aware classifiers whose JPEG quality nobody has to estimate with a network.

Endo et al. (2020) estimate the quality from pixels by a trained network and ask what a perfect
estimate would be worth. A decoded JPEG still shows which quantisation table made it, and a JPEG
file says it in its header. Both go to the classifier of `jpg-estqf`, so that nothing differs from
that method but where the quality comes from.
"""

from __future__ import annotations

import torch
from torch import Tensor

import robobench
from robobench.corruptions.jpeg_quality import search_quality
from robobench.errors import RobobenchError
from robobench.methods.level_aware import JpegLevel
from robobench.training.task import TrainingTask
from robobench.types import Context


class FoundQuality(JpegLevel):
    """The classifier of `jpg-estqf`, given a quality that was found without its estimator."""

    trained_as = "jpg-estqf"
    estimates = False  # by a network

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """``estimated_level``: the quality that was found; 100 where none was."""
        return {"estimated_level": self.level_of(images, context) * self.scale}

    @classmethod
    def applies_to(cls, corruption: str) -> bool:
        """A quality can be looked for in anything."""
        return True

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Refuse: another method's training serves."""
        raise RobobenchError(
            f"{task.method} takes the weights of {cls.trained_as}: train that instead"
        )


@robobench.method("jpg-exactqf")
class JpgExactQuality(FoundQuality):
    """Trained on JPEG; gets the image and the quality that a search over all tables finds."""

    def level_of(self, images: Tensor, context: Context) -> Tensor:
        """Quality over 100, float32 N; 1 where the search finds no compression."""
        return search_quality(images).nan_to_num(nan=self.untouched) / self.scale


@robobench.method("jpg-headerqf")
class JpgHeaderQuality(FoundQuality):
    """Trained on JPEG; gets the image and the quality in the header of its file."""

    needs = frozenset({"header_quality"})

    def level_of(self, images: Tensor, context: Context) -> Tensor:
        """Quality over 100, float32 N; 1 where the image is no JPEG file's."""
        if context.header_quality is None:
            raise RobobenchError(f"{type(self).__name__} must be told the header's quality")
        told = context.header_quality.to(images.device, torch.float32)
        return torch.where(told > 0, told, self.untouched) / self.scale
