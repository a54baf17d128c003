"""`ddp`: deep degradation prior (Wang et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import robobench
from robobench.methods.feature_repair import FeatureRepair

_LEAST_WIDTH = 8


class FeatureDeDrifting(nn.Module):
    """Three pairs of 3 x 3 convolutions, their outputs joined by a 1 x 1 convolution.

    For 64 channels the widths are 64, 32 and 16: 117,472 parameters with the image as an additional
    input (the authors' later code), 115,744 without (probably the original).

    Args:
        channels: Number of feature channels.
        widths: Numbers of channels of the three pairs.
        image: Whether the image, resized to the features, is an additional input.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], image: bool = True) -> None:
        super().__init__()
        self.image = image
        pairs = []
        inputs = channels + 3 * image
        for width in widths:
            pairs.append(
                nn.Sequential(
                    nn.Conv2d(inputs, width, 3, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(width, width, 3, padding=1),
                    nn.ReLU(),
                )
            )
            inputs = width
        self.pairs = nn.ModuleList(pairs)
        self.join = nn.Conv2d(sum(widths), channels, 1)

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Repaired, non-negative features, from features that follow a ReLU.

        Args:
            features: N x C x h x w.
            images: N x 3 x H x W on 0..1.
        """
        current = features
        if self.image:
            size = features.shape[2:]
            small = interpolate(images, size, mode="bilinear", antialias=images.shape[2:] != size)
            current = torch.cat([features, small], dim=1)
        outputs = []
        for pair in self.pairs:
            current = pair(current)
            outputs.append(current)
        joined: Tensor = self.join(torch.cat(outputs, dim=1))
        return joined.relu()


@robobench.method("ddp", trainings=("jpeg_compression", "noise"), worth=14)
class Ddp(FeatureRepair):
    """A feature de-drifting module after the stem, trained without labels (Wang et al. 2020)."""

    @classmethod
    def settings(cls, channels: int) -> dict[str, Any]:
        """Widths 64, 32 and 16 for 64 channels, and in proportion."""
        widths = [max(_LEAST_WIDTH, channels // part) for part in (1, 2, 4)]
        return {"channels": channels, "widths": widths, "image": True}

    @classmethod
    def build(cls, settings: Mapping[str, Any], *, training: bool = False) -> nn.Module:
        """See `FeatureDeDrifting`."""
        return FeatureDeDrifting(
            settings["channels"], tuple(settings["widths"]), image=settings["image"]
        )
