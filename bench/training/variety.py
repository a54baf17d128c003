"""More variety out of few images: new colours, collages, and scenes of overlapping shapes.

A repair that learns from ten photographs of birds learns feathers and foliage. These images have the
edges, textures and colours of many other things. They need no labels: the frozen classifier's own
features and answers for them are the target.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

_SHAPES: Final = (15, 70)  # how many per scene
_LOG_RADII: Final = (math.log(1 / 32), math.log(1 / 2.7))  # of fractions of the side
_ROUND: Final = 0.4  # fraction of ellipses; the others are polygons
_PLAIN: Final = 0.35  # fraction of one colour; the others show a part of a photograph
_GAINS: Final = (0.6, 1.4)
_OFFSET: Final = 30.0  # grey levels
_PATCH: Final = (0.3, 0.9)  # sides of a pasted part, as fractions


def recolour(images: Tensor, share: float, generator: np.random.Generator) -> Tensor:
    """Permute the colour channels of some images, and change brightness and contrast of each.

    Args:
        images: uint8, N x 3 x H x W.
        share: Probability that an image is changed.
        generator: Source of random numbers.
    """
    count = len(images)
    chosen = np.flatnonzero(generator.random(count) < share)
    orders = generator.permuted(np.tile(np.arange(3), (count, 1)), axis=1)
    gains = generator.uniform(*_GAINS, (count, 3, 1, 1))
    offsets = generator.uniform(-_OFFSET, _OFFSET, (count, 3, 1, 1))
    if not len(chosen):
        return images
    rows = torch.from_numpy(chosen)
    mixed = images[rows[:, None], torch.from_numpy(orders[chosen])].float()
    gain, offset = (torch.from_numpy(a[chosen]).float() for a in (gains, offsets))
    changed = images.clone()
    changed[rows] = ((mixed - 128) * gain + 128 + offset).round().clamp(0, 255).to(torch.uint8)
    return changed


def collage(images: Tensor, share: float, generator: np.random.Generator) -> Tensor:
    """Paste a rectangle of the next image of the batch into some, as in CutMix (Yun et al. 2019).

    Args:
        images: uint8, N x 3 x H x W.
        share: Probability that an image is changed.
        generator: Source of random numbers.
    """
    height, width = images.shape[2:]
    others, changed = images.roll(1, 0), images.clone()
    for place in np.flatnonzero(generator.random(len(images)) < share):
        tall, wide = (
            int(v * s) for v, s in zip(generator.uniform(*_PATCH, 2), (height, width), strict=True)
        )
        top, left = (
            int(generator.integers(height - tall + 1)),
            int(generator.integers(width - wide + 1)),
        )
        part = (place, slice(None), slice(top, top + tall), slice(left, left + wide))
        changed[part] = others[part]
    return changed


def scenes(images: Tensor, count: int, generator: np.random.Generator) -> Tensor:
    """Overlapping shapes filled with colours and parts of photographs: textured dead leaves.

    The dead leaves model (Lee, Mumford and Huang 2001) has the statistics of natural images; as
    training images of restoration see Achddou, Gousseau and Ladjal (SSVM 2021).

    Args:
        images: uint8, N x 3 x H x W, photographs that the fillings come from.
        count: Number of scenes.
        generator: Source of random numbers.

    Returns:
        uint8, count x 3 x S x S with S the shorter side.
    """
    photographs = images.permute(0, 2, 3, 1).numpy()
    made = np.stack([_scene(photographs, generator) for _ in range(count)])
    return torch.from_numpy(made).permute(0, 3, 1, 2).contiguous()


def _scene(photographs: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    side = min(photographs.shape[1:3])
    first = photographs[generator.integers(len(photographs)), :side, :side]
    canvas = Image.fromarray(np.ascontiguousarray(first))
    for _ in range(int(generator.integers(*_SHAPES))):
        radius = side * math.exp(generator.uniform(*_LOG_RADII))
        extent = max(2, math.ceil(2 * radius))
        left, top = (int(v) for v in generator.uniform(0, side, 2) - radius)
        filling = _filling(photographs, extent, generator)
        canvas.paste(filling, (left, top), _outline(extent, generator))
    return np.asarray(canvas)


def _outline(extent: int, generator: np.random.Generator) -> Image.Image:
    """The mask of an ellipse, or of a polygon with three to eight corners around its centre."""
    mask = Image.new("L", (extent, extent), 0)
    drawing, radius = ImageDraw.Draw(mask), extent / 2
    corners, turned = int(generator.integers(3, 9)), generator.uniform(0, 2 * math.pi)
    reach = radius * generator.uniform(0.4, 1, corners)
    if generator.random() < _ROUND:
        up, down = reach[:2]
        drawing.ellipse((0, radius - up, extent - 1, radius + down), fill=255)
    else:
        angles = turned + 2 * math.pi * np.arange(corners) / corners
        points = radius + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        drawing.polygon([(float(x), float(y)) for x, y in points], fill=255)
    return mask


def _filling(
    photographs: NDArray[np.uint8], extent: int, generator: np.random.Generator
) -> Image.Image:
    """One colour, or a square of a photograph, turned and with its channels in any order."""
    photograph = photographs[generator.integers(len(photographs))]
    height, width = photograph.shape[:2]
    if generator.random() < _PLAIN:
        colour = photograph[generator.integers(height), generator.integers(width)]
        return Image.new("RGB", (extent, extent), tuple(int(v) for v in colour))
    most = min(height, width)
    square = int(math.exp(generator.uniform(math.log(0.27 * most), math.log(most))))
    top, left = (int(generator.integers(s - square + 1)) for s in (height, width))
    part = photograph[top : top + square, left : left + square]
    if generator.random() < 0.5:
        part = part[:, :, generator.permutation(3)]
    part = np.rot90(part, int(generator.integers(4)))
    # At the scale that the whole would have, so that texture stays texture.
    whole = Image.fromarray(np.ascontiguousarray(part)).resize(
        (most, most), Image.Resampling.BICUBIC
    )
    extent = min(extent, most)
    x, y = (int(v) for v in generator.integers(0, most - extent + 1, 2))
    return whole.crop((x, y, x + extent, y + extent))
