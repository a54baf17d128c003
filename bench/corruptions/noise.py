"""Per-pixel noise: Gaussian, shot, impulse and speckle noise.

Sources: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions
and Perturbations", ICLR 2019, and its make_*_c.py for the severities. Channels are independent.
Results are truncated, not rounded, to integer grey levels, as published.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from torch import Tensor

from robobench.corruptions import random
from robobench.corruptions.compiled import Array, compiled, on_cpu, run
from robobench.corruptions.random import halves, normal_of, word_at
from robobench.registry import corruption

# Words are hashed in batches of this size, so that the loop is vectorised.
_BLOCK = 1024


@corruption(
    "gaussian_noise",
    group="noise",
    per_image=True,
    native={"unit": "sigma on 0..255", "low": 0, "high": 50, "limit": 255},
    severities={
        "imagenet-c": (20.4, 30.6, 45.9, 66.3, 96.9),
        "cifar-c": (10.2, 15.3, 20.4, 22.95, 25.5),
        "tiny-imagenet-c": (10.2, 20.4, 30.6, 38.25, 45.9),
        "inception-c": (22.95, 33.15, 48.45, 68.85, 102.0),
    },
)
def gaussian_noise(images: Tensor, level: float | Tensor, keys: Tensor) -> Tensor:
    """Gaussian noise with one sigma (on the 0..255 scale) added to each value."""
    return _normal(images, level, keys, speckle=False)


@corruption(
    "speckle_noise",
    group="extra",
    per_image=True,
    native={"unit": "sigma as a fraction of the value", "low": 0, "high": 1},
    severities={
        "imagenet-c": (0.15, 0.2, 0.35, 0.45, 0.6),
        "cifar-c": (0.06, 0.1, 0.12, 0.16, 0.2),
        "tiny-imagenet-c": (0.15, 0.2, 0.25, 0.3, 0.35),
        "inception-c": (0.16, 0.21, 0.36, 0.46, 0.61),
    },
)
def speckle_noise(images: Tensor, level: float | Tensor, keys: Tensor) -> Tensor:
    """Gaussian noise, proportional to each value, added to it."""
    return _normal(images, level, keys, speckle=True)


@corruption(
    "impulse_noise",
    group="noise",
    per_image=True,
    native={"unit": "share of values replaced", "low": 0, "high": 1},
    severities={
        "imagenet-c": (0.03, 0.06, 0.09, 0.17, 0.27),
        "cifar-c": (0.01, 0.02, 0.03, 0.05, 0.07),
        "tiny-imagenet-c": (0.01, 0.02, 0.05, 0.08, 0.14),
        "inception-c": (0.04, 0.07, 0.1, 0.18, 0.28),
    },
)
def impulse_noise(images: Tensor, level: float | Tensor, keys: Tensor) -> Tensor:
    """Salt and pepper: a share of the values is set to 0 or 255, equally often."""
    bounds = (_each(level, images).double() * 2.0**31).round().to(torch.int64)
    if on_cpu(images):
        return run(_impulse_kernel, images, keys, bounds)
    word = random.words(keys, images[0].numel()).view(images.shape)
    hit = word >> 1 < bounds[:, None, None, None]
    return torch.where(hit, (word & 1) * 255, images.to(torch.int64)).to(torch.uint8)


@corruption(
    "shot_noise",
    group="noise",
    native={"unit": "photons at full brightness", "low": 1, "high": 1000, "limit": 10000},
    severities={
        "imagenet-c": (60, 25, 12, 5, 3),
        "cifar-c": (500, 250, 100, 75, 50),
        "tiny-imagenet-c": (250, 100, 50, 30, 15),
        "inception-c": (50, 20, 10, 5, 3),
    },
)
def shot_noise(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Poisson noise: each value becomes a photon count; fewer photons, more noise."""
    table = _shot_table(float(level))
    if on_cpu(images):
        return run(_drawn_kernel, images, keys, table)
    word = random.words(keys, images[0].numel()).view(images.shape)
    chosen = word & 255
    entry = torch.from_numpy(table.astype(np.int64)).to(images.device)[images.long() * 256 + chosen]
    return torch.where(word >> 8 < entry >> 8, chosen, entry & 255).to(torch.uint8)


def _each(level: float | Tensor, images: Tensor) -> Tensor:
    """One float32 level per image, on the images' device."""
    levels = torch.as_tensor(level, dtype=torch.float32, device=images.device)
    return levels.expand(len(images)).contiguous()


