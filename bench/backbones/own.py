"""The built-in networks for 32 x 32 images, by name: those that ``robobench train`` trains."""

from __future__ import annotations

from typing import Final

from robobench.backbones.resnet import Resnet
from robobench.backbones.staged import StagedNetwork
from robobench.backbones.tanaka import TanakaVgg
from robobench.backbones.vgg import Shape, Vgg
from robobench.types import Geometry

# For VGG the shape, for ResNet the blocks per stage; Tanaka's network has a single size.
SHAPES: Final[dict[str, Shape | int | None]] = {
    "vgg-tiny": Shape((16, 32, 64, 128)),
    "vgg-small": Shape((64, 128, 256), layers=2, halved=True),
    "resnet-20": 3,
    "resnet-56": 9,
    "vgg-tanaka": None,
}
DEFAULT_FOR: Final[dict[str, str]] = {
    "shapes10": "vgg-tiny",
    "cifar10": "resnet-56",
    "cifar100": "resnet-56",
    "cifar10-c": "resnet-56",
    "cifar100-c": "resnet-56",
}
# With batch normalisation, exact statistics are unnecessary.
_PLAIN: Final = Geometry(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
# The published ResNet weights, which ours start from, were trained with ImageNet's statistics.
_IMAGENET: Final = Geometry(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def own_network(name: str, classes: int, dropout: float = 0.0) -> StagedNetwork:
    """An untrained network.

    Args:
        name: One of `SHAPES`.
        classes: Number of outputs.
        dropout: Probability of dropping a channel before each stage.
    """
    shape = SHAPES[name]
    if isinstance(shape, Shape):
        return Vgg(shape, classes, dropout)
    if shape is None:
        return TanakaVgg(classes, dropout) if dropout else TanakaVgg(classes)
    return Resnet(shape, classes, dropout)


def own_geometry(name: str) -> Geometry:
    """Mean and standard deviation of a network's input."""
    return _IMAGENET if isinstance(SHAPES[name], int) else _PLAIN
