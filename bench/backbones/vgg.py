"""Networks of our own for small images: VGG-like, with strided convolutions instead of pooling.

The shape follows Endo et al. 2020 (EI, fig. 2: 3 x 3 convolutions, 2 x 2 convolutions of stride 2
for pooling, global average, spatial dropout); batch normalisation is ours, for short trainings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """How large a `Vgg` is.

    Attributes:
        widths: Channels of the stem and of each stage.
        layers: 3 x 3 convolutions after the pooling of each stage.
        halved: Whether the first convolution (4 x 4) takes every second pixel. Most time goes into
            the largest features; without them the same minutes train a network twice as wide.
    """

    widths: tuple[int, ...]
    layers: int = 1
    halved: bool = False


SHAPES: Final[dict[str, Shape]] = {
    "vgg-tiny": Shape((16, 32, 64, 128)),
    "vgg-small": Shape((64, 128, 256), layers=2, halved=True),
}
DEFAULT_FOR: Final[dict[str, str]] = {
    "shapes10": "vgg-tiny",
    "cifar10": "vgg-small",
    "cifar100": "vgg-small",
    "cifar10-c": "vgg-small",
    "cifar100-c": "vgg-small",
}
LEVEL_FEATURES: Final = 32


def _layer(
    inputs: int, outputs: int, *, size: int = 3, stride: int = 1, padding: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _pooling(inputs: int, outputs: int) -> nn.Sequential:
    return _layer(inputs, outputs, size=2, stride=2, padding=0)


class Vgg(nn.Module):
    """A stem of convolutions, then stages of a strided and some 3 x 3 convolutions each.

    Args:
        shape: How large it is.
        classes: Number of outputs.
        dropout: Probability to drop a channel before each stage.
    """

    side: Final = 32  # pixels of the images that these networks are made for

    def __init__(self, shape: Shape, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        widths, first = shape.widths, shape.widths[0]
        entry = _layer(3, first, size=4, stride=2) if shape.halved else _layer(3, first)
        self.stem = nn.Sequential(entry, *(_layer(first, first) for _ in range(shape.layers)))
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Dropout2d(dropout),
                _pooling(inputs, outputs),
                *(_layer(outputs, outputs) for _ in range(shape.layers)),
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
        shape: As in `Vgg`.
        classes: Number of outputs.
        dropout: As in `Vgg`.
        levels: How many numbers describe the degradation.
    """

    def __init__(
        self, shape: Shape, classes: int, dropout: float = 0.0, *, levels: int = 1
    ) -> None:
        super().__init__()
        self.network = Vgg(shape, classes, dropout)
        self.embedding = nn.Sequential(nn.Linear(levels, LEVEL_FEATURES), nn.ReLU())
        self.modulation = nn.Linear(LEVEL_FEATURES, 2 * sum(shape.widths))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, images: Tensor, levels: Tensor) -> Tensor:
        """Logits, N x classes.

        Args:
            images: Normalised, N x 3 x H x W.
            levels: float N, the level of each image, scaled to about 0..1.
        """
        return self.after_stem(self.network.stem(images), levels[:, None])

    def after_stem(self, features: Tensor, levels: Tensor) -> Tensor:
        """Logits, N x classes, of the stem's features, which are scaled and shifted as well.

        Args:
            features: Of `Vgg.stem`.
            levels: float N x levels, each scaled to about 0..1.
        """
        numbers = self.modulation(self.embedding(levels))[:, :, None, None]
        widths = self.network.shape.widths
        scales, shifts = (part.split(widths, 1) for part in numbers.chunk(2, dim=1))
        features = features * (1 + scales[0]) + shifts[0]
        for stage, scale, shift in zip(self.network.stages, scales[1:], shifts[1:], strict=True):
            features = stage(features) * (1 + scale) + shift
        logits: Tensor = self.network.classifier(features.mean((2, 3)))
        return logits


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
