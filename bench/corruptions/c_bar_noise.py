"""ImageNet-C-bar's noises and waves (Mintun, Kirillov and Xie, NeurIPS 2021), as tensor code.

Formulas, ranges of the drawn parameters and severities are those of its published code (corrupt.py,
imagenet_c_bar.csv, cifar10_c_bar.csv), with this package's random numbers. Where CIFAR-10-C-bar lacks a
corruption, and for other sizes, the severities are ImageNet's: all lengths are shares of the image's
longer side. Results are truncated to integer grey levels, as published.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from robobench.corruptions import random
from robobench.registry import corruption

__all__ = ["drawn", "places", "to_bytes"]


def places(images: Tensor) -> tuple[Tensor, Tensor, int]:
    """Rows (1 x H x 1) and columns (1 x 1 x W) of the pixels, float32, and the longer side."""
    height, width = images.shape[2:]
    rows = torch.arange(height, dtype=torch.float32, device=images.device)
    columns = torch.arange(width, dtype=torch.float32, device=images.device)
    return rows.view(1, -1, 1), columns.view(1, 1, -1), max(height, width)


def to_bytes(values: Tensor) -> Tensor:
    """Clipped to 0..255 and truncated: uint8."""
    return values.clamp(0, 255).to(torch.uint8)


def drawn(keys: Tensor, count: int, number: int = 0) -> list[Tensor]:
    """Uniform numbers on [0, 1) of each image, each N x 1 x 1."""
    found = random.uniform(random.stream(keys, number), count)
    return [found[:, k].view(-1, 1, 1) for k in range(count)]


@corruption(
    "single_frequency_greyscale",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities=(1.0, 1.5, 2.0, 4.5, 5.0),
)
def single_frequency_greyscale(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """A plane wave of random direction and frequency is added to all channels."""
    y, x, _ = places(images)
    first, second, swapped, phase = drawn(keys, 4)
    first = (2 * first - 1) * math.pi
    second = (2 * second - 1) * first.abs()
    along = torch.where(swapped < 0.5, first, second)
    across = torch.where(swapped < 0.5, second, first)
    wave = torch.sin(x * along + y * across + 2 * math.pi * phase)
    return to_bytes(images + 19.6 * level * wave[:, None])


@corruption(
    "cocentric_sine_waves",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities=(3.0, 5.0, 8.0, 9.0, 10.0),
)
def cocentric_sine_waves(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Wavy rings around a random point, their brightness a saw tooth."""
    y, x, side = places(images)
    left, top, frequency, amplitude, width = drawn(keys, 5)
    right, down = x - left * side, y - top * side
    angle = torch.atan2(right, down) * 10 * frequency
    distance = (right**2 + down**2).sqrt() + torch.sin(angle) * amplitude * side / 10
    width = (width * side / 10).clamp_min(1e-3)
    rings = torch.remainder(distance, width) / width - 0.5
    return to_bytes(images + 12.8 * level * rings[:, None])


