"""What the recipes of all repairs share: they learn from many small images, or a few photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from robobench.backbones.backbone import Backbone
from robobench.types import Recipe

SMALL_SIDE: Final = 64
"""Largest side of small images, in pixels."""

PHOTOGRAPHS: Final[Mapping[str, Any]] = {
    "crop": 128,
    "smallest": 1.5,
    "views": 40,
    "scenes": 0.3,
    "collage": 0.3,
    "recolour": 0.5,
    "ranges": {"jpeg_compression": (5, 40)},
    "logarithmic": True,
}
"""Options of trainings on photographs: crops that are never enlarged, made more varied; low
qualities of JPEG."""

SMALL_IMAGES: Final[Mapping[str, Any]] = {"shift": 3, "ranges": {"jpeg_compression": (5, 90)}}
"""Options of trainings on small images."""


def suited(backbone: Backbone | None, small: Recipe, large: Recipe) -> Recipe:
    """The recipe for the images of a classifier: that for small ones where there is none."""
    is_large = backbone is not None and backbone.example.shape[-1] > SMALL_SIDE
    return large if is_large else small
