"""Weather: snow, frost and fog.

Source: Hendrycks and Dietterich, ICLR 2019, make_*_c.py. Frost takes its photographs from the
installed distribution of imagecorruptions.
"""

import numpy as np
import torch
from torch import Tensor

from robobench.corruptions import frost as photographs
from robobench.corruptions import random
from robobench.corruptions.blur import SLACK, cut, to_uint8
from robobench.corruptions.compiled import Array, compiled, fused, on_cpu, piece, run
from robobench.corruptions.motion import (
    TRACE_SLACK,
    moved,
    pad_edges,
    trace,
    trace_weights,
    traced_row,
    zoom_axis,
    zoomed,
)
from robobench.corruptions.random import halves, normal_of, uniform_at, word_at
from robobench.registry import corruption


@corruption(
    "snow",
    group="weather",
    severities={
        "imagenet-c": (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        "cifar-c": (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        "tiny-imagenet-c": (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        "inception-c": (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    },
)
def snow(images: Tensor, level: tuple[float, ...], keys: Tensor) -> Tensor:
    """Snow: bright wind-blown flakes over a paler image."""
    loc, scale, zoom, threshold, radius, sigma, mix = level
    n, _, height, width = images.shape
    angles = -135 + 90 * random.uniform(random.stream(keys, 1), 1)[:, 0].double()
    if on_cpu(images):
        where = *zoom_axis(height, zoom), *zoom_axis(width, zoom)
        drift = trace_weights(int(radius), sigma), *trace(int(radius), angles)
        numbers = np.array([loc, scale, threshold, mix], np.float32)
        return run(_snow_kernel, images, keys, numbers, random.QUANTILES, *where, *drift)
    layer = loc + scale * random.normal(keys, height * width).view(n, 1, height, width)
    layer = zoomed(layer, zoom)
    layer = torch.where(layer < threshold, 0, layer).clamp(0, 1)
    layer = torch.floor(layer * 255 + SLACK)
    layer = torch.floor(moved(layer, int(radius), sigma, angles) + TRACE_SLACK)
    x = images.to(torch.float32)
    red, green, blue = x.unbind(1)
    gray = (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]
    x = mix * x + (1 - mix) * torch.maximum(x, gray * 1.5 + 127.5)
    return to_uint8(x + layer + layer.flip(2, 3) + SLACK)


@corruption(
    "frost",
    group="weather",
    severities={
        "imagenet-c": ((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
        "cifar-c": (
            (1, 0.2, 0.2),
            (1, 0.3, 0.2),
            (0.9, 0.4, 0.2),
            (0.85, 0.4, 0.2),
            (0.75, 0.45, 0.2),
        ),
        "tiny-imagenet-c": (
            (1, 0.3, 0.3),
            (0.9, 0.4, 0.3),
            (0.8, 0.45, 0.3),
            (0.75, 0.5, 0.3),
            (0.7, 0.55, 0.3),
        ),
        "inception-c": ((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    },
)
def frost(images: Tensor, level: tuple[float, float, float], keys: Tensor) -> Tensor:
    """Frost: ice crystals from a photograph, blended in (weights, photograph's scale)."""
    own, ice, scale = level
    height, width = images.shape[2:]
    if on_cpu(images):
        pixels, first, wide = photographs.places(height, width, scale, keys)
        weights = np.array([own, ice], np.float32)
        return run(_frost_kernel, images, pixels, first, wide, weights)
    crops = photographs.crops(height, width, scale, keys)
    return to_uint8(own * images.to(torch.float32) + ice * crops.to(torch.float32) + SLACK)


@corruption(
    "fog",
    group="weather",
    severities={
        "imagenet-c": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        "cifar-c": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        "tiny-imagenet-c": ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        "inception-c": ((1.5, 2), (2, 2), (2.5, 1.8), (2.5, 1.6), (3, 1.5)),
    },
)
def fog(images: Tensor, level: tuple[float, float], keys: Tensor) -> Tensor:
    """Fog: a cloud of fractal noise over a darker image (strength, decay of the roughness)."""
    strength, decay = level
    height, width = images.shape[2:]
    side = 1 << max(1, (max(height, width) - 1).bit_length())
    if on_cpu(images):
        return run(_fog_kernel, images, keys, np.float32(255 * strength), side, float(decay))
    cloud = _plasma(side, decay, keys)[:, None, :height, :width]
    x = images.to(torch.float32)
    most = x.amax((1, 2, 3), keepdim=True)
    return to_uint8((x + 255 * strength * cloud) * (most / (most + 255 * strength)) + SLACK)


def _plasma(side: int, decay: float, keys: Tensor) -> Tensor:
    """A height map between 0 and 1 by the diamond-square algorithm (Fournier et al. 1982).

    Edges wrap around; every point is set once, to the mean of its four neighbours at the current
    step plus a uniform random number scaled by the current roughness.
    """
    n = len(keys)
    field = random.uniform(keys, side * side).view(n, side, side) * 2 - 1
    height = torch.zeros_like(field)
    step, rough = side, 100.0
    while step >= 2:
        half, scale = step // 2, rough * rough
        corner = height[:, ::step, ::step]
        total = corner + corner.roll(-1, 1)
        total = total + total.roll(-1, 2)
        height[:, half::step, half::step] = total / 4 + scale * field[:, half::step, half::step]
        middle = height[:, half::step, half::step]
        beside = middle + middle.roll(1, 1) + corner + corner.roll(-1, 2)
        height[:, ::step, half::step] = beside / 4 + scale * field[:, ::step, half::step]
        above = middle + middle.roll(1, 2) + corner + corner.roll(-1, 1)
        height[:, half::step, ::step] = above / 4 + scale * field[:, half::step, ::step]
        step, rough = half, rough / decay
    height = height - height.amin((1, 2), keepdim=True)
    return height / height.amax((1, 2), keepdim=True)


@fused
def _snow_kernel(
    images: Array,
    out: Array,
    keys: Array,
    numbers: Array,
    quantiles: Array,
    tops: Array,
    bottoms: Array,
    downs: Array,
    lefts: Array,
    rights: Array,
    acrosses: Array,
    weights: Array,
    drift_down: Array,
    drift_right: Array,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    loc, scale, threshold, mix = numbers[0], numbers[1], numbers[2], numbers[3]
    reach = drift_down.shape[1]
    flakes = np.empty((height, width), np.float32)
    line = np.empty(width, np.float32)
    padded = np.empty((height + 2 * reach, width + 2 * reach), np.float32)
    layer = np.empty((height, width), np.float32)
    for i in range(first, last):
        low, high = halves(keys[i])
        for y in range(tops[0], bottoms[height - 1] + 1):
            for x in range(lefts[0], rights[width - 1] + 1):
                word = word_at(low, high, np.uint32(y * width + x))
                flakes[y, x] = loc + scale * normal_of(word, quantiles)
        for y in range(height):
            upper, lower, down = flakes[tops[y]], flakes[bottoms[y]], downs[y]
            for x in range(lefts[0], rights[width - 1] + 1):
                line[x] = upper[x] + down * (lower[x] - upper[x])
            row = padded[y + reach, reach:]
            for x in range(width):
                a, b = line[np.uint32(lefts[x])], line[np.uint32(rights[x])]
                flake = a + acrosses[x] * (b - a)
                flake = np.float32(0) if flake < threshold else min(np.float32(1), flake)
                row[x] = np.float32(np.int32(max(np.float32(0), flake) * 255 + np.float32(SLACK)))
        pad_edges(padded, reach)
        for y in range(height):
            traced_row(padded, y, reach, weights, drift_down[i], drift_right[i], layer[y])
            for x in range(width):
                layer[y, x] = np.float32(np.int32(layer[y, x] + np.float32(TRACE_SLACK)))
        for y in range(height):
            here, there = layer[y], layer[height - 1 - y]
            for x in range(width):
                red, green = np.float32(images[i, 0, y, x]), np.float32(images[i, 1, y, x])
                blue = np.float32(images[i, 2, y, x])
                gray = np.float32(0.299) * red + np.float32(0.587) * green
                gray = (gray + np.float32(0.114) * blue) * np.float32(1.5) + np.float32(127.5)
                flake = here[x] + there[width - 1 - x] + np.float32(SLACK)
                pale = np.float32(1) - mix
                out[i, 0, y, x] = cut(mix * red + pale * max(red, gray) + flake)
                out[i, 1, y, x] = cut(mix * green + pale * max(green, gray) + flake)
                out[i, 2, y, x] = cut(mix * blue + pale * max(blue, gray) + flake)


@compiled
def _frost_kernel(
    images: Array,
    out: Array,
    pixels: Array,
    places: Array,
    wide: Array,
    weights: Array,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    own, ice = weights[0], weights[1]
    for i in range(first, last):
        for c in range(3):
            for y in range(height):
                source, target = images[i, c, y], out[i, c, y]
                photo = pixels[c, places[i] + y * wide[i] :][:width]
                for x in range(width):
                    mixed = own * np.float32(source[x]) + ice * np.float32(photo[x])
                    target[x] = cut(mixed + np.float32(SLACK))


@compiled
def _fog_kernel(
    images: Array,
    out: Array,
    keys: Array,
    strength: float,
    side: int,
    decay: float,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    field = np.empty((side, side), np.float32)
    for i in range(first, last):
        _cloud(keys[i], decay, field)
        least, most = field[0, 0], field[0, 0]
        for y in range(side):
            for x in range(side):
                least, most = min(least, field[y, x]), max(most, field[y, x])
        span = most - least
        brightest = np.uint8(0)
        for c in range(3):
            for y in range(height):
                for x in range(width):
                    brightest = max(brightest, images[i, c, y, x])
        dim = np.float32(brightest) / (np.float32(brightest) + strength)
        for y in range(height):
            cloud = field[y]
            for x in range(width):
                cloud[x] = strength * ((cloud[x] - least) / span)
            for c in range(3):
                source, target = images[i, c, y], out[i, c, y]
                for x in range(width):
                    hazy = (np.float32(source[x]) + cloud[x]) * dim
                    target[x] = cut(hazy + np.float32(SLACK))


@piece
def _cloud(key: int, decay: float, field: Array) -> None:
    """`_plasma` before it is scaled to 0..1."""
    low, high = halves(key)
    side = field.shape[0]
    for y in range(side):
        row = field[y]
        for x in range(side):
            row[x] = uniform_at(low, high, np.uint32(y * side + x)) * np.float32(2) - np.float32(1)
    field[0, 0] = 0
    step, rough = side, 100.0
    while step >= 2:
        half, scale, last = step // 2, np.float32(rough * rough), side - 1
        for y in range(0, side, step):
            upper, lower, middle = field[y], field[(y + step) & last], field[y + half]
            for x in range(0, side, step):
                far = (x + step) & last
                total = (upper[x] + lower[x]) + (upper[far] + lower[far])
                middle[x + half] = total / np.float32(4) + scale * middle[x + half]
        for y in range(0, side, step):
            row, above, below = field[y], field[(y - half) & last], field[y + half]
            further = field[(y + step) & last]
            for x in range(0, side, step):
                m = x + half
                total = below[m] + above[m] + row[x] + row[(x + step) & last]
                row[m] = total / np.float32(4) + scale * row[m]
                total = below[m] + below[(x - half) & last] + row[x] + further[x]
                below[x] = total / np.float32(4) + scale * below[x]
        step, rough = half, rough / decay
