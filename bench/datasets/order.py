"""The order in which a part of a data set is chosen, the same on every machine."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["hold_out", "nested_order"]

_PURPOSE = 0x6E657374  # keeps these numbers apart from other uses of the same seed


def nested_order(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """A shuffled order of the images in which every beginning is as class-balanced as can be.

    The classes take turns: no class gives its next image before each that has any left gave one
    more, and within a turn the classes come in a random order. So a larger choice contains every
    smaller one, and fifty images of a thousand classes are fifty classes.

    Only the raw stream of the Philox generator is used, which numpy keeps unchanged between
    versions (its shuffles are not).

    Args:
        labels: int64 N; images of the same label form one class, unlabelled ones (-1) too.
        seed: Another seed, another order.

    Returns:
        int64 N, a permutation of ``0 .. N-1``.
    """
    labels = np.asarray(labels, dtype=np.int64)
    count = len(labels)
    key = np.array([seed % 2**64, _PURPOSE], dtype=np.uint64)
    draws = np.random.Philox(key=key).random_raw(2 * count).reshape(2, count)
    by_class = np.lexsort((draws[0], labels))
    starts = np.flatnonzero(np.diff(labels[by_class], prepend=labels.min(initial=0) - 1))
    turn = np.empty(count, dtype=np.int64)
    turn[by_class] = np.arange(count) - np.repeat(starts, np.diff(starts, append=count))
    return np.lexsort((draws[1], turn)).astype(np.int64)


def hold_out(labels: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Part training images into those to learn from and those to choose by.

    Args:
        labels: int64 N.
        count: How many to choose by: the first of `nested_order`, so equally many of each class.

    Returns:
        Rising int64 indices of those to learn from (N - count) and of those to choose by (count).
    """
    order = nested_order(labels)
    return np.sort(order[count:]), np.sort(order[:count])
