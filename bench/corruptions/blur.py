"""Blur: Gaussian and defocus.

Sources: Hendrycks and Dietterich, ICLR 2019, make_*_c.py; scikit-image's ``gaussian`` (truncated at
four sigma, edges repeated); OpenCV's ``filter2D`` (edges mirrored without repeating them).
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from robobench.corruptions.compiled import Array, fused, fused_piece, on_cpu, run
from robobench.registry import corruption

# Sums in single precision are off the exact integer grey level by less than this.
SLACK = 2.0**-11


@corruption(
    "gaussian_blur",
    group="extra",
    random=False,
    native={"unit": "sigma in pixels", "low": 0, "high": 10, "limit": 50},
    severities={
        "imagenet-c": (1, 2, 3, 4, 6),
        "cifar-c": (0.4, 0.6, 0.7, 0.8, 1),
        "tiny-imagenet-c": (0.5, 0.75, 1, 1.25, 1.5),
        "inception-c": (1.5, 2.5, 3.5, 4.5, 6.5),
    },
)
def gaussian_blur(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Gaussian blur with a sigma in pixels."""
    if on_cpu(images):
        return run(_gaussian_kernel, images, *gaussian_arguments(images, level))
    return to_uint8(gaussian(images.to(torch.float32), level) + SLACK)


@corruption(
    "defocus_blur",
    group="blur",
    random=False,
    severities={
        "imagenet-c": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        "cifar-c": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        "tiny-imagenet-c": ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        "inception-c": ((4, 0.1), (5, 0.5), (7, 0.5), (10, 0.5), (12, 0.5)),
    },
)
def defocus_blur(images: Tensor, level: tuple[float, float], keys: Tensor) -> Tensor:
    """Out of focus: mean over a disk (its radius, and the sigma that softens its edge)."""
    kernel = disk(*level)
    reach = kernel.shape[0] // 2
    if on_cpu(images):
        places = torch.arange(-reach, images.shape[2] + reach)
        rows, columns = (
            mirror(places, images.shape[2]),
            torch.arange(-reach, images.shape[3] + reach),
        )
        return run(
            _disk_kernel, images, rows, mirror(columns, images.shape[3]), *disk_steps(*level)
        )
    n, _, height, width = images.shape
    rows = mirror(torch.arange(-reach, height + reach, device=images.device), height)
    columns = mirror(torch.arange(-reach, width + reach, device=images.device), width)
    padded = images.to(torch.float32)[:, :, rows][:, :, :, columns]
    weights = torch.from_numpy(kernel).to(images.device)[None, None]
    out = F.conv2d(padded.view(n * 3, 1, *padded.shape[2:]), weights)
    return to_uint8(out.view(images.shape) + SLACK)


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """Gaussian filter along the last two axes, edges repeated: float N x C x H x W."""
    weights = gaussian_weights(sigma)
    reach = len(weights) // 2
    if not reach:
        return x
    kernel = torch.from_numpy(weights).to(x)
    n, c, height, width = x.shape
    flat = x.reshape(n * c, 1, height, width)
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), "replicate"), kernel[None, None, :, None])
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), "replicate"), kernel[None, None, None])
    return flat.view(n, c, height, width)


@lru_cache(maxsize=256)
def gaussian_weights(sigma: float, truncate: float = 4.0) -> Array:
    """SciPy's kernel: cut off at `truncate` sigma, summing to one."""
    reach = int(truncate * sigma + 0.5)
    if reach == 0:
        return np.ones(1, np.float32)
    weights: Array = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    return weights.astype(np.float32)