def _normal(images: Tensor, level: float | Tensor, keys: Tensor, speckle: bool) -> Tensor:
    sigmas = _each(level, images)
    if on_cpu(images):
        return run(_normal_kernel, images, keys, sigmas, random.QUANTILES, speckle)
    noise = random.normal(keys, images[0].numel()).view(images.shape)
    values = images.to(torch.float32)
    sigma = sigmas[:, None, None, None]
    noise = noise * (sigma * values if speckle else sigma)
    return (values + noise).clamp_(0, 255).to(torch.uint8)


@compiled
def _normal_kernel(
    images: Array,
    out: Array,
    keys: Array,
    sigmas: Array,
    quantiles: Array,
    speckle: bool,
    first: int,
    last: int,
) -> None:
    words = np.empty(_BLOCK, np.uint32)
    for i in range(first, last):
        low, high = halves(keys[i])
        source, target, sigma = images[i].ravel(), out[i].ravel(), sigmas[i]
        for start in range(0, source.size, _BLOCK):
            count = min(_BLOCK, source.size - start)
            for j in range(_BLOCK):
                words[j] = word_at(low, high, np.uint32(np.uint32(start) + np.uint32(j)))
            values, noisy = source[start : start + count], target[start : start + count]
            for j in range(count):
                value = np.float32(values[j])
                scale = sigma * value if speckle else sigma
                sum_ = value + normal_of(words[j], quantiles) * scale
                noisy[j] = np.uint8(np.int32(max(np.float32(0), min(np.float32(255), sum_))))


@compiled
def _impulse_kernel(
    images: Array, out: Array, keys: Array, bounds: Array, first: int, last: int
) -> None:
    for i in range(first, last):
        low, high = halves(keys[i])
        source, target, bound = images[i].ravel(), out[i].ravel(), np.uint32(bounds[i])
        for j in range(source.size):
            word = word_at(low, high, j)
            extreme = np.uint8(0) - np.uint8(word & np.uint32(1))
            target[j] = extreme if np.uint32(word >> np.uint32(1)) < bound else source[j]


@compiled
def _drawn_kernel(
    images: Array, out: Array, keys: Array, table: Array, first: int, last: int
) -> None:
    for i in range(first, last):
        low, high = halves(keys[i])
        source, target = images[i].ravel(), out[i].ravel()
        for j in range(source.size):
            word = word_at(low, high, j)
            chosen = np.int32(word & np.uint32(255))
            entry = table[np.int32(source[j]) * 256 + chosen]
            kept = np.uint32(word >> np.uint32(8)) < np.uint32(entry >> np.uint32(8))
            target[j] = np.uint8(chosen) if kept else np.uint8(entry & np.uint32(255))


@lru_cache(maxsize=64)
def _shot_table(photons: float) -> NDArray[np.uint32]:
    """An alias table (Walker 1977) to draw the result for each of the 256 values.

    Returns:
        uint32, 256 x 256 flat. Of a random word the low byte chooses a column; its upper 24 bits,
        if below the entry's, keep the column as the result, else it is the entry's low byte.
    """
    rates = np.arange(256)[:, None] / 255 * photons
    counts = np.arange(int(photons + 12 * np.sqrt(photons)) + 20)
    chances = np.exp(xlogy(counts, rates) - gammaln(counts + 1) - rates)
    results = (np.clip(counts / photons, 0, 1) * 255).astype(np.uint8)
    shares = np.zeros((256, 256))
    for result in np.unique(results):
        shares[:, result] = chances[:, results == result].sum(1)
    # Integers from here on: each row holds 2**32 units of probability, each column takes 2**24.
    left = np.floor(shares / shares.sum(1, keepdims=True) * 2.0**32).astype(np.int64)
    rows, size = np.arange(256), 1 << 24
    left[rows, left.argmax(1)] += (1 << 32) - left.sum(1)
    table = np.zeros((256, 256), np.int64)
    open_ = np.ones((256, 256), bool)
    for _ in range(256):
        poor = np.where(open_, left, 1 << 40).argmin(1)
        rich = np.where(open_, left, -1).argmax(1)
        have = np.minimum(left[rows, poor], size)
        table[rows, poor] = np.minimum(have, size - 1) << 8 | rich
        left[rows, rich] -= size - have
        open_[rows, poor] = False
    return table.astype(np.uint32).ravel()
