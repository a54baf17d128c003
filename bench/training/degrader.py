"""Degrade training images at random strengths, and validation images at fixed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.corruptions import apply, apply_each, catalogue
from robobench.types import CLEAN, Degradation

# Training must draw other random numbers than an evaluation, whose image indices start at zero.
_FIRST_TRAINING_INDEX: Final = 2**40
_VALIDATION_SEED: Final = 7


class Degrader:
    """Degrades every image of a batch with a random corruption at a random strength.

    Args:
        corruptions: Canonical names, equally likely; without any, images stay as they are.
        profile: Severity table, for corruptions without a range of levels.
        ranges: Corruption -> lowest and highest native level. Levels are drawn between them
            (integers if the corruption takes only these); the level of a corruption that is not
            named is that of one of the five severities.
        seed: Seed of all random numbers.
        clean_share: Fraction of the images that are not degraded.
        emphasis: Corruption -> lowest and highest level of a part of its range, and the fraction
            of its images whose level is drawn from that part.
        logarithmic: Whether the logarithms of levels are drawn uniformly, instead of the levels.
    """

    def __init__(
        self,
        corruptions: Sequence[str],
        profile: str,
        *,
        ranges: Mapping[str, Sequence[float]],
        seed: int,
        clean_share: float = 0.0,
        emphasis: Mapping[str, Sequence[float]] | None = None,
        logarithmic: bool = False,
    ) -> None:
        self.logarithmic = logarithmic
        self.emphasis = dict(emphasis or {})
        self.corruptions = tuple(corruptions)
        self.profile = profile
        self.ranges = dict(ranges)
        self.seed = seed
        self.clean_share = clean_share

    def __call__(self, images: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Degrade a batch; the result depends on the images, the seed and the step only.

        Args:
            images: uint8, N x 3 x H x W.
            step: Number of the step.

        Returns:
            uint8 images of the same shape, and float32 N, their native levels: NaN if the corruption
            has no such level or the image was not degraded.
        """
        count = len(images)
        levels = torch.full((count,), torch.nan)
        if not self.corruptions:
            return images, levels
        generator = np.random.default_rng([self.seed, step, 1])
        which = generator.integers(0, len(self.corruptions), count)
        which[generator.random(count) < self.clean_share] = -1
        draws = generator.random(count)
        severities = generator.integers(1, 6, count)
        indices = _indices(count, step)
        degraded = images.clone()
        for number, corruption in enumerate(self.corruptions):
            places = np.flatnonzero(which == number)
            if not len(places):
                continue
            rows = torch.from_numpy(places)
            unit = catalogue.native(corruption)
            drawn = self._levels(corruption, draws[places], severities[places])
            if corruption in self.emphasis:
                low, high, share = self.emphasis[corruption]
                again = np.random.default_rng([self.seed, step, 3]).random((2, count))[:, places]
                part = torch.from_numpy(again[0] < share)
                drawn = torch.where(part, self._between(corruption, low, high, again[1]), drawn)
            degraded[rows] = apply_each(
                images[rows], corruption, drawn, indices[rows], self.seed, self.profile
            )
            if unit is not None:
                levels[rows] = drawn
        return degraded, levels

    def alike(self, images: Tensor, step: int) -> tuple[Tensor, float]:
        """Degrade a batch with the first corruption, all images at one random level of its range.

        Args:
            images: uint8, N x 3 x H x W.
            step: Number of the step.

        Returns:
            uint8 images of the same shape, and their level.
        """
        corruption = self.corruptions[0]
        draw = np.random.default_rng([self.seed, step, 4]).random(1)
        low, high = self.ranges[corruption]
        level = self._between(corruption, low, high, draw)
        degraded = apply_each(
            images,
            corruption,
            level.expand(len(images)),
            _indices(len(images), step),
            self.seed,
            self.profile,
        )
        return degraded, float(level)

    def _levels(
        self, corruption: str, draws: NDArray[np.float64], severities: NDArray[np.int64]
    ) -> Tensor:
        """The native level of each image, or its severity if the corruption has no native level."""
        native = catalogue.native(corruption)
        values: NDArray[Any]
        if native is None:
            values = severities
        elif corruption not in self.ranges:
            table = [catalogue.at_severity(corruption, s, self.profile).level for s in range(1, 6)]
            values = np.array(table)[severities - 1]
        else:
            low, high = self.ranges[corruption]
            return self._between(corruption, low, high, draws)
        return torch.tensor(values, dtype=torch.float32)

    def _between(
        self, corruption: str, low: float, high: float, draws: NDArray[np.float64]
    ) -> Tensor:
        native = catalogue.native(corruption)
        whole = native is not None and native.integer
        if self.logarithmic and low > 0:
            values = np.exp(np.log(low) + draws * (np.log(high) - np.log(low)))
            values = np.round(values) if whole else values
        elif whole:
            values = np.floor(low + draws * (high - low + 1))
        else:
            values = low + draws * (high - low)
        return torch.tensor(values, dtype=torch.float32)


def _indices(count: int, step: int) -> Tensor:
    """The image indices on which the randomness of a step's corruptions depends, int64 N."""
    return torch.arange(count) + _FIRST_TRAINING_INDEX + step * count


def validation_conditions(
    corruptions: Sequence[str], profile: str, ranges: Mapping[str, Sequence[float]], count: int = 5
) -> list[Degradation]:
    """The conditions for validation: levels of each corruption's range, or its five severities.

    Args:
        corruptions: Canonical names.
        profile: Severity table.
        ranges: Corruption -> lowest and highest native level.
        count: Number of levels of a range, evenly spaced.
    """
    found = []
    for corruption in corruptions:
        native = catalogue.native(corruption)
        if corruption in ranges and native is not None:
            low, high = ranges[corruption]
            levels = low + (np.arange(count) + 0.5) / count * (high - low)
            levels = np.round(levels) if native.integer else levels
            found += [catalogue.at_level(corruption, float(v)) for v in levels]
        else:
            found += [catalogue.at_severity(corruption, s, profile) for s in range(1, 6)]
    return found


def degrade_all(images: Tensor, degradation: Degradation) -> Tensor:
    """Validation images under one condition, with the same random numbers every time."""
    if degradation.corruption == CLEAN:
        return images
    return apply(images, degradation, torch.arange(len(images)), _VALIDATION_SEED)
