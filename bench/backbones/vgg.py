"""Networks of our own for small images: VGG-like, with strided convolutions instead of pooling.

The shape follows Endo et al. 2020 (EI, fig. 2: 3 x 3 convolutions, 2 x 2 convolutions of stride 2
for pooling, global average, spatial dropout); batch normalisation is ours, for short trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from torch import Tensor, nn

WIDTHS: Final[dict[str, tuple[int, ...]]] = {
    "vgg-tiny": (16, 32, 64, 128),
    "vgg-small": (32, 64, 128, 256),
}
DEFAULT_FOR: Final[dict[str, str]] = {
    "shapes10": "vgg-tiny",
    "cifar10": "vgg-small",
    "cifar100": "vgg-small",
    "cifar10-c": "vgg-small",
    "cifar100-c": "vgg-small",
}
LEVEL_FEATURES: Final = 32


def _layer(inputs: int, outputs: int, *, pool: bool = False) -> nn.Sequential:
    convolution = (
        nn.Conv2d(inputs, outputs, 2, stride=2, bias=False)
        if pool
        else nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class Vgg(nn.Module):
    """A stem of two 3 x 3 convolutions, then stages of a strided and a 3 x 3 convolution each.

    Args:
        widths: Channels of the stem and of each stage.
        classes: Number of outputs.
        dropout: Probability to drop a channel before each stage.
    """

    side: Final = 32  # pixels of the images that these networks are made for

    def __init__(self, widths: Sequence[int], classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.stem = nn.Sequential(_layer(3, widths[0]), _layer(widths[0], widths[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Dropout2d(dropout),
                _layer(inputs, outputs, pool=True),
                _layer(outputs, outputs),
            )
            for inputs, outputs in pairwise(widths)
        )
        self.classifier = nn.Linear(widths[-1], classes)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, N x classes, of normalised images N x 3 x H x W with sides of 8 pixels and up."""
        features: Tensor = self.stem(images)
        for stage in self.stages:
            features = stage(features)
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class LevelVgg(nn.Module):
    """A `Vgg` whose stages are scaled and shifted by the level of the degradation.

    The record does not say where the level enters Endo et al.'s network (METHODS of the docs); here
    a small network turns it into a scale and a shift for every channel of every stage (FiLM, Perez
    et al. 2018), which start at one and zero.

    Args:
        widths: As in `Vgg`.
        classes: Number of outputs.
        dropout: As in `Vgg`.
    """

    def __init__(self, widths: Sequence[int], classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.network = Vgg(widths, classes, dropout)
        self.embedding = nn.Sequential(nn.Linear(1, LEVEL_FEATURES), nn.ReLU())
        self.modulation = nn.Linear(LEVEL_FEATURES, 2 * sum(widths))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, images: Tensor, levels: Tensor) -> Tensor:
        """Logits, N x classes.

        Args:
            images: Normalised, N x 3 x H x W.
            levels: float N, the level of each image, scaled to about 0..1.
        """
        numbers = self.modulation(self.embedding(levels[:, None]))[:, :, None, None]
        widths = self.network.widths
        scales, shifts = numbers.chunk(2, dim=1)
        features: Tensor = images
        stages = [self.network.stem, *self.network.stages]
        for stage, scale, shift in zip(
            stages, scales.split(widths, 1), shifts.split(widths, 1), strict=True
        ):
            features = stage(features) * (1 + scale) + shift
        logits: Tensor = self.network.classifier(features.mean((2, 3)))
        return logits


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
