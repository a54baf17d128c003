"""Training images: opened, chosen, and read in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.contracts import Dataset
from robobench.corruptions import catalogue
from robobench.datasets import nested_order, open_dataset, open_images
from robobench.errors import RobobenchError
from robobench.types import Geometry

_MEMORY_BYTES: Final = 2**29
_READ_AT_ONCE: Final = 500
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


@dataclass(frozen=True)
class TrainingImages:
    """The images of a training.

    Attributes:
        train: Training images.
        validation: Images held out to choose by.
        profile: The severity table that suits their size.
        description: Which they are and how many, for the card.
        count: How many were taken, held-out ones included, if they were named or limited; else 0.
        digest: SHA-256 of what identifies these, hexadecimal; else empty.
    """

    train: ImagePool
    validation: ImagePool
    profile: str
    description: str
    count: int = 0
    digest: str = ""


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
) -> TrainingImages:
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
        order = np.sort(order)
        return TrainingImages(
            ImagePool(train, geometry, order),
            ImagePool(held, geometry, chosen),
            train.profile,
            text,
            count=0 if limit is None else len(order),
            digest="" if limit is None else _digest(train, order),
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
    return TrainingImages(
        ImagePool(source, geometry, order[held_out:]),
        ImagePool(source, geometry, order[:held_out]),
        profile,
        text,
        count=len(order),
        digest=_digest(source, order),
    )


def _digest(source: Dataset, order: NDArray[np.int64]) -> str:
    digest = hashlib.sha256(source.fingerprint().encode())
    digest.update(np.ascontiguousarray(order, dtype="<i8").tobytes())
    return digest.hexdigest()


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
