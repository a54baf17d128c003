"""Built-in networks with the level of the degradation as an additional input."""

from __future__ import annotations

from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn

from robobench.backbones.staged import StagedNetwork
from robobench.backbones.tanaka import TanakaVgg

Entry = Literal["film", "plane", "concat"]
ENTRIES: Final = get_args(Entry)
_LEVEL_FEATURES: Final = 32


class LevelNetwork(nn.Module):
    """A built-in network that also takes the level of the degradation.

    The paper does not say where the level enters Endo et al.'s network (see docs/level-entries.md).
    Three entry points are supported; with each, the network initially equals the one it wraps.

    Args:
        network: Network to extend; modified in place where the level enters.
        levels: How many numbers describe the degradation.
        entry: ``film``: a small network computes a scale and a shift for every channel of the stem
            and of every stage (Perez et al. 2018). ``plane``: constant input planes in addition to
            red, green and blue. ``concat``: concatenated with the pooled features, before the first
            dense layer, the natural reading of the paper for its own network. None: ``concat`` for
            that one, ``film`` for the others.
    """

    def __init__(
        self, network: StagedNetwork, *, levels: int = 1, entry: Entry | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.entry = entry or ("concat" if isinstance(network, TanakaVgg) else "film")
        if self.entry == "film":
            self.embedding = nn.Sequential(nn.Linear(levels, _LEVEL_FEATURES), nn.ReLU())
            self.modulation = nn.Linear(_LEVEL_FEATURES, 2 * sum(network.widths))
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)
        elif self.entry == "plane":
            _widen(network.stem, nn.Conv2d, levels)
        else:
            _widen(network, nn.Linear, levels)

    def forward(self, images: Tensor, levels: Tensor) -> Tensor:
        """Logits, N x classes.

        Args:
            images: Normalised images, N x 3 x H x W.
            levels: float N (or N x levels), the level of each image, scaled to about 0..1.
        """
        levels = levels.reshape(len(images), -1)
        if self.entry == "plane":
            planes = levels[:, :, None, None].expand(-1, -1, *images.shape[2:])
            images = torch.cat([images, planes.to(images.dtype)], dim=1)
            images = images.contiguous(memory_format=torch.channels_last)
        features = self.network.stem(images)
        if self.entry == "film":
            features = self._modulated(features, levels)
        else:
            features = self.network.through_stages(features)
        pooled = self.network.pooled(features)
        if self.entry == "concat":
            pooled = torch.cat([pooled, levels.to(pooled.dtype)], dim=1)
        logits: Tensor = self.network.classifier(pooled)
        return logits

    def _modulated(self, features: Tensor, levels: Tensor) -> Tensor:
        """Features of the last stage, with the output of stem and stages scaled and shifted."""
        numbers = self.modulation(self.embedding(levels))[:, :, None, None]
        widths = self.network.widths
        scales, shifts = (part.split(widths, 1) for part in numbers.chunk(2, dim=1))
        features = torch.addcmul(shifts[0], features, 1 + scales[0])
        for stage, scale, shift in zip(self.network.stages, scales[1:], shifts[1:], strict=True):
            features = torch.addcmul(shift, stage(features), 1 + scale)
        return features


def _widen(network: nn.Module, kind: type[nn.Conv2d | nn.Linear], more: int) -> None:
    """Give the first layer of a kind more inputs, which initially have no effect."""
    layer = next(m for m in network.modules() if isinstance(m, kind))
    zeros = torch.zeros_like(layer.weight[:, :1]).repeat_interleave(more, dim=1)
    with torch.no_grad():
        layer.weight = nn.Parameter(torch.cat([layer.weight, zeros], dim=1))
    if isinstance(layer, nn.Conv2d):
        layer.in_channels += more
    else:
        layer.in_features += more