@corruption(
    "plasma_noise",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities=(4.75, 7.0, 8.5, 9.25, 10.0),
)
def plasma_noise(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Colourful swirls: waves that displace each other four to six times."""
    if len(images) > 1:  # vectorised sines may differ in the last bit between places in a batch
        parts = zip(images.split(1), keys.split(1), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([plasma_noise(image, level, key) for image, key in parts])
    rows, columns, side = places(images)
    time, rounds, sharpness, scale = drawn(keys, 4)
    time, rounds = 6 * math.pi * time, 4 + (3 * rounds).floor()
    sharpness, scale = 0.5 + 0.5 * sharpness, (0.075 + 0.125 * scale) * side
    x, y = (
        (columns / scale).expand(-1, rows.shape[1], -1),
        (rows / scale).expand(-1, -1, columns.shape[2]),
    )
    frequency, slowness, strength = 1.0, 1.0, torch.ones_like(sharpness)
    for done in range(6):
        across = torch.cos(y * frequency + time / slowness) / strength
        down = torch.sin(x * frequency + time / slowness) / strength
        more = done < rounds
        x = torch.where(more, x + across - 0.3 * down, x)
        y = torch.where(more, y + down + 0.3 * across, y)
        frequency, slowness = frequency * 1.93, slowness * 1.15
        strength = strength * (2.25 - sharpness)
    red, blue = torch.sin(x - time), torch.sin(y + time)
    green = torch.sin((x + y + torch.sin(time)) * 0.5)
    intensity = 6.4 * level
    swirls = torch.stack([red, green, blue], dim=1)
    return to_bytes((1 - intensity / 255) * images + intensity * swirls)


@corruption(
    "perlin_noise",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities=(4.6, 5.2, 5.8, 7.6, 8.8),
)
def perlin_noise(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Blended with turbulence: five octaves of Perlin's gradient noise, seven cells per side."""
    rows, columns, side = places(images)
    cell = 32 * side / 224
    count = 16 * 7 + 2
    directions = 2 * random.uniform(keys, 2 * count * count).view(-1, count, count, 2) - 1
    directions = directions / directions.norm(dim=3, keepdim=True).clamp_min(1e-6)
    total = torch.zeros(len(images), *images.shape[2:], device=images.device)
    for octave in (1, 2, 4, 8, 16):
        total += (
            _gradient_noise(directions, octave * rows / cell, octave * columns / cell).abs()
            / octave
        )
    alpha = 0.05 * level
    clouds = (0.5 * total + 0.5).clamp(0, 1)
    return to_bytes((1 - alpha) * images + 255 * alpha * clouds[:, None])


def _gradient_noise(directions: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Perlin's noise N x H x W at places in units of the lattice."""
    top, left = rows.floor(), columns.floor()
    below, right = rows - top, columns - left
    i, j = top.long().expand(-1, -1, columns.shape[2]), left.long().expand(-1, rows.shape[1], -1)

    def part(di: int, dj: int) -> Tensor:
        chosen = directions[:, (i + di)[0], (j + dj)[0]]
        return (below - di) * chosen[..., 0] + (right - dj) * chosen[..., 1]

    smooth_i, smooth_j = (t * t * (3 - 2 * t) for t in (below, right))
    upper = part(0, 0) + smooth_i * (part(1, 0) - part(0, 0))
    lower = part(0, 1) + smooth_i * (part(1, 1) - part(0, 1))
    return 1.5 * (upper + smooth_j * (lower - upper))


@corruption(
    "blue_noise_sample",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities={
        "imagenet-c": (0.8, 1.6, 2.4, 4.0, 5.6),
        "cifar-c": (0.7, 1.4, 2.1, 3.5, 4.2),
        "tiny-imagenet-c": (0.8, 1.6, 2.4, 4.0, 5.6),
        "inception-c": (0.8, 1.6, 2.4, 4.0, 5.6),
    },
)
def blue_noise_sample(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Pixels become black where blue noise is below a threshold."""
    noise = _coloured(images, keys, 0, lambda distance: distance)
    return to_bytes(images * (noise > 0.3 * level - 2.5)[:, None])


@corruption(
    "brownish_noise",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities={
        "imagenet-c": (1.0, 2.0, 3.0, 4.0, 5.0),
        "cifar-c": (2.5, 4.0, 5.5, 6.5, 7.0),
        "tiny-imagenet-c": (1.0, 2.0, 3.0, 4.0, 5.0),
        "inception-c": (1.0, 2.0, 3.0, 4.0, 5.0),
    },
)
def brownish_noise(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Noise of low frequencies is added to each channel: amplitude 1 / (f^2 + 1)."""
    channels = [_coloured(images, keys, k, lambda d: 1 / (d * d + 1)) for k in range(3)]
    return to_bytes(images + 6.4 * level * torch.stack(channels, dim=1))


def _coloured(
    images: Tensor, keys: Tensor, channel: int, amplitude: Callable[[Tensor], Tensor]
) -> Tensor:
    """Noise N x H x W of deviation 1, its amplitude a function of the frequency.

    Phases are point-symmetric about the middle of the spectrum, as in the published code.
    """
    height, width = images.shape[2:]
    rows, columns, _ = places(images)
    distance = ((rows - height / 2) ** 2 + (columns - width / 2) ** 2).sqrt()
    half = width // 2
    key = random.stream(keys, channel)
    phases = 2 * math.pi * random.uniform(key, height * half).view(-1, height, half)
    parts = [phases, phases.flip(1, 2)]
    if width % 2:
        middle = 2 * math.pi * random.uniform(random.stream(key, 7), height // 2)[:, :, None]
        zero = middle.new_zeros(len(middle), height % 2, 1)
        parts.insert(1, torch.cat([middle, zero, middle.flip(1)], dim=1))
    spectrum = torch.polar(amplitude(distance).expand(len(keys), -1, -1), torch.cat(parts, dim=2))
    spectrum = spectrum.roll((height // 2, width // 2), (1, 2))
    noise = torch.stack(
        [torch.fft.ifft2(one).real for one in spectrum]
    )  # alone: same bits in any batch
    return noise / noise.std(dim=(1, 2), correction=0, keepdim=True)
