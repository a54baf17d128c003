"""ImageNet-C-bar's sparkles, squares and water (Mintun, Kirillov and Xie, NeurIPS 2021), as tensor code.

See `robobench.corruptions.c_bar_noise` on formulas, sizes and severities.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from robobench.corruptions import random
from robobench.corruptions.blur import gaussian
from robobench.corruptions.c_bar_noise import drawn, places, to_bytes
from robobench.registry import corruption

_RAYS = 200
_SQUARES = 41  # per axis at most: four sides, each square a tenth of a side


@corruption(
    "sparkles",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities={
        "imagenet-c": (1.0, 2.0, 3.0, 5.0, 6.0),
        "cifar-c": (0.7, 3.5, 5.6, 6.3, 7.0),
        "tiny-imagenet-c": (1.0, 2.0, 3.0, 5.0, 6.0),
        "inception-c": (1.0, 2.0, 3.0, 5.0, 6.0),
    },
)
def sparkles(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Five white stars with 50 to 200 rays at random points."""
    _, _, side = places(images)
    out = images.to(torch.float32)
    for star in range(5):
        top, left, rays = drawn(keys, 3, 2 * star)
        lengths = random.normal(random.stream(keys, 2 * star + 1), _RAYS)
        radius = 0.01 * level * side
        lengths = (radius + 0.25 * radius * lengths).clamp_min(1)
        share = _shine(images, (top * side, left * side), rays, lengths, 1.0)
        out = out + share[:, None] * (255 - out)
    return to_bytes(out)


