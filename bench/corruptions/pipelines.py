"""What pipelines do to photographs: turned, moved, zoomed, resampled, stretched. Group ``geometry``.

Rotations up to 30 degrees and shifts up to a tenth of the side are those of Engstrom et al., "Exploring
the Landscape of Spatial Robustness" (ICML 2019), black outside; zooms and stretches lie within the ranges of
Szegedy et al., "Going Deeper with Convolutions" (CVPR 2015: aspect ratios from 3/4 to 4/3). Resampling follows
Pillow, whose filters are widened when they shrink an image (Parmar, Zhang and Zhu, "On Aliased Resizing and
Surprising Subtleties in GAN Evaluation", CVPR 2022), bit for bit. Severities within these ranges are our choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from typing import Final

import torch
from torch import Tensor

from robobench.corruptions.c_bar_light import sampled
from robobench.corruptions.c_bar_noise import drawn, places
from robobench.corruptions.digital import shrunk_and_back
from robobench.registry import corruption

__all__ = ["resampled"]

_BITS: Final = 22  # of the fraction in Pillow's weights


def _rounded(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


@corruption(
    "rotate",
    group="geometry",
    version=1,
    native={"unit": "degrees", "low": 0, "high": 180},
    severities=(5, 10, 15, 20, 30),
)
def rotate(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Turned about its centre, left or right; bilinear, black outside."""
    (sign,) = drawn(keys, 1)
    angle = torch.where(sign < 0.5, -1.0, 1.0) * math.radians(level)
    y, x, _ = places(images)
    middle_y, middle_x = (images.shape[2] - 1) / 2, (images.shape[3] - 1) / 2
    y, x = y - middle_y, x - middle_x
    rows = angle.cos() * y - angle.sin() * x + middle_y
    columns = angle.sin() * y + angle.cos() * x + middle_x
    return _rounded(sampled(images.to(torch.float32), rows, columns))


