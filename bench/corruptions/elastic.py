"""Elastic transform: a random affine map and a smooth random displacement.

Source: Hendrycks and Dietterich, ICLR 2019, make_*_c.py (after Simard, Steinkraus and Platt 2003).
The published 244 (not 224) in the tables is kept. OpenCV's ``warpAffine`` samples on a grid of
1/32 pixel, as is done here.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.corruptions import random
from robobench.corruptions.blur import (
    SLACK,
    cut,
    gaussian_weights,
    mirror,
    smooth_row,
    to_uint8,
)
from robobench.corruptions.compiled import Array, fused, fused_piece, on_cpu, run
from robobench.corruptions.random import halves, normal_of, uniform_at, word_at
from robobench.registry import corruption

# From this sigma on, a field is built from the few waves that pass its filter, without filtering.
_SMOOTH = 8.0


@corruption(
    "elastic_transform",
    group="digital",
    minimum=3,
    severities={
        "imagenet-c": (
            (488.0, 170.8, 24.4),
            (488.0, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ),
        "cifar-c": (
            (0.0, 0.0, 2.56),
            (1.6, 6.4, 2.24),
            (2.56, 1.92, 1.92),
            (3.2, 1.28, 1.6),
            (3.2, 0.96, 0.96),
        ),
        "tiny-imagenet-c": (
            (0.0, 0.0, 5.12),
            (3.2, 19.2, 3.84),
            (6.4, 5.12, 3.84),
            (6.4, 1.92, 1.92),
            (10.24, 1.92, 1.28),
        ),
        "inception-c": (
            (720.0, 252.0, 36.0),
            (720.0, 28.8, 72.0),
            (18.0, 3.6, 7.2),
            (25.2, 3.6, 7.2),
            (43.2, 3.6, 7.2),
        ),
    },
)
def elastic_transform(images: Tensor, level: tuple[float, float, float], keys: Tensor) -> Tensor:
    """Stretched and bent (strength and smoothness of the bending, corner jitter, in pixels)."""
    strength, sigma, jitter = level
    height, width = images.shape[2:]
    if on_cpu(images):
        return run(_elastic_kernel, images, *_kernel_arguments(height, width, level, keys))
    x = images.to(torch.float32)
    column = torch.arange(width, device=x.device, dtype=torch.float64)
    row = torch.arange(height, device=x.device, dtype=torch.float64)[:, None]
    m = affine(height, width, jitter, keys)[:, :, None, None]
    at = torch.stack([m[:, 3] * column + m[:, 4] * row + m[:, 5],
                      m[:, 0] * column + m[:, 1] * row + m[:, 2]])  # fmt: skip
    at = torch.floor(at * 32 + 0.5) / 32
    x = _sampled(x, at[0].float(), at[1].float(), mirror)
    if strength:
        down = row.float() + strength * field(height, width, sigma, random.stream(keys, 1))
        right = column.float() + strength * field(height, width, sigma, random.stream(keys, 2))
        x = _sampled(x, down, right, _reflect)
    return to_uint8(x + SLACK)


def affine(height: int, width: int, jitter: float, keys: Tensor) -> Tensor:
    """The map from a position in the result to one in the image: float64 N x 6, two rows of three.

    Three corners of a centred square, its side two thirds of the image's shorter side, move by up
    to `jitter` pixels each way; the affine map that moves them is inverted.
    """
    half = min(height, width) // 3
    cx, cy = width // 2, height // 2
    moves = (random.uniform(keys, 6).double() * 2 - 1) * jitter
    x0, y0, x1, y1, x2, y2 = moves.unbind(1)
    # Corners: (c + half, c + half), (c + half, c - half), (c - half, c - half).
    a, b = 1 + (x1 - x2) / (2 * half), (x0 - x1) / (2 * half)
    c, d = (y1 - y2) / (2 * half), 1 + (y0 - y1) / (2 * half)
    tx = cx + half + x0 - a * (cx + half) - b * (cy + half)
    ty = cy + half + y0 - c * (cx + half) - d * (cy + half)
    size = a * d - b * c
    size = torch.where(size.abs() < 1e-6, torch.full_like(size, 1e-6), size)
    return torch.stack(
        [
            d / size,
            -b / size,
            (b * ty - d * tx) / size,
            -c / size,
            a / size,
            (c * tx - a * ty) / size,
        ],
        1,
    )


def field(height: int, width: int, sigma: float, keys: Tensor) -> Tensor:
    """A uniform random field on -1 .. 1 under a Gaussian filter: float32 N x H x W.

    If the filter is wide, only a few cosines pass; their amplitudes are sums of very many uniform
    numbers and are therefore drawn from a normal distribution.
    """
    n = len(keys)
    if sigma < _SMOOTH:
        noise = random.uniform(keys, height * width).view(n, height, width) * 2 - 1
        down = torch.from_numpy(filter_matrix(height, sigma)).to(keys.device)
        across = torch.from_numpy(filter_matrix(width, sigma)).to(keys.device)
        return down @ noise @ across.T
    down = torch.from_numpy(waves(height, sigma)).to(keys.device)
    across = torch.from_numpy(waves(width, sigma)).to(keys.device)
    drawn = random.normal(keys, down.shape[1] * across.shape[1])
    return down @ drawn.view(n, down.shape[1], across.shape[1]) @ across.T * math.sqrt(1 / 3)


@lru_cache(maxsize=16)
def filter_matrix(size: int, sigma: float) -> NDArray[np.float32]:
    """The filter along one axis, edges mirrored with the edge pixel repeated: size x size."""
    weights = gaussian_weights(sigma, 3.0).astype(np.float64)
    reach = len(weights) // 2
    matrix = np.zeros((size, size))
    for i in range(size):
        at = np.arange(i - reach, i + reach + 1) % (2 * size)
        np.add.at(matrix[i], np.minimum(at, 2 * size - 1 - at), weights)
    return matrix.astype(np.float32)


@lru_cache(maxsize=16)
def waves(size: int, sigma: float) -> NDArray[np.float32]:
    """Unit-norm cosines along one axis, times the filter's response to them: size x waves."""
    order = np.arange(size)
    basis = np.cos(np.pi * (np.arange(size)[:, None] + 0.5) * order / size)
    basis *= np.where(order == 0, math.sqrt(1 / size), math.sqrt(2 / size))
    weights = gaussian_weights(sigma, 3.0).astype(np.float64)
    shift = np.arange(len(weights)) - len(weights) // 2
    left = (weights[:, None] * np.cos(np.pi * shift[:, None] * order / size)).sum(0)
    kept = np.flatnonzero(np.abs(left) > 1e-3 * np.abs(left).max())
    return np.ascontiguousarray(basis[:, kept] * left[kept], np.float32)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Reflect indices beyond the edge, with the edge pixel repeated."""
    folded = index % (2 * size)
    return torch.minimum(folded, 2 * size - 1 - folded)


def _sampled(x: Tensor, y: Tensor, z: Tensor, fold) -> Tensor:  # type: ignore[no-untyped-def]
    """Bilinear samples of float N x C x H x W at rows y and columns z, float32 N x H x W."""
    n, c, height, width = x.shape
    top, left = torch.floor(y), torch.floor(z)
    down, right = (y - top)[:, None], (z - left)[:, None]
    top, left = top.long(), left.long()
    rows = fold(top, height), fold(top + 1, height)
    columns = fold(left, width), fold(left + 1, width)
    flat = x.flatten(2)

    def taken(row: Tensor, column: Tensor) -> Tensor:
        index = (row * width + column).view(n, 1, -1).expand(n, c, -1)
        return flat.gather(2, index).view(x.shape)

    upper, lower = taken(rows[0], columns[0]), taken(rows[1], columns[0])
    upper = upper + right * (taken(rows[0], columns[1]) - upper)
    lower = lower + right * (taken(rows[1], columns[1]) - lower)
    return upper + down * (lower - upper)


def _kernel_arguments(
    height: int, width: int, level: tuple[float, float, float], keys: Tensor
) -> tuple[Any, ...]:
    """Maps, keys of the two fields, and their filter as weights or as waves."""
    strength, sigma, jitter = level
    wide = bool(strength) and sigma >= _SMOOTH
    half = gaussian_weights(0.0 if wide else sigma, 3.0)
    half = half[len(half) // 2 :]
    down = waves(height, sigma) if wide else np.zeros((height, 0), np.float32)
    across = waves(width, sigma) if wide else np.zeros((width, 0), np.float32)
    reach = len(half) - 1
    return (
        affine(height, width, jitter, keys),
        torch.stack([random.stream(keys, 1), random.stream(keys, 2)], 1),
        np.float32(strength),
        half,
        _reflect(torch.arange(-reach, height + reach), height),
        _reflect(torch.arange(-reach, width + reach), width),
        down,
        np.ascontiguousarray(across.T),
        random.QUANTILES,
    )


@fused
def _elastic_kernel(
    images: Array,
    out: Array,
    maps: Array,
    keys: Array,
    strength: float,
    half: Array,
    rows: Array,
    columns: Array,
    down: Array,
    across: Array,
    quantiles: Array,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    moved = np.empty((height, width, 3), np.float32)
    field = np.empty((2, height, width), np.float32)
    noise = np.empty((height, width), np.float32)
    line = np.empty(width + 2 * half.size, np.float32)
    drawn = np.empty((down.shape[1], across.shape[0]), np.float32)
    for i in range(first, last):
        m = maps[i]
        for y in range(height):
            for x in range(width):
                at_x = np.floor((m[0] * x + m[1] * y + m[2]) * 32 + 0.5) / 32
                at_y = np.floor((m[3] * x + m[4] * y + m[5]) * 32 + 0.5) / 32
                left, top = np.floor(at_x), np.floor(at_y)
                right, below = np.float32(at_x - left), np.float32(at_y - top)
                x0, y0 = _mirrored(np.int64(left), width), _mirrored(np.int64(top), height)
                x1, y1 = _mirrored(np.int64(left) + 1, width), _mirrored(np.int64(top) + 1, height)
                for c in range(3):
                    plane = images[i, c]
                    a, b = np.float32(plane[y0, x0]), np.float32(plane[y0, x1])
                    d, e = np.float32(plane[y1, x0]), np.float32(plane[y1, x1])
                    upper, lower = a + right * (b - a), d + right * (e - d)
                    moved[y, x, c] = upper + below * (lower - upper)
        if strength == 0:
            for c in range(3):
                for y in range(height):
                    for x in range(width):
                        out[i, c, y, x] = cut(moved[y, x, c] + np.float32(SLACK))
            continue
        for f in range(2):
            low, high = halves(keys[i, f])
            if down.shape[1]:
                for k in range(drawn.shape[0]):
                    for j in range(drawn.shape[1]):
                        word = word_at(low, high, np.uint32(k * drawn.shape[1] + j))
                        drawn[k, j] = normal_of(word, quantiles) * np.float32(math.sqrt(1 / 3))
                _waved(drawn, down, across, noise, field[f])
                continue
            for y in range(height):
                for x in range(width):
                    place = np.uint32(y * width + x)
                    noise[y, x] = uniform_at(low, high, place) * np.float32(2) - np.float32(1)
            for y in range(height):
                smooth_row(noise, y, half, rows, columns, line, field[f, y])
        for y in range(height):
            for x in range(width):
                at_y = np.float32(y) + strength * field[0, y, x]
                at_x = np.float32(x) + strength * field[1, y, x]
                left, top = np.floor(at_x), np.floor(at_y)
                right, below = at_x - left, at_y - top
                x0, y0 = _reflected(np.int64(left), width), _reflected(np.int64(top), height)
                x1 = _reflected(np.int64(left) + 1, width)
                y1 = _reflected(np.int64(top) + 1, height)
                for c in range(3):
                    a, b, d, e = (
                        moved[y0, x0, c],
                        moved[y0, x1, c],
                        moved[y1, x0, c],
                        moved[y1, x1, c],
                    )
                    upper, lower = a + right * (b - a), d + right * (e - d)
                    value = upper + below * (lower - upper)
                    out[i, c, y, x] = cut(value + np.float32(SLACK))


@fused_piece
def _waved(drawn: Array, down: Array, across: Array, scratch: Array, field: Array) -> None:
    """Down times drawn times across."""
    height, width = field.shape
    for k in range(drawn.shape[0]):
        row = scratch[k]
        for x in range(width):
            row[x] = np.float32(0)
        for j in range(drawn.shape[1]):
            weight, wave = drawn[k, j], across[j]
            for x in range(width):
                row[x] += weight * wave[x]
    for y in range(height):
        target = field[y]
        for x in range(width):
            target[x] = np.float32(0)
        for k in range(drawn.shape[0]):
            weight, row = down[y, k], scratch[k]
            for x in range(width):
                target[x] += weight * row[x]


@fused_piece
def _mirrored(index: Any, size: int) -> Any:
    if np.uint64(index) < np.uint64(size):
        return index
    folded = abs(index) % (2 * size - 2)
    return folded if folded < size else 2 * size - 2 - folded


@fused_piece
def _reflected(index: Any, size: int) -> Any:
    if np.uint64(index) < np.uint64(size):
        return index
    folded = index % (2 * size)
    return min(folded, 2 * size - 1 - folded)
