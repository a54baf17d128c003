"""Random numbers that depend only on (seed, corruption, level, image index).

Each image has a 64-bit key; value number c of its random field is a hash of key and c. There is no
state, so batch, order and device do not matter: compiled code and tensor code do the same integer
arithmetic and give the same bits.
"""

from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from robobench.corruptions.compiled import Array, piece
from robobench.types import Degradation

_MASK = 0xFFFFFFFF
# Multipliers of the hash triple32 (C. Wellons, "Prospecting for hash functions", 2018) ...
_A, _B, _C = 0xED5AD4BB, 0xAC4C1B51, 0x31848BAB
# ... and of splitmix64 (Steele, Lea, Flood, OOPSLA 2014), as signed numbers.
_GOLDEN = -7046029254386353131
_M1 = -4658895280553007687
_M2 = -7723592293110705685


def keys(seed: int, degradation: Degradation, indices: Tensor, occurrence: int = 0) -> Tensor:
    """The key of each image under one corruption at one level.

    Args:
        seed: Seed of the corruption.
        degradation: One corruption, not a mixture; its profile is ignored.
        indices: int64 N, the images' indices in their data set.
        occurrence: How often the corruption occurred before in a mixture, so that the same noise
            applied twice is two independent draws.

    Returns:
        int64 N, on the device of `indices`.
    """
    levels = torch.full(indices.shape, degradation.level, dtype=torch.float32)
    return keys_each(seed, degradation.corruption, levels.to(indices.device), indices, occurrence)


def keys_each(
    seed: int, corruption: str, levels: Tensor, indices: Tensor, occurrence: int = 0
) -> Tensor:
    """`keys` with a separate level for each image (float N)."""
    text = f"{corruption} {seed} {occurrence}".encode()
    start = int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)
    bits = levels.to(torch.float32).view(torch.int32).to(torch.int64)
    return _mix64(_mix64(bits * _GOLDEN + start) + indices.to(torch.int64) * _GOLDEN)


def stream(keys: Tensor, number: int) -> Tensor:
    """Keys of another random field of the same images, independent of the first."""
    step = (number * _GOLDEN + 2**63) % 2**64 - 2**63  # as 64-bit arithmetic wraps
    return _mix64(keys + step)


def words(keys: Tensor, count: int) -> Tensor:
    """The first `count` uniform 32-bit numbers of each image's field: int64, N x count."""
    counter = torch.arange(count, device=keys.device, dtype=torch.int64)
    low, high = keys[:, None] & _MASK, _shift64(keys, 32)[:, None]
    x = counter ^ low
    x = ((x ^ (x >> 17)) * _A) & _MASK
    x = x ^ high
    x = ((x ^ (x >> 11)) * _B) & _MASK
    x = ((x ^ (x >> 15)) * _C) & _MASK
    return x ^ (x >> 14)


def uniform(keys: Tensor, count: int) -> Tensor:
    """Uniform on [0, 1), multiples of 2**-24: float32, N x count."""
    return (words(keys, count) >> 8).to(torch.float32) * np.float32(2.0**-24).item()


def normal(keys: Tensor, count: int) -> Tensor:
    """Standard normal: float32, N x count."""
    word = words(keys, count)
    place = word & 0x7FFFFFFF
    tail = place >= _TAIL
    cell = torch.where(tail, (place - _TAIL >> 16) + _CELLS, place >> 21)
    part = torch.where(tail, (place & 0xFFFF) << 5, place & 0x1FFFFF).to(torch.float32)
    table = torch.from_numpy(QUANTILES).to(keys.device)
    size = table[cell * 2] + part * table[cell * 2 + 1]
    return torch.where(word > 0x7FFFFFFF, -size, size)


def _shift64(x: Tensor, places: int) -> Tensor:
    """Logical right shift, filling with zeros as for an unsigned number."""
    return (x >> places) & ((1 << (64 - places)) - 1)


def _mix64(x: Tensor) -> Tensor:
    x = (x ^ _shift64(x, 30)) * _M1
    x = (x ^ _shift64(x, 27)) * _M2
    return x ^ _shift64(x, 31)


# The magnitude of a normal number is read off its piecewise linear quantile function: 992 cells of
# 2**-10, and the last 32nd once more in 1024 cells (from 2.15 on, so that tails are right).
_TAIL = 0x7C000000
_CELLS = 992


def _quantiles() -> NDArray[np.float32]:
    """Value at the left end of each cell and slope over 2**21 parts of it, alternating."""
    body = np.arange(_CELLS) / 1024
    tail = _CELLS / 1024 + np.arange(1024) / (1024 * 32)
    nodes = ndtri((1 + np.concatenate([body, tail])) / 2)
    # The last cell has no right end: use the one that yields its mean, phi(x) / (1 - Phi(x)) at x.
    last = nodes[-1]
    mean = np.exp(-(last**2) / 2) / np.sqrt(2 * np.pi) * 2 * 1024 * 32
    ends = np.append(nodes[1:], 2 * mean - last)
    return np.stack([nodes, (ends - nodes) / 2**21], 1).astype(np.float32).ravel()


QUANTILES = _quantiles()


@piece
def word_at(low: Any, high: Any, counter: Any) -> Any:
    """`words` in compiled code, from the two halves of a key (uint32) and a field position."""
    x = np.uint32(np.uint32(counter) ^ low)
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(17))) * np.uint32(_A))
    x = np.uint32(x ^ high)
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(11))) * np.uint32(_B))
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(15))) * np.uint32(_C))
    return np.uint32(x ^ np.uint32(x >> np.uint32(14)))


@piece
def halves(key: Any) -> Any:
    """The two 32-bit halves of a key, low half first."""
    return np.uint32(key & 0xFFFFFFFF), np.uint32((key >> 32) & 0xFFFFFFFF)


@piece
def uniform_at(low: Any, high: Any, counter: Any) -> Any:
    """`uniform` in compiled code."""
    return np.float32(word_at(low, high, counter) >> np.uint32(8)) * np.float32(2.0**-24)


@piece
def normal_of(word: Any, quantiles: Array) -> Any:
    """`normal` in compiled code, from one word and the table `QUANTILES`."""
    place = np.int32(word & np.uint32(0x7FFFFFFF))
    tail = place >= _TAIL
    cell = np.int32(np.int32(place - _TAIL) >> 16) + np.int32(_CELLS) if tail else place >> 21
    part = np.int32((place & 0xFFFF) << 5) if tail else np.int32(place & 0x1FFFFF)
    size = quantiles[cell * 2] + np.float32(part) * quantiles[cell * 2 + 1]
    return -size if word > np.uint32(0x7FFFFFFF) else size


@piece
def stream_of(key: Any, number: Any) -> Any:
    """`stream` in compiled code."""
    x = np.uint64(key) + np.uint64(number) * np.uint64(_GOLDEN & 0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_M1 & 0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_M2 & 0xFFFFFFFFFFFFFFFF)
    return x ^ (x >> np.uint64(31))