@corruption(
    "shift",
    group="geometry",
    version=1,
    native={"unit": "share of the side", "low": 0, "high": 1},
    severities=(0.02, 0.04, 0.06, 0.08, 0.1),
)
def shift(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Moved by whole pixels in a random direction, by that share of each side; black outside."""
    down, right = drawn(keys, 2)
    y, x, _ = places(images)
    height, width = images.shape[2:]
    rows = y + torch.where(down < 0.5, -1.0, 1.0) * round(level * height)
    columns = x + torch.where(right < 0.5, -1.0, 1.0) * round(level * width)
    shape = (-1, height, width)
    return _rounded(sampled(images.to(torch.float32), rows.expand(shape), columns.expand(shape)))


@corruption(
    "scale",
    group="geometry",
    version=1,
    random=False,
    native={"unit": "size of the picture, 1 as it is", "low": 0.1, "high": 4},
    severities=(0.9, 0.8, 0.7, 0.6, 0.5),
)
def scale(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Shrunk (bilinear, as Pillow) onto a black canvas of the same size, or enlarged and cropped."""
    height, width = images.shape[2:]
    size = max(round(level * height), 1), max(round(level * width), 1)
    return _centred(resampled(images, size, "bilinear"), height, width)


@corruption(
    "aspect_ratio",
    group="geometry",
    version=1,
    native={"unit": "width by height of a square", "low": 1, "high": 2},
    severities=(1.05, 1.1, 1.15, 1.2, 1.33),
)
def aspect_ratio(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Stretched along one side by the ratio (bilinear, as Pillow), and cropped to its size."""
    (upright,) = drawn(keys, 1)
    height, width = images.shape[2:]
    wide = _centred(resampled(images, (height, round(level * width)), "bilinear"), height, width)
    tall = _centred(resampled(images, (round(level * height), width), "bilinear"), height, width)
    return torch.where(upright[:, None] < 0.5, wide, tall)


@corruption(
    "resample_nearest",
    group="geometry",
    version=1,
    random=False,
    native={"unit": "side of the small picture as a fraction", "low": 0.05, "high": 1},
    severities=(0.8, 0.65, 0.5, 0.35, 0.25),
)
def resample_nearest(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Shrunk and enlarged again, both without a filter."""
    return _there_and_back(images, level, "nearest")


@corruption(
    "resample_box",
    group="geometry",
    version=1,
    random=False,
    native={"unit": "side of the small picture as a fraction", "low": 0.05, "high": 1},
    severities=(0.8, 0.65, 0.5, 0.35, 0.25),
)
def resample_box(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Shrunk and enlarged again, both with the box filter."""
    return shrunk_and_back(images, _smaller(images, level))


@corruption(
    "resample_bilinear",
    group="geometry",
    version=1,
    random=False,
    native={"unit": "side of the small picture as a fraction", "low": 0.05, "high": 1},
    severities=(0.8, 0.65, 0.5, 0.35, 0.25),
)
def resample_bilinear(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Shrunk and enlarged again, both with the bilinear filter."""
    return _there_and_back(images, level, "bilinear")


@corruption(
    "resample_bicubic",
    group="geometry",
    version=1,
    random=False,
    native={"unit": "side of the small picture as a fraction", "low": 0.05, "high": 1},
    severities=(0.8, 0.65, 0.5, 0.35, 0.25),
)
def resample_bicubic(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Shrunk and enlarged again, both with the bicubic filter."""
    return _there_and_back(images, level, "bicubic")


@corruption(
    "resample_lanczos",
    group="geometry",
    version=1,
    random=False,
    native={"unit": "side of the small picture as a fraction", "low": 0.05, "high": 1},
    severities=(0.8, 0.65, 0.5, 0.35, 0.25),
)
def resample_lanczos(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Shrunk and enlarged again, both with the Lanczos filter."""
    return _there_and_back(images, level, "lanczos")


def _there_and_back(images: Tensor, level: float, name: str) -> Tensor:
    small = resampled(images, _smaller(images, level), name)
    back = resampled(small, (images.shape[2], images.shape[3]), name)
    return back.clone() if back is images else back


def _smaller(images: Tensor, level: float) -> tuple[int, int]:
    height, width = images.shape[2:]
    return max(int(height * level), 1), max(int(width * level), 1)


def _centred(images: Tensor, height: int, width: int) -> Tensor:
    """The middle of a larger picture, or a smaller one on a black canvas."""
    out = images.new_zeros(*images.shape[:2], height, width)
    h, w = images.shape[2:]
    high, wide = min(h, height), min(w, width)
    top, left, i, j = (height - high) // 2, (width - wide) // 2, (h - high) // 2, (w - wide) // 2
    out[:, :, top : top + high, left : left + wide] = images[:, :, i : i + high, j : j + wide]
    return out


def _cubic(x: float) -> float:
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


# Filter by name: its reach at full size, and its weight at a distance.
_FILTERS: Final[dict[str, tuple[float, Callable[[float], float]]]] = {
    "box": (0.5, lambda x: float(-0.5 < x <= 0.5)),
    "bilinear": (1.0, lambda x: max(1 - abs(x), 0.0)),
    "bicubic": (2.0, _cubic),
    "lanczos": (3.0, lambda x: _sinc(x) * _sinc(x / 3) if abs(x) < 3 else 0.0),
}


def resampled(images: Tensor, size: tuple[int, int], name: str) -> Tensor:
    """Images resized as Pillow does: columns first, rounded to grey levels in between.

    Args:
        images: uint8, N x 3 x H x W.
        size: Height and width.
        name: ``nearest``, ``box``, ``bilinear``, ``bicubic`` or ``lanczos``.
    """
    for axis in (3, 2):
        before, after = images.shape[axis], size[axis - 2]
        if before == after:
            continue
        if name == "nearest":
            steps = [0.5 * (before / after), *[before / after] * (after - 1)]
            chosen = [
                min(int(place), before - 1) for place in accumulate(steps)
            ]  # as Pillow adds up
            images = images.index_select(axis, torch.tensor(chosen, device=images.device))
            continue
        places, weights = _weights(before, after, name)
        places, weights = places.to(images.device), weights.to(images.device)
        total = torch.full((), 1 << _BITS - 1, dtype=torch.int64, device=images.device)
        for tap in range(places.shape[1]):
            part = images.index_select(axis, places[:, tap]).to(torch.int64)
            weight = weights[:, tap] if axis == 3 else weights[:, tap, None]
            total = total + part * weight
        images = (total >> _BITS).clamp(0, 255).to(torch.uint8)
    return images


@lru_cache(maxsize=64)
def _weights(before: int, after: int, name: str) -> tuple[Tensor, Tensor]:
    """For each pixel after, the pixels before that it is made of, and their weights times 2^22."""
    reach, weight = _FILTERS[name]
    ratio = before / after
    stretch = max(ratio, 1.0)
    reach *= stretch
    places, weights = [], []
    taps = math.ceil(reach) * 2 + 1
    for k in range(after):
        centre = (k + 0.5) * ratio
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), before)
        row = [weight((j - centre + 0.5) / stretch) for j in range(first, last)]
        total = sum(row) or 1.0
        missing = taps - len(row)
        places.append([*range(first, last), *[0] * missing])
        weights.append([*(w / total for w in row), *[0.0] * missing])
    whole = torch.tensor(weights, dtype=torch.float64) * (1 << _BITS)
    return torch.tensor(places), (whole + 0.5 * whole.sign()).trunc().to(torch.int64)
