"""What a classifier's architecture promises: see `robobench.backbone`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robobench.registry import BACKBONES

__all__ = ["PROMISES", "Subject", "subject"]

_CLASSES = (2, 7)


@dataclass(frozen=True)
class Subject:
    """An architecture to be tested.

    Attributes:
        make: Makes a network for a number of classes, with any further options.
        images: Normalised, float32, N x 3 x H x W.
    """

    make: Callable[..., nn.Module]
    images: Tensor


def subject(name: str, *, side: int = 32) -> Subject:
    """A registered architecture.

    Args:
        name: Registered name, not a source of many classifiers (``NAME:ARGUMENT``).
        side: Side of the images in pixels.
    """
    generator = torch.Generator().manual_seed(0)
    return Subject(BACKBONES[name], torch.randn(5, 3, side, side, generator=generator))


def _ready(it: Subject, classes: int) -> nn.Module:
    torch.manual_seed(0)
    return it.make(classes).eval()


def gives_logits(it: Subject) -> None:
    """float32, N x classes, for any number of classes."""
    for classes in _CLASSES:
        network = it.make(classes)
        assert isinstance(network, nn.Module), f"an nn.Module is expected, got {network!r}"
        with torch.inference_mode():
            found = network.eval()(it.images)
        expected = (len(it.images), classes)
        assert found.shape == expected, f"{expected} is expected, got {tuple(found.shape)}"
        assert found.dtype == torch.float32, f"torch.float32 is expected, got {found.dtype}"
        assert torch.isfinite(found).all(), "finite logits are expected, some are not"


def looks_at_one_image_at_a_time(it: Subject) -> None:
    """In evaluation mode nothing is random, and no image depends on another."""
    network = _ready(it, 3)
    others = it.images.flip(-1).clone()
    others[2] = it.images[2]
    before = it.images.clone()
    with torch.inference_mode():
        one, again, other = network(it.images), network(it.images), network(others)
    assert torch.equal(one, again), "the same logits are expected in evaluation mode"
    assert torch.equal(one[2], other[2]), "an image's logits depend on the other images"
    assert torch.equal(it.images, before), "the network changed the images that it was given"


def is_its_state(it: Subject) -> None:
    """Another network with the same state dict gives the same logits."""
    one = _ready(it, 3)
    torch.manual_seed(1)
    other = it.make(3).eval()
    other.load_state_dict(one.state_dict())
    with torch.inference_mode():
        same = torch.equal(one(it.images), other(it.images))
    assert same, "the same state gives other logits: register what they depend on as a buffer"


def can_be_trained(it: Subject) -> None:
    """Gradients reach every parameter; dropout can be asked for where a recipe does."""
    network = it.make(3).train()
    network(it.images).square().sum().backward()
    idle = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not idle, f"gradients reach all parameters, but not {', '.join(idle[:3])}"
    taken: Any = inspect.signature(it.make).parameters
    if "dropout" in taken:
        it.make(3, dropout=0.5)


PROMISES: tuple[Callable[[Subject], None], ...] = (
    gives_logits,
    looks_at_one_image_at_a_time,
    is_its_state,
    can_be_trained,
)
