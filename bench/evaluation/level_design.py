"""Which levels of a sweep each image is evaluated at, where it is not evaluated at all of them.

Levels stand in a circle. An image starts at one of them and goes on by the golden ratio of the
circle, which spreads its levels evenly whatever their number is: its first five are among its first
ten. Of as many images in a row as there are levels, no two start at the same one, so that every
level is seen equally often in each round. The mean over images of each one's mean over its levels
is therefore an unbiased estimate of the mean over all levels and images.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.corruption_error import spans
from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.types import Degradation

# A corruption with more native levels than there are severities is a sweep.
_SEVERITIES = 5
# Separates the random stream from others of the same seed.
_PURPOSE = 0x6C65766C
# 2**64 divided by the golden ratio: products modulo 2**64 are fractional parts, and exact.
_GOLDEN = 0x9E3779B97F4A7C15


@lru_cache(maxsize=64)
def _starts(corruption: str, levels: int, seed: int, count: int) -> NDArray[np.int64]:
    """The place of the level at which each of so many images starts, int64."""
    blocks = -(-count // levels)
    key = np.array([seed % 2**64, _PURPOSE << 32 | zlib.crc32(corruption.encode())], np.uint64)
    # Of a numpy generator only the raw stream is the same in all versions.
    draws = np.random.Philox(key=key).random_raw(blocks * levels).reshape(blocks, levels)
    starts: NDArray[np.int64] = np.argsort(draws, axis=1, kind="stable").ravel()[:count]
    starts.flags.writeable = False  # shared by all callers
    return starts


def _steps(levels: int) -> NDArray[np.int64]:
    """How far from its start an image is in each round: a permutation of ``0 .. levels-1``."""
    parts = np.arange(levels, dtype=np.uint64) * np.uint64(_GOLDEN)
    return np.argsort(np.argsort(parts, kind="stable"), kind="stable").astype(np.int64)


@dataclass(frozen=True)
class LevelDesign:
    """The images of each level of a sweep.

    Attributes:
        corruption: The corruption that is swept; other corruptions divide the images otherwise.
        levels: Its levels, ascending.
        per_image: At how many of them each image is evaluated; all if there are fewer.
    """

    corruption: str
    levels: tuple[float, ...]
    per_image: int

    @property
    def sweep(self) -> str:
        """`Cell.sweep` of its cells; the number of levels per image is no part of it."""
        return spans(self.levels)

    def images(self, level: float, order: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
        """The images that are evaluated at a level, those of more levels per image being appended.

        Args:
            level: One of `levels`.
            order: int64 N, all images in their fixed order; with more images, each keeps its levels.
            seed: Seed of the cell.

        Returns:
            int64, part of the order, round by round.
        """
        count = len(self.levels)
        starts = _starts(self.corruption, count, seed, len(order))
        place = self.levels.index(level)
        rounds = _steps(count)[: self.per_image]
        return np.concatenate([order[starts == (place - step) % count] for step in rounds])

    def note(self, images: int) -> str:
        """What a reader of the results should know; empty if images are evaluated at all levels."""
        count = len(self.levels)
        if self.per_image >= count:
            return ""
        each = images * self.per_image / count
        wider = (count / self.per_image) ** 0.5
        return (
            f"Each image was evaluated at {self.per_image} of the {count} levels {self.sweep} of "
            f"{self.corruption}, by design, so a level has about {each:,.0f} of the {images:,} images. "
            "Means over all levels, and differences of methods in them, are nearly as precise as with "
            f"all images; means over few levels are less precise, and intervals of single levels about "
            f"{wider:.1f} times as wide."
        )


def is_native(degradation: Degradation) -> bool:
    """Whether its strength is a level in the corruption's own unit."""
    return not degradation.is_clean and not degradation.profile.removesuffix(catalogue.SAVED)


def design_levels(
    degradations: Iterable[Degradation], per_image: int, images: int
) -> dict[str, LevelDesign]:
    """The design of every sweep among degradations, by corruption.

    Args:
        degradations: Those of a run.
        per_image: Levels per image.
        images: Number of images.

    Raises:
        RobobenchError: There is no sweep, or one has more levels than there are images.
    """
    found: dict[str, set[float]] = {}
    for degradation in degradations:
        if is_native(degradation):
            found.setdefault(degradation.corruption, set()).add(degradation.level)
    sweeps = {name: sorted(levels) for name, levels in found.items() if len(levels) > _SEVERITIES}
    if not sweeps:
        raise RobobenchError(
            "--levels-per-image divides the levels of a sweep among the images: a corruption with "
            f"more than {_SEVERITIES} levels is expected, such as --corruptions jpeg:1-100"
        )
    for name, levels in sweeps.items():
        if images < len(levels):
            raise RobobenchError(
                f"--levels-per-image: {len(levels)} images or more are expected for the "
                f"{len(levels)} levels of {name}, got {images}: raise --limit, or sweep fewer levels"
            )
    return {name: LevelDesign(name, tuple(levels), per_image) for name, levels in sweeps.items()}
