"""Built-in networks for small images: VGG-like, with strided convolutions instead of pooling.

The architecture follows Endo et al. 2020 (EI, fig. 2: 3 x 3 convolutions, 2 x 2 convolutions of
stride 2 for pooling, global average, spatial dropout); batch normalisation is our addition, for
short trainings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from robobench.backbones.staged import StagedNetwork, initialise


@dataclass(frozen=True)
class Shape:
    """Size of a `Vgg`.

    Attributes:
        widths: Numbers of channels of the stem and of each stage.
        layers: Number of 3 x 3 convolutions after the pooling of each stage.
        halved: Whether the first convolution (4 x 4) has stride 2. Most time is spent on the
            largest features; without them a network twice as wide trains in the same time.
    """

    widths: tuple[int, ...]
    layers: int = 1
    halved: bool = False


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


class Vgg(StagedNetwork):
    """A convolutional stem, then stages of one strided and some 3 x 3 convolutions each.

    Args:
        shape: Size of the network.
        classes: Number of outputs.
        dropout: Probability of dropping a channel before each stage.
    """

    def __init__(self, shape: Shape, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.widths = widths = shape.widths
        first = widths[0]
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
        initialise(self, (nn.Conv2d,))
