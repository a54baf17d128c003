"""The built-in networks for 32 x 32 images, by name: those that ``robobench train`` trains."""

from __future__ import annotations

from typing import Final

from torch import nn

from robobench.backbones.overrides import check_normalisation
from robobench.backbones.resnet import Resnet
from robobench.backbones.staged import StagedNetwork
from robobench.backbones.tanaka import TanakaVgg
from robobench.backbones.vgg import Shape, Vgg
from robobench.errors import RobobenchError
from robobench.registry import BACKBONES, backbone
from robobench.types import Geometry

# The published ResNet weights, which ours start from, were trained with ImageNet's statistics.
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)


@backbone("vgg-tiny")
def vgg_tiny(classes: int, dropout: float = 0.0) -> StagedNetwork:
    """Built in, for 32 x 32, 0.2 million parameters: the default for shapes10."""
    return Vgg(Shape((16, 32, 64, 128)), classes, dropout)


@backbone("vgg-small")
def vgg_small(classes: int, dropout: float = 0.0) -> StagedNetwork:
    """Built in, for 32 x 32, 1.7 million parameters."""
    return Vgg(Shape((64, 128, 256), layers=2, halved=True), classes, dropout)


@backbone("resnet-20", mean=_MEAN, std=_STD)
def resnet_20(classes: int, dropout: float = 0.0) -> StagedNetwork:
    """He et al.'s for 32 x 32, 0.3 million parameters."""
    return Resnet(3, classes, dropout)


@backbone("resnet-56", mean=_MEAN, std=_STD)
def resnet_56(classes: int, dropout: float = 0.0) -> StagedNetwork:
    """He et al.'s for 32 x 32, 0.9 million parameters: the default for CIFAR."""
    return Resnet(9, classes, dropout)


@backbone("vgg-tanaka")
def vgg_tanaka(classes: int, dropout: float | None = None) -> StagedNetwork:
    """The classifier of Endo et al. 2020 as far as known, 19.5 million; 32 x 32 only."""
    return TanakaVgg(classes) if dropout is None else TanakaVgg(classes, dropout)


def own_names() -> list[str]:
    """Names of the architectures that come untrained and can be trained here, plug-ins' too."""
    return [name for name in BACKBONES if not BACKBONES.entry(name).options.get("argument")]


def own_network(name: str, classes: int, dropout: float = 0.0) -> nn.Module:
    """An untrained network.

    Args:
        name: One of `own_names`.
        classes: Number of outputs.
        dropout: Probability of dropping a channel before each stage.

    Raises:
        RobobenchError: A plug-in's function returned no network.
    """
    entry = BACKBONES.entry(name)
    options = {"dropout": dropout} if dropout else {}
    build = BACKBONES[name]
    with BACKBONES.running(name):
        network = build(classes, **options)
    if not isinstance(network, nn.Module):
        raise RobobenchError(
            f"backbone {name!r} ({entry.origin}): an nn.Module is expected, "
            f"it returned a {type(network).__name__}"
        )
    return network


def own_geometry(name: str) -> Geometry:
    """Mean and standard deviation of a network's input.

    Raises:
        RobobenchError: It is registered with numbers that pixels on 0..1 cannot have.
    """
    BACKBONES[name]  # its module is imported: options that are no literals are known then
    options = BACKBONES.entry(name).options
    plain = Geometry(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    mean, std = tuple(options.get("mean", plain.mean)), tuple(options.get("std", plain.std))
    check_normalisation(mean, std, f"backbone {name}: {{}}")
    return Geometry(mean=mean, std=std)


def staged_network(name: str, classes: int) -> StagedNetwork:
    """An untrained network for methods that look inside it.

    Raises:
        RobobenchError: The architecture has no stages.
    """
    network = own_network(name, classes)
    if not isinstance(network, StagedNetwork):
        raise RobobenchError(
            f"{name} has no stages that can be told a level: expected one of "
            f"{', '.join(n for n in own_names() if isinstance(own_network(n, 2), StagedNetwork))}"
        )
    return network