@corruption(
    "inverse_sparkles",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities={
        "imagenet-c": (1.0, 2.0, 4.0, 9.0, 10.0),
        "cifar-c": (1.0, 1.5, 2.5, 4.5, 5.0),
        "tiny-imagenet-c": (1.0, 2.0, 4.0, 9.0, 10.0),
        "inception-c": (1.0, 2.0, 4.0, 9.0, 10.0),
    },
)
def inverse_sparkles(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """White everywhere but within one star with 50 to 200 rays."""
    _, _, side = places(images)
    top, left, rays = drawn(keys, 3)
    centre = (0.25 + 0.5 * top) * side, (0.25 + 0.5 * left) * side
    lengths = 0.25 * side * (1 + 0.25 * random.normal(random.stream(keys, 1), _RAYS))
    share = _shine(images, centre, rays, lengths, 0.13 * level)[:, None]
    return to_bytes(255 + share * (images - 255.0))


def _shine(
    images: Tensor, centre: tuple[Tensor, Tensor], rays: Tensor, lengths: Tensor, power: float
) -> Tensor:
    """How much of a star is seen at each pixel, 0 to 1: N x H x W."""
    y, x, _ = places(images)
    count = 50 + (150 * rays).floor()
    down, right = y - centre[0], x - centre[1]
    turn = (torch.atan2(right, down) + math.pi) / (2 * math.pi) * count
    ray = turn.floor()
    part = turn - ray
    first, second = ray.remainder(count).long(), (ray + 1).remainder(count).long()
    here, there = (lengths.gather(1, k.flatten(1)).view_as(turn) for k in (first, second))
    length = here + part * (there - here)
    glow = (length**2 / (down**2 + right**2 + 1e-4)) ** power
    return ((1 - (part - 0.5) ** 2) * glow).clamp(0, 1)


@corruption(
    "checkerboard_cutout",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities={
        "imagenet-c": (2.0, 3.0, 4.0, 5.0, 6.0),
        "cifar-c": (1.0, 2.0, 3.0, 4.0, 5.0),
        "tiny-imagenet-c": (2.0, 3.0, 4.0, 5.0, 6.0),
        "inception-c": (2.0, 3.0, 4.0, 5.0, 6.0),
    },
)
def checkerboard_cutout(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Some squares of a turned chequerboard become grey."""
    y, x, side = places(images)
    angle, scale = drawn(keys, 2)
    angle, scale = 2 * math.pi * angle, ((0.1 + 0.15 * scale) * side).clamp_min(1)
    across = (angle.cos() * y + angle.sin() * x) / scale
    along = (angle.cos() * x - angle.sin() * y) / scale
    count = (4 * side / scale).floor()
    # Counted from the end where negative, and truncated towards zero, as published.
    row, column = (place.trunc().remainder(count).long() for place in (across, along))
    grey = random.uniform(random.stream(keys, 1), _SQUARES * _SQUARES) < level / 10
    chosen = grey.gather(1, (row * _SQUARES + column).flatten(1)).view_as(across)
    same = across.remainder(2).floor() == along.remainder(2).floor()
    return torch.where((same & chosen)[:, None], images.new_full((), 128), images)


@corruption(
    "caustic_refraction",
    group="c-bar",
    version=1,
    minimum=8,
    native={"unit": "published strength", "low": 0, "high": 10},
    severities=(2.35, 3.2, 4.9, 6.6, 9.15),
)
def caustic_refraction(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Seen through moving water: displaced and lit by caustics."""
    if len(images) > 1:  # vectorised sines may differ in the last bit between places in a batch
        parts = zip(images.split(1), keys.split(1), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([caustic_refraction(image, level, key) for image, key in parts])
    y, x, side = places(images)
    time, size = drawn(keys, 2)
    light = _caustics(y, x, 0.5 + 1.5 * time, (0.75 + 0.5 * size) * side)
    light = gaussian(light[:, None].float(), 1.0)
    padded = torch.nn.functional.pad(light, (1, 1, 1, 1))[:, 0]  # dark outside
    steep_y = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    steep_x = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    steepness = (steep_y**2 + steep_x**2).sqrt()
    cosine = 1 / (1 + steepness**2).sqrt()  # between the line of sight and the surface's normal
    sine = steepness * cosine
    inside = (sine / 4).clamp(-1, 1)  # sine of the refracted angle, Snell's law
    bent = (1 - inside**2).sqrt() * sine - inside * cosine
    bent = torch.where(cosine >= 1 - 1e-3, torch.zeros_like(bent), bent)
    reach = 0.05 * level * side * bent / steepness.clamp_min(1e-9)
    down, right = ((reach * s * 1e3).round() / 1e3 for s in (steep_y, steep_x))
    seen = sampled(images.to(torch.float32) / 255, y + down, x + right)
    lit = seen + (0.2 * level * (steep_y - steep_x))[:, None]
    return to_bytes(lit.clamp(0, 1) * 255)


def _caustics(y: Tensor, x: Tensor, time: Tensor, size: Tensor) -> Tensor:
    """Brightness of light that waves focus, 0 to 1: float64 N x H x W."""
    size, time = size.double(), time.double()
    down, right = ((p.double() / size).remainder(1) * 6.28318530718 - 250 for p in (y, x))
    shape = (-1, y.shape[1], x.shape[2])
    down, right = down.expand(shape), right.expand(shape)
    i, j, total = down, right, torch.ones_like(down)
    for n in range(5):
        t = time * (1 - 3.5 / (n + 1))
        i, j = (
            down + torch.cos(t - i) + torch.sin(t + j),
            right + torch.sin(t - j) + torch.cos(t + i),
        )
        a, b = down * 0.005 / torch.sin(i + t), right * 0.005 / torch.cos(j + t)
        total = total + 1 / (a**2 + b**2).sqrt()
    return (1.17 - (total / 5) ** 1.4).abs().pow(8).clamp(0, 1)


def sampled(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Bilinear samples N x 3 x H x W of float images at places N x H x W, black outside."""
    height, width = images.shape[2:]
    top, left = rows.floor(), columns.floor()
    below, right = rows - top, columns - left
    flat = images.flatten(2)

    def corner(di: int, dj: int) -> Tensor:
        i, j = top + di, left + dj
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        place = (i.clamp(0, height - 1) * width + j.clamp(0, width - 1)).long().flatten(1)
        values = flat.gather(2, place[:, None].expand(-1, flat.shape[1], -1))
        weight = (below if di else 1 - below) * (right if dj else 1 - right)
        return values.view(len(images), -1, *rows.shape[1:]) * (weight * inside)[:, None]

    return corner(0, 0) + corner(0, 1) + corner(1, 0) + corner(1, 1)
