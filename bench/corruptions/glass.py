"""Frosted-glass blur.

Source: Hendrycks and Dietterich, ICLR 2019, make_*_c.py.
"""

import math

import numpy as np
import torch
from torch import Tensor

from robobench.corruptions import random
from robobench.corruptions.blur import (
    SLACK,
    cut,
    gaussian,
    gaussian_arguments,
    load_plane,
    smooth_row,
    store_row,
    to_uint8,
)
from robobench.corruptions.compiled import Array, compiled, on_cpu, run
from robobench.corruptions.random import halves, word_at
from robobench.registry import corruption


@corruption(
    "glass_blur",
    group="blur",
    severities={
        "imagenet-c": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        "cifar-c": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        "tiny-imagenet-c": ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        "inception-c": ((0.8, 1, 3), (1, 3, 1), (1.1, 2, 4), (1.2, 4, 2), (1.6, 5, 2)),
    },
)
def glass_blur(images: Tensor, level: tuple[float, int, int], keys: Tensor) -> Tensor:
    """Through frosted glass: blurred, each pixel replaced by a nearby one, blurred again."""
    sigma, reach, rounds = level
    if on_cpu(images):
        arguments = gaussian_arguments(images, sigma)
        return run(_glass_kernel, images, keys, reach, rounds, *arguments)
    soft = to_uint8(gaussian(images.to(torch.float32), sigma) + SLACK)
    return to_uint8(gaussian(_shuffled(soft, reach, rounds, keys).to(torch.float32), sigma) + SLACK)


def _shuffled(images: Tensor, reach: int, rounds: int, keys: Tensor) -> Tensor:
    """Replace each inner pixel by one drawn from its neighbourhood, from the last to the first.

    The published loop is meant to swap two pixels, but since rows are views it copies the drawn
    one. A copy may take a pixel that was itself copied before: every pixel points at its source,
    and chains are followed by pointer doubling.
    """
    n, _, height, width = images.shape
    size = height * width
    place = torch.arange(size, device=images.device)
    y, x = place // width, place % width
    inner = (y > reach) & (y <= height - reach) & (x > reach) & (x <= width - reach)
    flat = images.flatten(2)
    words = random.words(keys, rounds * size).view(n, rounds, size)
    for turn in range(rounds):
        word = words[:, turn]
        right = ((word & 0xFFFF) * (2 * reach) >> 16) - reach
        down = ((word >> 16) * (2 * reach) >> 16) - reach
        source = torch.where(inner, place + down * width + right, place)
        linked = inner & (source > place) & inner[source]
        jump = torch.where(linked, source, place)
        for _ in range(max(1, math.ceil(math.log2(size)))):
            further = jump.gather(1, jump)
            if torch.equal(further, jump):
                break
            jump = further
        taken = source.gather(1, jump)
        flat = flat.gather(2, taken[:, None].expand(n, 3, size))
    return flat.view(images.shape)


@compiled
def _glass_kernel(
    images: Array,
    out: Array,
    keys: Array,
    reach: int,
    rounds: int,
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
    pixels = np.empty((height, width), np.uint32)  # red, green and blue in one word
    words = np.empty(width, np.uint32)
    span = np.uint32(2 * reach)
    for i in range(first, last):
        low, high = halves(keys[i])
        for c in range(3):
            load_plane(images[i, c], plane)
            for y in range(height):
                smooth_row(plane, y, half, rows, columns, line, mixed)
                row = pixels[y]
                for x in range(width):
                    value = np.uint32(cut(mixed[x] + np.float32(SLACK)))
                    row[x] = value if c == 0 else row[x] | np.uint32(value << np.uint32(8 * c))
        for turn in range(rounds):
            for y in range(height - reach, reach, -1):
                start = np.uint32((turn * height + y) * width)
                for x in range(width):
                    words[x] = word_at(low, high, np.uint32(start + np.uint32(x)))
                for x in range(width - reach, reach, -1):
                    word = words[x]
                    right = np.uint32(np.uint32(word & np.uint32(0xFFFF)) * span) >> np.uint32(16)
                    down = np.uint32(np.uint32(word >> np.uint32(16)) * span) >> np.uint32(16)
                    pixels[y, x] = pixels[y + np.int64(down) - reach, x + np.int64(right) - reach]
        for c in range(3):
            for y in range(height):
                for x in range(width):
                    plane[y, x] = np.float32((pixels[y, x] >> np.uint32(8 * c)) & np.uint32(255))
            for y in range(height):
                smooth_row(plane, y, half, rows, columns, line, mixed)
                store_row(mixed, out[i, c, y])
