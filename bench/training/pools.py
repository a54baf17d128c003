"""Training images: read in batches, augmented, and degraded at random strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from robobench.contracts import Dataset
from robobench.corruptions import apply, apply_each, catalogue
from robobench.datasets import nested_order, open_dataset, open_images
from robobench.errors import RobobenchError
from robobench.types import CLEAN, Degradation, Geometry

_MEMORY_BYTES: Final = 2**29
_READ_AT_ONCE: Final = 500
# Training must draw other random numbers than an evaluation, whose image indices start at zero.
_FIRST_TRAINING_INDEX: Final = 2**40
_VALIDATION_SEED: Final = 7
_VALIDATION_IMAGES: Final = 1000


class ImagePool:
    """Some images of a data set, kept in memory if they fit, else read batch by batch.

    Args:
        dataset: Data set to read from.
        geometry: How images are resized and cropped.
        indices: int64, indices of the images; all if None.

    Attributes:
        labels: int64 tensor; -1 for images without a label.

    Raises:
        RobobenchError: There are no images.
    """

    def __init__(
        self, dataset: Dataset, geometry: Geometry, indices: NDArray[np.int64] | None = None
    ) -> None:
        self.dataset = dataset
        self.geometry = geometry
        self.indices = np.arange(len(dataset)) if indices is None else indices
        if not len(self.indices):
            raise RobobenchError(
                f"{dataset.name}: expected at least one image to train on, got none"
            )
        self.labels = torch.from_numpy(dataset.labels[self.indices])
        self._kept: Tensor | None = None
        first = self._read(self.indices[:1])
        self.side = int(first.shape[-1])
        if first.numel() * len(self.indices) <= _MEMORY_BYTES:
            self._kept = torch.cat(
                [
                    self._read(self.indices[i : i + _READ_AT_ONCE])
                    for i in range(0, len(self.indices), _READ_AT_ONCE)
                ]
            )

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, positions: NDArray[np.int64]) -> Tensor:
        """Images at these positions of the pool, uint8 N x 3 x H x W."""
        if self._kept is not None:
            return self._kept[torch.from_numpy(positions)]
        return self._read(self.indices[positions])

    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        return self.dataset.read(indices, self.geometry)


def move(
    images: Tensor, shift: int, generator: np.random.Generator, crop: int | None = None
) -> Tensor:
    """Flip half of the images horizontally and shift each, with reflection at the borders.

    Applied before the degradation, so that the block grid of JPEG still starts in the corner.

    Args:
        images: uint8, N x 3 x H x W.
        shift: Largest shift in pixels.
        generator: Source of random numbers.
        crop: Side of a square that is cropped at a random position instead of shifting.

    Returns:
        uint8, N x 3 x H x W, or with sides of `crop` pixels.
    """
    count, _, height, width = images.shape
    out_height, out_width = (crop, crop) if crop else (height, width)
    if not crop:
        padded = pad(images.float(), (shift,) * 4, mode="reflect").to(torch.uint8)
    else:
        padded = images
    tops = generator.integers(0, padded.shape[2] - out_height + 1, count)
    lefts = generator.integers(0, padded.shape[3] - out_width + 1, count)
    rows = torch.from_numpy(tops[:, None] + np.arange(out_height))
    columns = lefts[:, None] + np.arange(out_width)
    flips = generator.random(count) < 0.5
    columns[flips] = columns[flips][:, ::-1]
    which = torch.arange(count)[:, None, None]
    # Indexing gives N x H x W x 3.
    moved = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], torch.from_numpy(columns)[:, None]]
    return moved.permute(0, 3, 1, 2)


def warp(images: Tensor, warping: Mapping[str, float], generator: np.random.Generator) -> Tensor:
    """Rotate, shear and zoom each image by a random amount, with reflection at the borders.

    Args:
        images: uint8, N x 3 x H x W.
        warping: Largest ``rotation`` and ``shear`` in degrees, in either direction, and largest
            ``zoom`` as a fraction of the side, in or out.
        generator: Source of random numbers.

    Returns:
        uint8 of the same shape, interpolated bilinearly.
    """
    largest = np.array([warping["rotation"], warping["shear"], warping["zoom"]])
    angle, shear, zoom = generator.uniform(-1, 1, (len(images), 3)).T * largest[:, None]
    angle, shear = np.deg2rad(angle), np.deg2rad(shear)
    zoom += 1
    zeros = np.zeros(len(images))
    rows = [
        [zoom * np.cos(angle), -zoom * np.sin(angle + shear), zeros],
        [zoom * np.sin(angle), zoom * np.cos(angle + shear), zeros],
    ]
    maps = torch.from_numpy(np.stack([np.stack(row, 1) for row in rows], 1)).float()
    grid = affine_grid(maps, list(images.shape), align_corners=False)
    moved = grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return moved.round().to(torch.uint8)


class Degrader:
    """Degrades every image of a batch with a random corruption at a random strength.

    Args:
        corruptions: Canonical names, equally likely; without any, images stay as they are.
        profile: Severity table, for corruptions without a range of levels.
        ranges: Corruption -> lowest and highest native level. Levels are drawn uniformly between
            them (integers if the corruption takes only these); the level of a corruption that is
            not named is that of one of the five severities.
        seed: Seed of all random numbers.
        clean_share: Fraction of the images that are not degraded.
        emphasis: Corruption -> lowest and highest level of a part of its range, and the fraction
            of its images whose level is drawn from that part.
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
    ) -> None:
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
        indices = torch.arange(count) + _FIRST_TRAINING_INDEX + step * count
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
        values = np.floor(low + draws * (high - low + 1)) if whole else low + draws * (high - low)
        return torch.tensor(values, dtype=torch.float32)


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


