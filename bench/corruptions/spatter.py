"""Spatter: drops of water or mud on the lens.

Source: Hendrycks and Dietterich, ICLR 2019, make_*_c.py. Water is drawn with OpenCV's Canny edges,
distance transform, equalised histogram and small filters, which `relief` computes.
"""

import numpy as np
import torch
from torch import Tensor

from robobench.corruptions import random, relief
from robobench.corruptions.blur import (
    SLACK,
    cut,
    gaussian,
    gaussian_weights,
    repeated,
    smooth_row,
    to_uint8,
)
from robobench.corruptions.compiled import Array, fused, on_cpu, run
from robobench.corruptions.random import halves, normal_of, word_at
from robobench.registry import corruption

_WATER = np.array([175, 238, 238], np.float32)  # pale turquoise
_MUD = np.array([63, 42, 20], np.float32)


@corruption(
    "spatter",
    group="extra",
    severities={
        "imagenet-c": (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
        "cifar-c": (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        "tiny-imagenet-c": (
            (0.62, 0.1, 0.7, 0.7, 0.6, 0),
            (0.65, 0.1, 0.8, 0.7, 0.6, 0),
            (0.65, 0.3, 1, 0.69, 0.6, 0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1),
            (0.65, 0.1, 0.5, 0.67, 0.6, 1),
        ),
        "inception-c": (
            (0.65, 0.3, 4, 0.69, 0.9, 0),
            (0.65, 0.3, 3.5, 0.68, 0.9, 0),
            (0.65, 0.3, 3, 0.68, 0.8, 0),
            (0.65, 0.3, 1.2, 0.65, 1.8, 1),
            (0.67, 0.4, 1.2, 0.65, 1.8, 1),
        ),
    },
)
def spatter(images: Tensor, level: tuple[float, ...], keys: Tensor) -> Tensor:
    """Drops of water (severities 1 to 3) or mud (4 and 5) on the lens."""
    loc, scale, sigma, threshold, mix, mud = level
    n, _, height, width = images.shape
    if on_cpu(images):
        return _on_cpu(images, level, keys)
    layer = loc + scale * random.normal(keys, height * width).view(n, 1, height, width)
    layer = gaussian(layer, sigma)
    layer = torch.where(layer < threshold, 0, layer)
    x = images.to(torch.float32)
    if mud:
        cover = gaussian((layer > threshold).to(torch.float32), mix)
        cover = torch.where(cover < 0.8, 0, cover)
        colour = torch.from_numpy(_MUD).to(x.device)[:, None, None]
        return to_uint8(x * (1 - cover) + cover * colour + SLACK)
    liquid = (layer * 255).to(torch.uint8)
    shine = liquid.to(torch.float32) * relief.glint(liquid[:, 0])[:, None]
    shine = shine / shine.amax((2, 3), keepdim=True).clamp(min=1) * mix
    colour = torch.from_numpy(_WATER).to(x.device)[:, None, None]
    return to_uint8(x + shine * colour + SLACK)


def _on_cpu(images: Tensor, level: tuple[float, ...], keys: Tensor) -> Tensor:
    """The same in compiled code, image by image."""
    loc, scale, sigma, threshold, mix, mud = level
    n, _, height, width = images.shape
    layers = torch.empty((n, height, width), dtype=torch.float32)
    numbers = np.array([loc, scale, threshold], np.float32)
    half = gaussian_weights(sigma)
    half = half[len(half) // 2 :]
    edges = repeated(height, len(half) - 1), repeated(width, len(half) - 1)
    layer_arguments = layers, keys, numbers, random.QUANTILES, half, *edges
    if mud:
        half = gaussian_weights(mix)
        half = half[len(half) // 2 :]
        edges = repeated(height, len(half) - 1), repeated(width, len(half) - 1)
        run(_layer_kernel, images, *layer_arguments)
        return run(_mud_kernel, images, layers, np.float32(threshold), half, *edges, _MUD)
    run(_layer_kernel, images, *layer_arguments)
    run(relief.shine_kernel, images, layers, np.float32(mix))
    return run(_water_kernel, images, layers, _WATER)


@fused
def _layer_kernel(
    images: Array,
    out: Array,
    layers: Array,
    keys: Array,
    numbers: Array,
    quantiles: Array,
    half: Array,
    rows: Array,
    columns: Array,
    first: int,
    last: int,
) -> None:
    """Write smooth noise into `layers`, zero where it is below the threshold."""
    height, width = images.shape[2], images.shape[3]
    loc, scale, threshold = numbers[0], numbers[1], numbers[2]
    noise = np.empty((height, width), np.float32)
    line = np.empty(width + 2 * half.size, np.float32)
    for i in range(first, last):
        low, high = halves(keys[i])
        for y in range(height):
            for x in range(width):
                word = word_at(low, high, np.uint32(y * width + x))
                noise[y, x] = loc + scale * normal_of(word, quantiles)
        for y in range(height):
            row = layers[i, y]
            smooth_row(noise, y, half, rows, columns, line, row)
            for x in range(width):
                row[x] = np.float32(0) if row[x] < threshold else row[x]


@fused
def _mud_kernel(
    images: Array,
    out: Array,
    layers: Array,
    threshold: float,
    half: Array,
    rows: Array,
    columns: Array,
    colour: Array,
    first: int,
    last: int,
) -> None:
    height, width = images.shape[2], images.shape[3]
    line = np.empty(width + 2 * half.size, np.float32)
    cover = np.empty(width, np.float32)
    mask = np.empty((height, width), np.float32)
    for i in range(first, last):
        for y in range(height):
            for x in range(width):
                mask[y, x] = np.float32(1) if layers[i, y, x] > threshold else np.float32(0)
        for y in range(height):
            smooth_row(mask, y, half, rows, columns, line, cover)
            for x in range(width):
                cover[x] = np.float32(0) if cover[x] < np.float32(0.8) else cover[x]
            for c in range(3):
                source, target, mud = images[i, c, y], out[i, c, y], colour[c]
                for x in range(width):
                    mixed = np.float32(source[x]) * (np.float32(1) - cover[x]) + cover[x] * mud
                    target[x] = cut(mixed + np.float32(SLACK))


@fused
def _water_kernel(
    images: Array, out: Array, shines: Array, colour: Array, first: int, last: int
) -> None:
    for i in range(first, last):
        for c in range(3):
            for y in range(images.shape[2]):
                source, target, shine = images[i, c, y], out[i, c, y], shines[i, y]
                for x in range(images.shape[3]):
                    value = np.float32(source[x]) + shine[x] * colour[c]
                    target[x] = cut(value + np.float32(SLACK))
