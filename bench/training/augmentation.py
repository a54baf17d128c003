"""Random views of training images, taken before they are degraded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, pad


def move(
    images: Tensor, shift: int, generator: np.random.Generator, crop: int | None = None
) -> Tensor:
    """Flip half of the images horizontally and shift each, with reflection at the borders.

    Applied before the degradation, so that the block grid of JPEG still starts in the corner.

    Args:
        images: uint8, N x 3 x H x W.
        shift: Largest shift in pixels.
        generator: Source of random numbers.
        crop: Side of a square that is cropped at a random position instead of shifting.

    Returns:
        uint8, N x 3 x H x W, or with sides of `crop` pixels.
    """
    count, _, height, width = images.shape
    out_height, out_width = (crop, crop) if crop else (height, width)
    if not crop:
        padded = pad(images.float(), (shift,) * 4, mode="reflect").to(torch.uint8)
    else:
        padded = images
    tops = generator.integers(0, padded.shape[2] - out_height + 1, count)
    lefts = generator.integers(0, padded.shape[3] - out_width + 1, count)
    rows = torch.from_numpy(tops[:, None] + np.arange(out_height))
    columns = lefts[:, None] + np.arange(out_width)
    flips = generator.random(count) < 0.5
    columns[flips] = columns[flips][:, ::-1]
    which = torch.arange(count)[:, None, None]
    # Indexing gives N x H x W x 3.
    moved = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], torch.from_numpy(columns)[:, None]]
    return moved.permute(0, 3, 1, 2)


def warp(images: Tensor, warping: Mapping[str, float], generator: np.random.Generator) -> Tensor:
    """Rotate, shear and zoom each image by a random amount, with reflection at the borders.

    Args:
        images: uint8, N x 3 x H x W.
        warping: Largest ``rotation`` and ``shear`` in degrees, in either direction, and largest
            ``zoom`` as a fraction of the side, in or out.
        generator: Source of random numbers.

    Returns:
        uint8 of the same shape, interpolated bilinearly.
    """
    largest = np.array([warping["rotation"], warping["shear"], warping["zoom"]])
    angle, shear, zoom = generator.uniform(-1, 1, (len(images), 3)).T * largest[:, None]
    angle, shear = np.deg2rad(angle), np.deg2rad(shear)
    zoom += 1
    zeros = np.zeros(len(images))
    rows = [
        [zoom * np.cos(angle), -zoom * np.sin(angle + shear), zeros],
        [zoom * np.sin(angle), zoom * np.cos(angle + shear), zeros],
    ]
    maps = torch.from_numpy(np.stack([np.stack(row, 1) for row in rows], 1)).float()
    grid = affine_grid(maps, list(images.shape), align_corners=False)
    moved = grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return moved.round().to(torch.uint8)


def rescaled_crops(
    images: Tensor, side: int, smallest: float, generator: np.random.Generator
) -> Tensor:
    """A random square of each image at a random scale, half of them flipped horizontally.

    The side of the square is drawn log-uniformly between a fraction of the shorter side and all of
    it; the square is then resized, with antialiasing, so that objects appear in many sizes. Squares
    are not enlarged beyond their pixels more than `smallest` asks for.

    Args:
        images: uint8, N x 3 x H x W.
        side: Side of the result in pixels.
        smallest: Smallest side of a square as a fraction of `side`; below 1 it is enlarged.
        generator: Source of random numbers.

    Returns:
        uint8, N x 3 x side x side.
    """
    count, _, height, width = images.shape
    most = min(height, width)
    least = min(most, max(1, round(smallest * side)))
    squares = np.exp(generator.uniform(np.log(least), np.log(most), count)).round().astype(int)
    tops, lefts = (
        np.floor(generator.random(count) * (extent - squares + 1)).astype(int)
        for extent in (height, width)
    )
    flips = generator.random(count) < 0.5
    views = []
    for image, square, top, left, flip in zip(images, squares, tops, lefts, flips, strict=True):
        view = image[None, :, top : top + square, left : left + square]
        if square != side:
            view = interpolate(view.float(), (side, side), mode="bicubic", antialias=True)
            view = view.round().clamp(0, 255).to(torch.uint8)
        views.append(view.flip(3) if flip else view)
    return torch.cat(views)