def open_pools(
    dataset: str,
    geometry: Geometry,
    *,
    images: str | None,
    limit: int | None,
    root: str | None,
    download: bool,
    class_names: Sequence[str] | None,
    labelled: bool,
    seed: int,
    classes: str | None = None,
) -> tuple[ImagePool, ImagePool, str, str]:
    """Open the training and validation images of a training.

    Args:
        dataset: Name of the data set, or ``folder:PATH``.
        geometry: Geometry of the backbone.
        images: Folder of other training images; the training split of the data set if None.
        limit: Number of training images; all if None.
        root: Folder of the data sets.
        download: Whether the data set may be downloaded.
        class_names: Classes of the backbone.
        labelled: Whether labels are needed (`images` then has one sub-folder per class).
        seed: Seed of the choice if there is a limit.
        classes: File that maps folders to classes.

    Returns:
        Training images, validation images, the severity table, and a description of the images.

    Raises:
        RobobenchError: There are no training images, or too few.
    """
    if images is None:
        train, held = (
            _own_split(dataset, split, root, download, class_names, classes)
            for split in ("train", "validation")
        )
        order = nested_order(train.labels, seed)[:limit]
        text = f"{len(order)} images of the training split of {train.name}"
        chosen = np.sort(validation_order(held.labels))
        return (
            ImagePool(train, geometry, np.sort(order)),
            ImagePool(held, geometry, chosen),
            train.profile,
            text,
        )
    if labelled:
        source = open_dataset(
            f"folder:{images}", root=root, classes=classes, class_names=class_names
        )
    else:
        source = open_images(images)
    order = nested_order(source.labels, seed)[:limit]
    held_out = max(1, len(order) // 5)
    if len(order) < 2:
        raise RobobenchError(
            f"--images {images}: expected at least two images, one of them for validation"
        )
    side = geometry.crop or geometry.resize
    profile = catalogue.nearest_profile(side) if side else source.profile
    text = f"{len(order)} images of {Path(images).name}, {held_out} of them held out to choose by"
    return (
        ImagePool(source, geometry, order[held_out:]),
        ImagePool(source, geometry, order[:held_out]),
        profile,
        text,
    )


def _own_split(
    dataset: str,
    split: str,
    root: str | None,
    download: bool,
    class_names: Sequence[str] | None,
    classes: str | None,
) -> Dataset:
    try:
        return open_dataset(
            dataset,
            split=split,
            root=root,
            download=download,
            classes=classes,
            class_names=class_names,
        )
    except RobobenchError as error:
        if ":" not in dataset:
            raise
        raise RobobenchError(f"{error}; or give training images with --images DIR") from error


def validation_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the validation images that are used, balanced between classes.

    Args:
        labels: int64, of all validation images.
    """
    return nested_order(labels, 0)[:_VALIDATION_IMAGES]
