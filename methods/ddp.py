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

    Untrained it changes nothing: rectified features pass through the first pair and the join. Ones
    that are not rectified would be clipped on the way; they are added to the output instead.

    Args:
        channels: Number of feature channels.
        widths: Numbers of channels of the three pairs; the first is at least `channels`.
        image: Whether the image, resized to the features, is an additional input.
        rectified: Whether the features follow a ReLU, and the output is rectified as well.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        image: bool = True,
        rectified: bool = True,
    ) -> None:
        super().__init__()
        self.image = image
        self.rectified = rectified
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
        self._start_at_identity()

    def _start_at_identity(self) -> None:
        nn.init.zeros_(self.join.weight)
        assert self.join.bias is not None
        nn.init.zeros_(self.join.bias)
        if self.rectified:
            for layer in self.pairs[0].modules():
                if isinstance(layer, nn.Conv2d):
                    assert layer.bias is not None
                    nn.init.dirac_(layer.weight)
                    nn.init.zeros_(layer.bias)
            nn.init.dirac_(self.join.weight)

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Repaired features, non-negative if rectified.

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
        return joined.relu() if self.rectified else features + joined


@robobench.method("ddp", trainings=("common",), worth=14)
class Ddp(FeatureRepair):
    """A feature de-drifting module after the stem, trained without labels (Wang et al. 2020)."""

    @classmethod
    def settings(cls, channels: int, *, rectified: bool) -> dict[str, Any]:
        """Widths 64, 32 and 16 for 64 channels, and in proportion."""
        widths = [max(_LEAST_WIDTH, channels // part) for part in (1, 2, 4)]
        return {"channels": channels, "widths": widths, "image": True, "rectified": rectified}

    @classmethod
    def build(cls, settings: Mapping[str, Any], *, training: bool = False) -> nn.Module:
        """See `FeatureDeDrifting`."""
        return FeatureDeDrifting(
            settings["channels"],
            tuple(settings["widths"]),
            image=settings["image"],
            rectified=settings.get("rectified", True),
        )
