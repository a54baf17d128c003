"""Colour and resolution: brightness, saturation, contrast, pixelation.

Sources: Hendrycks and Dietterich, ICLR 2019, make_*_c.py; scikit-image's HSV; Pillow's resize with
the box filter (fixed point, 22 bits).
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.corruptions.blur import SLACK, cut, to_uint8
from robobench.corruptions.compiled import Array, compiled, on_cpu, piece, run
from robobench.errors import RobobenchError
from robobench.registry import corruption


@corruption(
    "brightness",
    group="weather",
    random=False,
    native={"unit": "added to the HSV value, on 0..1", "low": 0, "high": 1},
    severities={
        "imagenet-c": (0.1, 0.2, 0.3, 0.4, 0.5),
        "cifar-c": (0.05, 0.1, 0.15, 0.2, 0.3),
        "tiny-imagenet-c": (0.1, 0.2, 0.3, 0.4, 0.5),
        "inception-c": (0.1, 0.2, 0.3, 0.4, 0.5),
    },
)
def brightness(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Brighter: a constant added to each pixel's HSV value."""
    if on_cpu(images):
        return run(_brightness_kernel, images, np.float32(255 * level))
    x = images.to(torch.float32)
    value = x.amax(1, keepdim=True)
    raised = (value + 255 * level).clamp(max=255)
    out = torch.where(value > 0, x * (raised / value), raised)
    return to_uint8(out + SLACK)


@corruption(
    "saturate",
    group="extra",
    random=False,
    severities={
        "imagenet-c": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        "cifar-c": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        "tiny-imagenet-c": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        "inception-c": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    },
)
def saturate(images: Tensor, level: tuple[float, float], keys: Tensor) -> Tensor:
    """Paler or more colourful: each pixel's HSV saturation scaled and shifted."""
    times, plus = level
    if on_cpu(images):
        return run(_saturate_kernel, images, np.float32(times), np.float32(plus))
    x = images.to(torch.float32)
    value, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    spread = value - least
    # Distances below the value are scaled by (new / old saturation); grey has the hue of red.
    wanted = (spread * times + value * plus).clamp(max=value)
    out = value - (value - x) * (wanted / spread.clamp(min=1))
    red = torch.cat([value, value - wanted, value - wanted], 1)
    return to_uint8(torch.where(spread > 0, out, red) + SLACK)


