"""Motion blur of a camera that moves along a line, or towards the scene.

Sources: Hendrycks and Dietterich, ICLR 2019, make_*_c.py; ImageMagick's MotionBlurImage (a
one-sided Gaussian along the line, edges repeated, its 16-bit result cut to 8 bits; checked against
ImageMagick 6.9.11 Q16); SciPy's ``ndimage.zoom`` of order 1.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.corruptions import random
from robobench.corruptions.blur import SLACK, cut, to_uint8
from robobench.corruptions.compiled import Array, fused, fused_piece, on_cpu, run
from robobench.registry import corruption

# ImageMagick rounds to 16 bits before truncating to 8: a level closer than this counts as reached.
TRACE_SLACK = 0.5 / 257


@corruption(
    "motion_blur",
    group="blur",
    severities={
        "imagenet-c": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        "cifar-c": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        "tiny-imagenet-c": ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        "inception-c": ((12, 4), (17, 6), (17, 9), (17, 13), (22, 16)),
    },
)
def motion_blur(images: Tensor, level: tuple[int, float], keys: Tensor) -> Tensor:
    """Camera moved along a line within 45 degrees of horizontal (radius, sigma of the trace)."""
    angles = -45 + 90 * random.uniform(keys, 1)[:, 0].double()
    if on_cpu(images):
        return run(_motion_kernel, images, trace_weights(*level), *trace(level[0], angles))
    return to_uint8(moved(images.to(torch.float32), *level, angles) + TRACE_SLACK)


@corruption(
    "zoom_blur",
    group="blur",
    random=False,
    severities={
        "imagenet-c": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        "cifar-c": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        "tiny-imagenet-c": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        "inception-c": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    },
)
def zoom_blur(images: Tensor, level: tuple[float, float], keys: Tensor) -> Tensor:
    """Camera moved towards the scene: mean of the image and its zooms (their end and step)."""
    zooms = np.arange(1, *level)
    if on_cpu(images):
        rows = zoom_axes(images.shape[2], *level)
        columns = zoom_axes(images.shape[3], *level, 3)
        return run(_zoom_kernel, images, *rows, *columns)
    x = images.to(torch.float32)
    total = x.clone()
    for zoom in zooms:
        total += zoomed(x, float(zoom))
    return to_uint8(total / (len(zooms) + 1) + SLACK)


def moved(x: Tensor, radius: int, sigma: float, angles: Tensor) -> Tensor:
    """ImageMagick's motion blur, each image along its own angle: float N x C x H x W.

    Args:
        x: Images.
        radius: The trace is 2 radius + 1 pixels long.
        sigma: Sigma of the weights along the trace.
        angles: Degrees, N.
    """
    weights = trace_weights(radius, sigma)
    height, width = x.shape[2:]
    downs, rights = trace(radius, angles)
    rows = torch.arange(height, device=x.device)
    columns = torch.arange(width, device=x.device)
    which = torch.arange(len(x), device=x.device)[:, None, None]
    out = torch.zeros_like(x)
    last = x.permute(0, 2, 3, 1)
    for i, weight in enumerate(weights.tolist()):
        y = (rows + downs[:, i, None]).clamp(0, height - 1)
        z = (columns + rights[:, i, None]).clamp(0, width - 1)
        out += weight * last[which, y[:, :, None], z[:, None, :]].permute(0, 3, 1, 2)
    return out


def trace(radius: int, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets of the trace's points: rows down and columns right, int64 N x 2 radius + 1."""
    along = torch.arange(2 * radius + 1, device=angles.device)
    turn = torch.deg2rad(angles)[:, None]
    down = torch.ceil(along * torch.sin(turn) - 0.5).long()
    return down, torch.ceil(along * torch.cos(turn) - 0.5).long()


@fused_piece
def traced_row(
    padded: Array, y: int, reach: int, weights: Array, downs: Array, rights: Array, mixed: Array
) -> None:
    """One row of a plane moved along a trace, into `mixed`; `padded` has edges of width `reach`."""
    width = mixed.size
    for x in range(width):
        mixed[x] = np.float32(0)
    k = 0
    while k + 3 < weights.size:
        a = padded[y + reach + downs[k], reach + rights[k] :][:width]
        b = padded[y + reach + downs[k + 1], reach + rights[k + 1] :][:width]
        c = padded[y + reach + downs[k + 2], reach + rights[k + 2] :][:width]
        d = padded[y + reach + downs[k + 3], reach + rights[k + 3] :][:width]
        p, q, r, s = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for x in range(width):
            mixed[x] += (p * a[x] + q * b[x]) + (r * c[x] + s * d[x])
        k += 4
    while k < weights.size:
        a, p = padded[y + reach + downs[k], reach + rights[k] :][:width], weights[k]
        for x in range(width):
            mixed[x] += p * a[x]
        k += 1


