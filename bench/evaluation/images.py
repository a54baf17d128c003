"""The images of a run: read once, degraded as requested, in one fixed order."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from robobench.contracts import Dataset
from robobench.datasets.arrays import ArrayDataset
from robobench.datasets.order import arrival_order
from robobench.errors import RobobenchError, foreign
from robobench.types import CLEAN, Degradation, Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Decoded images are kept up to this many bytes, so that small data sets are read once a run.
_CACHE_BYTES = 512 * 2**20


class ImageSource:
    """The images of a run, clean and degraded, by position in a fixed order.

    Args:
        dataset: The data set to read.
        geometry: How an image becomes the networks' input.
        order: int64, the images' indices in the data set, in the order of evaluation.
        limit: How many of them this run uses; None for all.
        corrupt_at: ``crop`` degrades the network's input, ``native`` the file's own pixels, before
            resizing.
        device: Device of the batches.

    Attributes:
        order: As given, truncated to the limit.
        labels: int64, labels of the whole data set, by index.
        side: Side of an image, in pixels.
        has_clean: Whether there are undegraded images: a data set that comes degraded may lack them.
        profile: Severity table of the data set.
    """

    def __init__(
        self,
        dataset: Dataset,
        geometry: Geometry,
        order: NDArray[np.int64],
        *,
        limit: int | None = None,
        corrupt_at: str = "crop",
        device: str = "cpu",
    ) -> None:
        self.dataset = dataset
        self.geometry = geometry
        self.order = order if limit is None else order[:limit]
        self.labels = dataset.labels
        self.profile = dataset.profile
        self.corrupt_at = corrupt_at
        self.device = device
        self._whole = self
        self._last: dict[tuple[int, int], Tensor] = {}
        self._kept: Tensor | None = None
        self._is_kept = np.zeros(len(self.order), np.bool_)
        self._was_given = False
        self.side = 0
        self.has_clean = self.has(Degradation(CLEAN))
        self.side = int(self._first().shape[-1]) if len(self.order) else 0

    def __len__(self) -> int:
        return len(self.order)

    @property
    def is_small(self) -> bool:
        """Whether all images are kept in memory once read."""
        return 3 * self.side**2 * len(self._whole) <= _CACHE_BYTES

    def check(self) -> None:
        """Look at the files of all images, where there are files, before any work.

        Raises:
            RobobenchError: Some are broken, too small for the crop, or of different sizes.
        """
        look = getattr(self.dataset, "check", None)
        if look is not None:
            look(np.sort(self.order), self.geometry)

    def arriving(self, stream: str) -> ImageSource:
        """The same images in the order in which they come to a method that adapts."""
        return self.part(arrival_order(self.order, self.labels, stream))

    def part(self, order: NDArray[np.int64]) -> ImageSource:
        """Some of the images, or all, in an order of their own; those in memory are shared."""
        part = copy.copy(self)
        part.order, part._last, part._kept = order, {}, None
        return part

    def has(self, degradation: Degradation) -> bool:
        """Whether images under this condition are available (a data set may come degraded)."""
        at = getattr(self.dataset, "at", None)
        if at is None:
            return True
        if degradation.is_clean:
            return self.dataset.clean() is not None  # type: ignore[attr-defined]
        return True

    def _first(self) -> Tensor:
        """One image, to see its size."""
        if self.has_clean:
            return self.clean(0, 1)
        copy = self.dataset.at(*self.dataset.available()[0])  # type: ignore[attr-defined]
        return self._read(copy, self.order[:1])

    def clean(self, begin: int, end: int) -> Tensor:
        """Undegraded images at these positions, uint8 N x 3 x H x W."""
        indices = self.order[begin:end]
        if not self.side or self._is_in_memory:  # not known yet; or reading is mere copying
            return self._read_clean(indices)
        if self.is_small:
            return self._whole._of_kept(indices)
        if (begin, end) not in self._last:
            self._last = {(begin, end): self._read_clean(indices)}  # serves the next condition
        return self._last[begin, end]

    @property
    def _is_in_memory(self) -> bool:
        """Whether the data set holds these very pixels, so that they need not be kept again."""
        as_stored = self.geometry.resize is None and self.geometry.crop is None
        return isinstance(self.dataset, ArrayDataset) and as_stored and self.device == "cpu"

    def _read_clean(self, indices: NDArray[np.int64]) -> Tensor:
        dataset = self.dataset
        if getattr(dataset, "at", None) is not None:
            dataset = dataset.clean() or dataset  # type: ignore[attr-defined]
        return self._read(dataset, indices).to(self.device)

    def _of_kept(self, indices: NDArray[np.int64]) -> Tensor:
        """Images from memory; those that are not there are read first."""
        places = self._places[indices]
        missing = places[~self._is_kept[places]]
        if len(missing):
            read = self._read_clean(self.order[missing])
            if self._kept is None:
                shape = len(self), *read.shape[1:]
                with torch.inference_mode(False):  # it is written to in other modes as well
                    self._kept = torch.empty(shape, dtype=read.dtype, device=read.device)
            self._kept[torch.from_numpy(missing)] = read
            self._is_kept[missing] = True
        assert self._kept is not None  # no image was missing
        if (np.diff(places) == 1).all():
            return self._kept[places[0] : places[-1] + 1]
        return self._kept[torch.from_numpy(places)]

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """The position of each image of the data set, where it has one."""
        places = np.zeros(len(self.labels), np.int64)
        places[self.order] = np.arange(len(self.order))
        return places

    def forget(self) -> None:
        """Free the images kept in memory, unless they were given and could not be read again."""
        self._last = {}
        if not self._whole._was_given:
            self._whole._kept = None
            self._whole._is_kept[:] = False

    def without_pixels(self) -> ImageSource:
        """The same source without the images in memory, to be given to another process."""
        bare = self.part(self.order)
        bare._whole = bare
        bare._is_kept = np.zeros(len(bare.order), np.bool_)
        bare.device = "cpu"
        return bare

    def keep(self, images: Tensor, device: str) -> None:
        """Take over all images, which are then not read.

        Args:
            images: uint8, N x 3 x H x W, in this order.
            device: Device of the batches.
        """
        self.device = device
        self._kept = images.to(device)
        self._is_kept = np.ones(len(self.order), np.bool_)
        self._was_given = True

    def _read(self, dataset: Dataset, indices: NDArray[np.int64]) -> Tensor:
        """What a data set reads, checked, since it may be a plug-in's."""
        with foreign(f"dataset {dataset.name}: read", type(dataset).__module__):
            images: Any = dataset.read(indices, self.geometry)
        pixels = isinstance(images, Tensor) and images.dtype == torch.uint8 and images.ndim == 4
        if pixels and images.shape[:2] == (len(indices), 3):
            read: Tensor = images
            return read
        got = f" {images.dtype} {tuple(images.shape)}" if hasattr(images, "dtype") else ""
        raise RobobenchError(
            f"dataset {dataset.name}: read returned a {type(images).__name__}{got}, expected a "
            f"torch.uint8 Tensor {len(indices)} x 3 x H x W"
        )

    def batch(
        self, begin: int, end: int, degradation: Degradation, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Clean and degraded images at these positions; degraded ones twice if there are no clean."""
        from robobench.corruptions import apply

        if not self.has_clean:
            return (self._published(degradation, self.order[begin:end]),) * 2
        clean = self.clean(begin, end)
        if degradation.is_clean:
            return clean, clean
        indices = self.order[begin:end]
        if getattr(self.dataset, "at", None) is not None:
            return clean, self._published(degradation, indices)
        if self.corrupt_at == "native":
            return clean, self._native(indices, degradation, seed)
        return clean, apply(clean, degradation, torch.from_numpy(indices), seed)

    def header_quality(
        self, indices: NDArray[np.int64], degradation: Degradation
    ) -> NDArray[np.int64]:
        """JPEG quality in each file's header, 0 where it has none.

        For images that are degraded here, it is the header that they would have: JPEG's own quality
        if that was the last step, and none after any other, since the header of the file that was
        read does not describe the last step.
        """
        dataset: Any = self.dataset
        if not degradation.is_clean and getattr(dataset, "at", None) is not None:
            dataset = self._copy(degradation)
        elif (quality := _last_quality(degradation)) is not None:
            return np.full(len(indices), quality, np.int64)
        read = getattr(dataset, "header_quality", None)
        if read is None:
            return np.zeros(len(indices), np.int64)
        qualities: NDArray[np.int64] = np.asarray(read(indices), np.int64)
        return qualities

    def _published(self, degradation: Degradation, indices: NDArray[np.int64]) -> Tensor:
        """The files themselves, from a data set that comes degraded."""
        return self._copy(degradation).read(indices, self.geometry).to(self.device)

    def _copy(self, degradation: Degradation) -> Dataset:
        """The copy under a degradation, from a data set that comes degraded."""
        from robobench.corruptions import catalogue

        severity = catalogue.severity_of(degradation, degradation.profile or self.profile)
        if severity is None:
            raise RobobenchError(
                f"{self.dataset.name} only has severities 1 to 5, not {degradation.label}: "
                f"evaluate levels on the clean data set with its own corruption"
            )
        copy: Dataset = self.dataset.at(degradation.corruption, severity)  # type: ignore[attr-defined]
        return copy

    def _native(
        self, indices: Sequence[int] | NDArray[np.int64], degradation: Degradation, seed: int
    ) -> Tensor:
        """Degrade the file's own pixels, then resize and crop, as happens in deployment."""
        from robobench.corruptions import apply
        from robobench.datasets.geometry import fit_geometry

        images = []
        for index in indices:
            pixels = self.dataset.read_native(int(index))  # type: ignore[attr-defined]
            image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
            degraded = apply(image, degradation, torch.tensor([int(index)]), seed)
            array = degraded[0].permute(1, 2, 0).contiguous().numpy()
            images.append(torch.from_numpy(fit_geometry(array, self.geometry)).permute(2, 0, 1))
        return torch.stack(images).to(self.device)


def _last_quality(degradation: Degradation) -> int | None:
    """JPEG quality of the last step, 0 if it is not JPEG; None for undegraded images."""
    from robobench.corruptions import catalogue

    if degradation.is_clean:
        return None
    if degradation.profile.endswith(catalogue.SAVED):
        return 85
    last = catalogue.parts(degradation.corruption)[-1]
    if last != "jpeg_compression":
        return 0
    if degradation.profile:  # a mixture, or another implementation: the level is a severity
        table = catalogue.severity_table(last, degradation.profile)
        return int(table[int(degradation.level) - 1])
    return round(degradation.level)
