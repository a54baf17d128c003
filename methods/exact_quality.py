"""Level-aware classifiers that get the JPEG quality without an estimator network.

Endo et al. (2020) estimate the quality from pixels with a trained network and ask what a perfect
estimate would be worth. A decoded JPEG still shows which quantisation table was used, and a JPEG
file records it in its header. Both feed the classifier of `jpg-estqf`, so that the source of the
quality is all that differs from that method.
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
    """The classifier of `jpg-estqf`, given a quality found without its estimator."""

    trained_as = "jpg-estqf"
    estimates = False  # with a network

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """``estimated_level``: the quality found; 100 if there was none."""
        return {"estimated_level": self.level_of(images, context) * self.scale}

    @classmethod
    def applies_to(cls, corruption: str) -> bool:
        """Any corruption: a quality can be searched for in any image."""
        return True

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Refuse: it uses the weights of another method."""
        raise RobobenchError(
            f"{task.method} takes the weights of {cls.trained_as}: train that instead"
        )


@robobench.method("jpg-exactqf")
class JpgExactQuality(FoundQuality):
    """Trained on JPEG; gets the image and the quality found by a search over all tables."""

    def level_of(self, images: Tensor, context: Context) -> Tensor:
        """Quality over 100, float32 N; 1 if the search finds no compression."""
        return search_quality(images).nan_to_num(nan=self.untouched) / self.scale


@robobench.method("jpg-headerqf")
class JpgHeaderQuality(FoundQuality):
    """Trained on JPEG; gets the image and the quality in its file's header."""

    needs = frozenset({"header_quality"})

    def level_of(self, images: Tensor, context: Context) -> Tensor:
        """Quality over 100, float32 N; 1 if the image is not from a JPEG file."""
        if context.header_quality is None:
            raise RobobenchError(f"{type(self).__name__} must be told the header's quality")
        told = context.header_quality.to(images.device, torch.float32)
        return torch.where(told > 0, told, self.untouched) / self.scale