@fused_piece
def pad_edges(padded: Array, reach: int) -> None:
    """Repeat the edges of the plane in the middle over the margin around it."""
    height, width = padded.shape[0] - 2 * reach, padded.shape[1] - 2 * reach
    for y in range(reach, reach + height):
        row = padded[y]
        for x in range(reach):
            row[x] = row[reach]
            row[reach + width + x] = row[reach + width - 1]
    for y in range(reach):
        for x in range(padded.shape[1]):
            padded[y, x] = padded[reach, x]
            padded[reach + height + y, x] = padded[reach + height - 1, x]


@fused
def _motion_kernel(
    images: Array,
    out: Array,
    weights: Array,
    downs: Array,
    rights: Array,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    reach = weights.size
    padded = np.empty((height + 2 * reach, width + 2 * reach), np.float32)
    mixed = np.empty(width, np.float32)
    for i in range(first, last):
        for c in range(3):
            for y in range(height):
                source, target = images[i, c, y], padded[y + reach, reach:]
                for x in range(width):
                    target[x] = np.float32(source[x])
            pad_edges(padded, reach)
            for y in range(height):
                traced_row(padded, y, reach, weights, downs[i], rights[i], mixed)
                row = out[i, c, y]
                for x in range(width):
                    row[x] = cut(mixed[x] + np.float32(TRACE_SLACK))


@lru_cache(maxsize=64)
def trace_weights(radius: int, sigma: float) -> NDArray[np.float32]:
    """Weights along the trace, without those too small to change a grey level."""
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    return weights[weights > 2e-6].astype(np.float32)


def zoomed(x: Tensor, zoom: float) -> Tensor:
    """The centre of an image enlarged to its size: N x C x H x W or only its centre."""
    height, width = x.shape[2:]
    top, bottom, down = (torch.from_numpy(a).to(x.device) for a in zoom_axis(height, zoom))
    left, right, across = (torch.from_numpy(a).to(x.device) for a in zoom_axis(width, zoom))
    rows = x[:, :, top] + down[:, None] * (x[:, :, bottom] - x[:, :, top])
    return rows[..., left] + across * (rows[..., right] - rows[..., left])


@lru_cache(maxsize=16)
def zoom_axes(size: int, end: float, step: float, repeats: int = 1) -> tuple[Array, Array]:
    """`zoom_axis` of all zooms, for several axes concatenated.

    Returns:
        int32 zooms x 2 x length, and float32 zooms x length, where the length is size x repeats.
    """
    axes = [zoom_axis(size, float(zoom)) for zoom in np.arange(1, end, step)]
    places = np.stack([np.stack([first, second]) for first, second, _ in axes])
    starts = np.repeat(np.arange(repeats) * size, size)
    places = np.tile(places, repeats) + starts
    return places.astype(np.int32), np.tile(np.stack([part for _, _, part in axes]), repeats)


@fused
def _zoom_kernel(
    images: Array,
    out: Array,
    rows: Array,
    downs: Array,
    columns: Array,
    rights: Array,
    first: int,
    last: int,
) -> None:
    """First down, by sums of whole rows; then across, where each value is looked up."""
    height, width, zooms = images.shape[2], images.shape[3], downs.shape[0]
    share = np.float32(1) / np.float32(zooms + 1)
    plane = np.empty((height, 3 * width), np.float32)  # the channels side by side
    line = np.empty(3 * width, np.float32)
    total = np.empty(3 * width, np.float32)
    for i in range(first, last):
        for c in range(3):
            for y in range(height):
                source, target = images[i, c, y], plane[y, c * width :]
                for x in range(width):
                    target[x] = np.float32(source[x])
        for y in range(height):
            for x in range(3 * width):
                total[x] = plane[y, x]
            for z in range(zooms):
                upper, lower, down = plane[rows[z, 0, y]], plane[rows[z, 1, y]], downs[z, y]
                for x in range(3 * width):
                    line[x] = upper[x] + down * (lower[x] - upper[x])
                left, right, across = columns[z, 0], columns[z, 1], rights[z]
                for x in range(3 * width):
                    a, b = line[np.uint32(left[x])], line[np.uint32(right[x])]
                    total[x] += a + across[x] * (b - a)
            for c in range(3):
                row, sums = out[i, c, y], total[c * width :]
                for x in range(width):
                    row[x] = cut(sums[x] * share + np.float32(SLACK))


@lru_cache(maxsize=1024)
def zoom_axis(
    size: int, zoom: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The inputs of each output position along an axis: two neighbours, the second one's weight.

    The centre, ceil(size / zoom) long, is stretched to round(that times zoom) points, ends on ends,
    of which the middle is taken (ImageNet-C's ``clipped_zoom``).
    """
    part = math.ceil(size / zoom)
    start = (size - part) // 2
    points = round(part * zoom)
    places = np.arange(size) + (points - size) // 2
    at = places * ((part - 1) / (points - 1)) if points > 1 else np.zeros(size)
    first = np.clip(np.floor(at).astype(np.int64), 0, max(part - 2, 0))
    second = np.minimum(first + 1, part - 1)
    return first + start, second + start, (at - first).astype(np.float32)