@corruption(
    "contrast",
    group="digital",
    random=False,
    native={"unit": "factor of the distance from the mean", "low": 0, "high": 1},
    severities={
        "imagenet-c": (0.4, 0.3, 0.2, 0.1, 0.05),
        "cifar-c": (0.75, 0.5, 0.4, 0.3, 0.15),
        "tiny-imagenet-c": (0.4, 0.3, 0.2, 0.1, 0.05),
        "inception-c": (0.4, 0.3, 0.2, 0.1, 0.05),
    },
)
def contrast(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Less contrast: each channel is pulled towards its mean."""
    if on_cpu(images):
        return run(_contrast_kernel, images, np.float32(level))
    count = images.shape[2] * images.shape[3]
    mean = (images.sum((2, 3), keepdim=True, dtype=torch.int64).double() / count).float()
    return to_uint8((images.to(torch.float32) - mean) * level + mean + SLACK)


@corruption(
    "pixelate",
    group="digital",
    random=False,
    native={"unit": "side of the small picture as a fraction", "low": 0.05, "high": 1},
    severities={
        "imagenet-c": (0.6, 0.5, 0.4, 0.3, 0.25),
        "cifar-c": (0.95, 0.9, 0.85, 0.75, 0.65),
        "tiny-imagenet-c": (0.9, 0.8, 0.7, 0.6, 0.5),
        "inception-c": (0.5, 0.4, 0.3, 0.25, 0.2),
    },
)
def pixelate(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Shrunk and enlarged again with the box filter, exactly as in Pillow."""
    height, width = images.shape[2:]
    small = int(height * level), int(width * level)
    if min(small) < 1:
        raise RobobenchError(
            f"pixelate {level:g} leaves nothing of {height} x {width} pixels: "
            f"expected at least {int(np.ceil(1 / level))} on each side"
        )
    return shrunk_and_back(images, small)


def shrunk_and_back(images: Tensor, small: tuple[int, int]) -> Tensor:
    """Pillow's box filter to a smaller height and width and back, bit for bit.

    Args:
        images: uint8, N x C x H x W.
        small: Height and width in between, at least 1.
    """
    height, width = images.shape[2:]
    if on_cpu(images):
        shrink = box_windows(width, small[1]), box_windows(height, small[0])
        # To enlarge with this filter is to repeat pixels: each has one source.
        grow = box_windows(small[1], width)[0], box_windows(small[0], height)[0]
        return run(_pixelate_kernel, images, *shrink, *grow)
    x = images.to(torch.float64)
    for size in (small, (height, width)):
        x = _resized(x, 3, size[1])
        x = _resized(x, 2, size[0])
    return x.to(torch.uint8)


def _resized(x: Tensor, axis: int, size: int) -> Tensor:
    """One axis of Pillow's box resize; integers in double precision are exact."""
    if x.shape[axis] == size:
        return x
    weights = torch.from_numpy(box_weights(x.shape[axis], size)).to(x.device)
    total = x @ weights.T if axis == 3 else weights @ x
    return torch.floor((total + 2**21) / 2**22).clamp_(0, 255)


@lru_cache(maxsize=64)
def box_windows(before: int, after: int) -> NDArray[np.uint32]:
    """Pillow's box filter (Resample.c, precompute_coeffs): 3 x after, integers.

    For each output the first input, one past the last input, and the weight of each, times 2**22.
    """
    scale = before / after
    support = 0.5 * max(scale, 1.0)
    windows = np.zeros((3, after), np.uint32)
    for i in range(after):
        center = (i + 0.5) * scale
        first = max(int(center - support + 0.5), 0)
        last = min(int(center + support + 0.5), before)
        at = (np.arange(first, last) - center + 0.5) / max(scale, 1.0)
        inside = np.flatnonzero((at > -0.5) & (at <= 0.5))
        weight = int(2**22 / len(inside) + 0.5)
        windows[:, i] = first + inside[0], first + inside[-1] + 1, weight
    return windows


@lru_cache(maxsize=64)
def box_weights(before: int, after: int) -> NDArray[np.float64]:
    """`box_windows` as a matrix: after x before."""
    weights = np.zeros((after, before))
    for row, (first, last, weight) in zip(weights, box_windows(before, after).T, strict=True):
        row[first:last] = weight
    return weights


@compiled
def _brightness_kernel(images: Array, out: Array, plus: float, first: int, last: int) -> None:
    for i in range(first, last):
        for y in range(images.shape[2]):
            red, green, blue = images[i, 0, y], images[i, 1, y], images[i, 2, y]
            for x in range(images.shape[3]):
                value = np.float32(max(red[x], green[x], blue[x]))
                raised = min(value + plus, np.float32(255))
                times = raised / max(value, np.float32(1))
                base = np.float32(SLACK) if value > 0 else raised + np.float32(SLACK)
                out[i, 0, y, x] = cut(np.float32(red[x]) * times + base)
                out[i, 1, y, x] = cut(np.float32(green[x]) * times + base)
                out[i, 2, y, x] = cut(np.float32(blue[x]) * times + base)


@compiled
def _saturate_kernel(
    images: Array, out: Array, times: float, plus: float, first: int, last: int
) -> None:
    slack = np.float32(SLACK)
    for i in range(first, last):
        for y in range(images.shape[2]):
            red, green, blue = images[i, 0, y], images[i, 1, y], images[i, 2, y]
            for x in range(images.shape[3]):
                value = np.float32(max(red[x], green[x], blue[x]))
                spread = value - np.float32(min(red[x], green[x], blue[x]))
                wanted = min(spread * times + value * plus, value)
                gray = spread == np.float32(0)
                ratio = wanted / max(spread, np.float32(1))
                least = value - wanted + slack
                r = value - (value - np.float32(red[x])) * ratio + slack
                g = value - (value - np.float32(green[x])) * ratio + slack
                b = value - (value - np.float32(blue[x])) * ratio + slack
                out[i, 0, y, x] = cut(r)
                out[i, 1, y, x] = cut(least if gray else g)
                out[i, 2, y, x] = cut(least if gray else b)


@compiled
def _contrast_kernel(images: Array, out: Array, level: float, first: int, last: int) -> None:
    height, width = images.shape[2], images.shape[3]
    for i in range(first, last):
        for c in range(3):
            source, target = images[i, c].ravel(), out[i, c].ravel()
            total = np.int64(0)
            for j in range(source.size):
                total += np.int64(source[j])
            mean = np.float32(np.float64(total) / np.float64(height * width))
            for j in range(source.size):
                drawn = (np.float32(source[j]) - mean) * level + mean
                target[j] = cut(drawn + np.float32(SLACK))


@piece
def _turned(plane: Array, columns: Array, line: Array, result: Array) -> None:
    """Columns of a plane as rows, whose length is a multiple of 8; `line` is scratch.

    Eight rows at a time become the bytes of words, which are put in place as a whole.
    """
    width, words, eights = plane.shape[1], result.view(np.uint64), line.view(np.uint64)
    whole = plane.shape[0] // 8
    for g in range(whole):
        a, b, c, d = plane[8 * g], plane[8 * g + 1], plane[8 * g + 2], plane[8 * g + 3]
        e, f, h, i = plane[8 * g + 4], plane[8 * g + 5], plane[8 * g + 6], plane[8 * g + 7]
        for x in range(width):
            line[8 * x], line[8 * x + 1], line[8 * x + 2], line[8 * x + 3] = a[x], b[x], c[x], d[x]
            line[8 * x + 4], line[8 * x + 5] = e[x], f[x]
            line[8 * x + 6], line[8 * x + 7] = h[x], i[x]
        for x in range(columns.size):
            words[x, g] = eights[columns[x]]
    for y in range(8 * whole, plane.shape[0]):
        row = plane[y]
        for x in range(columns.size):
            result[x, y] = row[columns[x]]


@piece
def _boxed_down(plane: Array, windows: Array, total: Array, result: Array) -> None:
    """Apply the box filter to all columns of a plane."""
    size = plane.shape[1]
    for y in range(windows.shape[1]):
        first, last, weight = windows[0, y], windows[1, y], windows[2, y]
        row, target = plane[first], result[y]
        for x in range(size):
            total[x] = np.uint32(row[x])
        for k in range(first + 1, last):
            row = plane[k]
            for x in range(size):
                total[x] = np.uint32(total[x] + np.uint32(row[x]))
        for x in range(size):
            target[x] = np.uint8(np.uint32(np.uint32(total[x] * weight) + np.uint32(1 << 21)) >> 22)


@compiled
def _pixelate_kernel(
    images: Array,
    out: Array,
    shrink_across: Array,
    shrink_down: Array,
    grow_across: Array,
    grow_down: Array,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    tall, wide = shrink_down.shape[1], shrink_across.shape[1]
    high, broad = (height + 7) // 8 * 8, (width + 7) // 8 * 8
    low, narrow = (tall + 7) // 8 * 8, (wide + 7) // 8 * 8
    line = np.empty(8 * max(high, broad), np.uint8)
    total = np.empty(max(high, broad), np.uint32)
    every = np.arange(max(high, broad)).astype(np.uint32)
    turned = np.empty((width, high), np.uint8)
    shrunk = np.empty((narrow, high), np.uint8)
    upright = np.empty((height, narrow), np.uint8)
    small = np.empty((low, narrow), np.uint8)
    grown = np.empty((broad, low), np.uint8)
    back = np.empty((tall, broad), np.uint8)
    for i in range(first, last):
        for c in range(3):
            # Many columns are filtered at once, so to filter across rows a plane is turned.
            _turned(images[i, c], every[:width], line, turned)
            _boxed_down(turned, shrink_across, total, shrunk)
            _turned(shrunk, every[:height], line, upright)
            _boxed_down(upright, shrink_down, total, small)
            # Enlarged across, then upright and enlarged down.
            _turned(small, grow_across, line, grown)
            _turned(grown, every[:tall], line, back)
            for y in range(height):
                row, target = back[grow_down[y]], out[i, c, y]
                for x in range(width):
                    target[x] = row[x]
