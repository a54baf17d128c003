"""Images as encoded files inside other files: rows of Parquet tables, members of tar archives."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robobench.corruptions.catalogue import nearest_profile
from robobench.datasets.decoding import header_quality, in_one_line, upright
from robobench.datasets.geometry import check_geometry, fit_geometry
from robobench.errors import RobobenchError
from robobench.types import Geometry

__all__ = ["EncodedDataset"]

_SAMPLED = 15


class EncodedDataset:
    """Images with labels that are decoded from bytes on demand.

    Attributes:
        name: Name of the data set, as in `Cell.dataset`.
        split: ``test``, ``validation`` or ``train``.
        class_names: Names of the classes, in the order of the labels.
        profile: Severity table with the image size nearest to that of some of the images.
        labels: True classes, int64 N.
        notes: What was left out when it was opened, one line each.
    """

    def __init__(
        self,
        name: str,
        split: str,
        *,
        contents: Callable[[int], bytes],
        called: Callable[[int], str],
        labels: NDArray[np.int64],
        class_names: Sequence[str],
    ) -> None:
        """Record where the images are; a few are decoded to know their size.

        Args:
            name: See above.
            split: See above.
            contents: An image's index to its encoded file.
            called: An image's index to what messages call it.
            labels: See above.
            class_names: See above.

        Raises:
            RobobenchError: One of the decoded images is broken.
        """
        self.name = name
        self.split = split
        self.labels = labels
        self.class_names = tuple(class_names)
        self.notes: tuple[str, ...] = ()
        self._contents = contents
        self._called = called
        self._fingerprint = ""
        chosen = np.unique(np.linspace(0, max(len(labels) - 1, 0), _SAMPLED).astype(np.int64))
        sides = [min(self._decoded(int(index)).size) for index in chosen[: len(labels)]]
        self.profile = nearest_profile(int(np.median(sides))) if sides else "imagenet-c"

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """SHA-256 over the labels and every image's encoded bytes, in hexadecimal."""
        if not self._fingerprint:
            digest = hashlib.sha256(self.labels.astype("<i8").tobytes())
            for index in range(len(self)):
                digest.update(hashlib.sha256(self._contents(index)).digest())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Images as uint8 N x 3 x H x W after the geometry's resize and crop.

        Raises:
            RobobenchError: One is broken or too small for the crop, or they have different sizes.
        """
        check_geometry(geometry)
        images = []
        for index in indices.tolist():
            try:
                images.append(fit_geometry(self._decoded(index), geometry))
            except RobobenchError as error:
                raise RobobenchError(
                    f"{self._called(index)} of {self.name} cannot be used: {error}"
                ) from None
            if images[-1].shape != images[0].shape:
                raise RobobenchError(
                    f"images of {self.name} have different sizes ({self._called(index)}); a batch "
                    "needs one size: give --resize and --crop"
                )
        if not images:
            side = geometry.crop or geometry.resize or 0
            return torch.empty((0, 3, side, side), dtype=torch.uint8)
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()

    def read_native(self, index: int) -> NDArray[np.uint8]:
        """One image at its original size, uint8 H x W x 3.

        Raises:
            RobobenchError: It is broken.
        """
        return np.array(self._decoded(index))

    def header_quality(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The JPEG quality in each image's header, 1 to 100; 0 if it is not a JPEG.

        Raises:
            RobobenchError: A header cannot be read.
        """
        found = []
        for index in indices.tolist():
            try:
                found.append(header_quality(io.BytesIO(self._contents(index))))
            except RobobenchError as error:
                raise RobobenchError(f"{self._called(index)}: {error}") from error
        return np.array(found, dtype=np.int64)

    def _decoded(self, index: int) -> Image.Image:
        try:
            return upright(io.BytesIO(self._contents(index)))
        except RobobenchError:
            raise
        except Exception as error:  # each decoder reports a broken file in its own way
            raise RobobenchError(f"{self._called(index)}: {in_one_line(error)}") from error