@lru_cache(maxsize=64)
def disk_steps(radius: float, softness: float) -> tuple[Array, Array, Array]:
    """The disk, row by row from the middle down, as sums of boxes.

    Returns:
        int64 rows: how many boxes; int64 rows x boxes: how far each reaches to either side;
        float32 rows x boxes: its weight (0 behind the last, up to an even number).
    """
    kernel = disk(radius, softness)
    middle = kernel.shape[0] // 2
    half = kernel[middle:, middle:].astype(np.float64)
    falls = half - np.append(half[:, 1:], np.zeros((len(half), 1)), axis=1)
    falls[np.abs(falls) < 1e-9] = 0
    counts = (falls != 0).sum(1)
    reaches = np.zeros((len(half), int(counts.max() + 1) // 2 * 2), np.int64)
    weights = np.zeros(reaches.shape, np.float32)
    for row, count in enumerate(counts):
        reaches[row, :count] = np.flatnonzero(falls[row])
        weights[row, :count] = falls[row, reaches[row, :count]]
    return counts, reaches, weights


@fused_piece
def smooth_row(
    plane: Array, y: int, half: Array, rows: Array, columns: Array, line: Array, mixed: Array
) -> None:
    """One row of a plane under a symmetric separable filter.

    Args:
        plane: float32 H x W.
        y: The row.
        half: Weights from the middle out, float32.
        rows: Index of the row at each position from -reach to H + reach.
        columns: The same for columns, to W + reach.
        line: Scratch, float32 W + 2 reach.
        mixed: The result, float32 W.
    """
    reach, width = half.size - 1, plane.shape[1]
    middle, row = line[reach : reach + width], plane[rows[y + reach]]
    for x in range(width):
        middle[x] = half[0] * row[x]
    k = 1
    while k + 1 <= reach:
        a, b = plane[rows[y + reach - k]], plane[rows[y + reach + k]]
        c, d = plane[rows[y + reach - k - 1]], plane[rows[y + reach + k + 1]]
        near, far = half[k], half[k + 1]
        for x in range(width):
            middle[x] += near * (a[x] + b[x]) + far * (c[x] + d[x])
        k += 2
    if k <= reach:
        a, b, near = plane[rows[y + reach - k]], plane[rows[y + reach + k]], half[k]
        for x in range(width):
            middle[x] += near * (a[x] + b[x])
    for x in range(reach):
        line[x] = line[reach + columns[x]]
        line[reach + width + x] = line[reach + columns[reach + width + x]]
    for x in range(width):
        mixed[x] = half[0] * middle[x]
    k = 1
    while k + 1 <= reach:
        a, b = line[reach - k : reach - k + width], line[reach + k : reach + k + width]
        c, d = line[reach - k - 1 :][:width], line[reach + k + 1 :][:width]
        near, far = half[k], half[k + 1]
        for x in range(width):
            mixed[x] += near * (a[x] + b[x]) + far * (c[x] + d[x])
        k += 2
    if k <= reach:
        a, b, near = line[reach - k :][:width], line[reach + k :][:width], half[k]
        for x in range(width):
            mixed[x] += near * (a[x] + b[x])


@fused_piece
def cut(value: Any) -> Any:
    """Clip to 0..255 and truncate to an integer grey level."""
    return np.uint8(np.int32(max(np.float32(0), min(np.float32(255), value))))


def gaussian_arguments(images: Tensor, sigma: float) -> tuple[Array, ...]:
    """Half of the weights, and the indices of rows and columns at positions beyond the edges."""
    half = gaussian_weights(sigma)
    half = half[len(half) // 2 :]
    return half, *(repeated(size, len(half) - 1) for size in images.shape[2:])


@lru_cache(maxsize=64)
def repeated(size: int, reach: int) -> NDArray[np.int64]:
    """The index at each position from -reach to size + reach, edges repeated."""
    return np.clip(np.arange(-reach, size + reach), 0, size - 1)


@fused
def _gaussian_kernel(
    images: Array,
    out: Array,
    half: Array,
    rows: Array,
    columns: Array,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    plane = np.empty((height, width), np.float32)
    line = np.empty(width + 2 * half.size, np.float32)
    mixed = np.empty(width, np.float32)
    for i in range(first, last):
        for c in range(3):
            load_plane(images[i, c], plane)
            for y in range(height):
                smooth_row(plane, y, half, rows, columns, line, mixed)
                store_row(mixed, out[i, c, y])


@fused_piece
def load_plane(source: Array, plane: Array) -> None:
    """Convert a plane of grey levels to single precision."""
    for y in range(source.shape[0]):
        for x in range(source.shape[1]):
            plane[y, x] = np.float32(source[y, x])


@fused_piece
def store_row(mixed: Array, row: Array) -> None:
    """Truncate a row of sums to grey levels."""
    for x in range(row.size):
        row[x] = cut(mixed[x] + np.float32(SLACK))


@fused
def _disk_kernel(
    images: Array,
    out: Array,
    rows: Array,
    columns: Array,
    counts: Array,
    reaches: Array,
    weights: Array,
    first: int,
    last: int,
) -> None:
    """Boxes are differences of running sums; each row's boxes are added above and below it."""
    height, width = images.shape[2], images.shape[3]
    reach = counts.size - 1
    sums = np.zeros(width + 2 * reach + 1, np.float32)
    total = np.empty((height, width), np.float32)
    spare, mixed = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for i in range(first, last):
        for c in range(3):
            for y in range(height):
                for x in range(width):
                    total[y, x] = np.float32(SLACK)
            for place in range(height + 2 * reach):
                row = images[i, c, rows[place]]
                running = np.int32(0)  # stays below 2**24: exact in single precision
                for x in range(columns.size):
                    running += np.int32(row[columns[x]])
                    sums[x + 1] = np.float32(running)
                for d in range(reach + 1):
                    above, below = place - reach - d, place - reach + d
                    inside = 0 <= above < height
                    first_target = total[above] if inside else spare
                    second_target = total[below] if d > 0 and 0 <= below < height else spare
                    if not inside and not 0 <= below < height:
                        continue
                    kept = np.float32(0)
                    for j in range(0, counts[d], 2):  # two at a time: more are not vectorised
                        reach0, reach1 = reaches[d, j], reaches[d, j + 1]
                        step0, step1 = weights[d, j], weights[d, j + 1]
                        a, b = sums[reach + reach0 + 1 :][:width], sums[reach - reach0 :][:width]
                        e, f = sums[reach + reach1 + 1 :][:width], sums[reach - reach1 :][:width]
                        for x in range(width):
                            near = step0 * (a[x] - b[x]) + step1 * (e[x] - f[x])
                            mixed[x] = kept * mixed[x] + near
                        kept = np.float32(1)
                    for x in range(width):
                        first_target[x] += mixed[x]
                        second_target[x] += mixed[x]
            for y in range(height):
                for x in range(width):
                    out[i, c, y, x] = cut(total[y, x])


@lru_cache(maxsize=64)
def disk(radius: float, softness: float) -> Array:
    """The kernel of `defocus_blur`: a disk on a grid of 17 or more, softened by a small Gaussian."""
    reach, soft = (8, 1) if radius <= 8 else (int(radius), 2)
    line = np.arange(-reach, reach + 1)
    kernel: Array = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float64)
    kernel /= kernel.sum()
    edge = np.exp(-(np.arange(-soft, soft + 1) ** 2) / (2 * softness**2))
    edge /= edge.sum()
    padded = np.pad(kernel, soft, mode="reflect")
    rows = sum(w * padded[i : i + 2 * reach + 1] for i, w in enumerate(edge))
    kernel = sum(w * rows[:, i : i + 2 * reach + 1] for i, w in enumerate(edge))
    used = int(np.abs(np.argwhere(kernel > 1e-9) - reach).max())  # leave the zeros outside
    part = slice(reach - used, reach + used + 1)
    inner: Array = kernel[part, part]
    return inner.astype(np.float32)


def mirror(index: Tensor, size: int) -> Tensor:
    """Reflect indices beyond the edge at the last pixel, without repeating it."""
    if size == 1:
        return torch.zeros_like(index)
    folded = index.abs() % (2 * size - 2)
    return torch.where(folded < size, folded, 2 * size - 2 - folded)


def to_uint8(x: Tensor) -> Tensor:
    """Clip to 0..255 and truncate to integer grey levels, as published (no rounding)."""
    return x.clamp(0, 255).to(torch.uint8)
