"""The images on which an exported file is checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from robobench.backbones.backbone import Backbone
from robobench.contracts import Dataset
from robobench.corruptions import apply
from robobench.corruptions.catalogue import at_severity, nearest_profile
from robobench.datasets import nested_order, open_images
from robobench.errors import RobobenchError
from robobench.types import Geometry
from robobench.weights.coverage import trained_corruptions

_PYRAMID = (2, 4, 8, 16, 32)  # sides of the patterns that a generated image is a sum of
_SEVERITIES = (3, 1, 5)


@dataclass(frozen=True)
class CheckImages:
    """Images to check with.

    Attributes:
        images: uint8 N x 3 x H x W.
        description: Which they are.
    """

    images: Tensor
    description: str


def read_images(dataset: Dataset, geometry: Geometry, limit: int) -> CheckImages:
    """The first images of a data set, spread over its classes.

    Raises:
        RobobenchError: One is broken, too small, or of another size than the others.
    """
    order = nested_order(dataset.labels)[:limit]
    images = dataset.read(order, geometry)
    return CheckImages(images, f"{len(images)} images of {dataset.name}")


def folder_images(folder: str, geometry: Geometry, limit: int) -> CheckImages:
    """Images below a folder, whatever their classes.

    Raises:
        RobobenchError: There is no such folder or no image in it, or as `read_images`.
    """
    if not Path(folder).expanduser().is_dir():
        raise RobobenchError(f"--check {folder}: no such folder, nor a data set of that name")
    return read_images(open_images(folder), geometry, limit)


def generated_images(backbone: Backbone, limit: int, reason: str) -> CheckImages:
    """Random images with structure at all scales, where there are no photographs.

    Args:
        backbone: The classifier, whose geometry tells the size.
        limit: How many.
        reason: Why there are none, for the description.
    """
    generator = torch.Generator().manual_seed(0)
    size = backbone.example.shape[2:]
    images = torch.full((limit, 3, *size), 0.5)
    for side in _PYRAMID:
        pattern = torch.rand((limit, 3, side, side), generator=generator) - 0.5
        images += interpolate(pattern, size, mode="bilinear") / 2
    found = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return CheckImages(found, f"{limit} generated images ({reason})")


def half_degraded(check: CheckImages, trained_on: str) -> CheckImages:
    """The same images, every second one degraded by what the method was trained on.

    A gate, or an estimated level, does its work on degraded images only.

    Args:
        check: Clean images.
        trained_on: As in `Cell.trained_on`; nothing is degraded if it is empty or ``clean``.
    """
    names = trained_corruptions(trained_on) if trained_on else ()
    if not names or len(check.images) < 2:
        return check
    images = check.images.clone()
    profile = nearest_profile(min(images.shape[2:]))
    for place in range(1, len(images), 2):
        turn = place // 2
        severity = _SEVERITIES[turn // len(names) % len(_SEVERITIES)]
        degradation = at_severity(names[turn % len(names)], severity, profile)
        key = torch.tensor([place])
        images[place : place + 1] = apply(images[place : place + 1], degradation, key, 0)
    count = len(images) // 2
    named = names[0] if len(names) == 1 else f"the corruptions of {trained_on}"
    return CheckImages(images, f"{check.description}, {count} of them degraded by {named}")
