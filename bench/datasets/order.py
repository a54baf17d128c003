"""In which order images are chosen, and come to a method: the same on every machine."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["arrival_order", "hold_out", "nested_order"]

# Each separates a random stream from others of the same seed.
_PURPOSE, _ARRIVAL = 0x6E657374, 0x61727276


def nested_order(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """A shuffled order of the images whose every prefix is as class-balanced as possible.

    The classes take turns: each turn takes one image of every class that has any left, in a random
    order of the classes. So a larger subset contains every smaller one, and fifty images of a
    thousand classes come from fifty classes.

    Only the raw stream of the Philox generator is used, which numpy keeps stable between versions
    (its shuffles are not).

    Args:
        labels: int64 N; unlabelled images (-1) form a class of their own.
        seed: Seed of the shuffle.

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


def arrival_order(
    indices: NDArray[np.int64], labels: NDArray[np.int64], stream: str
) -> NDArray[np.int64]:
    """The order in which images come to a method that learns from those before.

    Args:
        indices: int64 N, the images' indices in their data set, in any order.
        labels: int64, the labels of the whole data set.
        stream: ``iid``, shuffled; or ``by-class``, one class after the other, each shuffled.

    Returns:
        int64 N, the same indices; the order of any two does not depend on the others.

    Raises:
        ValueError: Another stream.
    """
    if stream not in ("iid", "by-class"):
        raise ValueError(f"stream 'iid' or 'by-class' is expected, got {stream!r}")
    key = np.array([0, _ARRIVAL], dtype=np.uint64)
    draws = np.random.Philox(key=key).random_raw(len(labels))[indices]
    classes = labels[indices] if stream == "by-class" else np.zeros(len(indices), np.int64)
    return indices[np.lexsort((draws, classes))].astype(np.int64)


def hold_out(labels: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split training images into training and validation images.

    Args:
        labels: int64 N.
        count: Number of validation images: the first of `nested_order`, so equally many per class.

    Returns:
        Ascending int64 indices of the training images (N - count) and validation images (count).
    """
    order = nested_order(labels)
    return np.sort(order[count:]), np.sort(order[:count])
