"""`shapes10` as a data set: rendered on demand, at the network's input size."""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.datasets import shapes10
from robobench.datasets.geometry import check_geometry
from robobench.datasets.places import check_split
from robobench.errors import RobobenchError
from robobench.registry import dataset
from robobench.types import Geometry

__all__ = ["Shapes10"]

_NATIVE = 32
_SMALLEST = 8


@dataset("shapes10", backbone="vgg-tiny", training_images=True)
class Shapes10:
    """Built in: ten rendered shapes with fine textures, at any size, nothing to download.

    Scenes are described in fractions of the image's side, so nothing is resized: an image is
    rendered with as many pixels as the geometry's crop asks for (32 without a crop).

    Attributes:
        name: ``shapes10``.
        split: ``test``, ``validation`` or ``train``.
        class_names: Names of the ten shapes.
        profile: ``cifar-c``.
        labels: True classes, int64 N.
        notes: Always empty.
    """

    name = "shapes10"
    class_names = shapes10.CLASS_NAMES
    profile = "cifar-c"
    notes: tuple[str, ...] = ()

    def __init__(self, *, split: str = "test", download: bool = False) -> None:
        """Open a split.

        Args:
            split: ``test``, ``validation`` or ``train``.
            download: Accepted for uniformity; there is nothing to download.

        Raises:
            RobobenchError: The split is unknown.
        """
        check_split("shapes10", split, shapes10.SPLIT_SIZES)
        self.split = split
        self.labels = shapes10._labels(split, np.arange(shapes10.SPLIT_SIZES[split]))

    def __len__(self) -> int:
        return shapes10.SPLIT_SIZES[self.split]

    def fingerprint(self) -> str:
        """SHA-256 over the first hundred images at 32 pixels and all labels, in hexadecimal."""
        start = shapes10.digest(self.split, 100, _NATIVE)
        return hashlib.sha256(start.encode() + self.labels.astype("<i8").tobytes()).hexdigest()

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Images as uint8 N x 3 x side x side, rendered at the size of the geometry's crop.

        Raises:
            RobobenchError: The geometry is impossible, or asks for fewer than 8 pixels.
        """
        check_geometry(geometry)
        side = geometry.crop or geometry.resize or _NATIVE
        if side < _SMALLEST:
            raise RobobenchError(
                f"shapes10 has no images of {side} pixels: give --crop {_SMALLEST} or more"
            )
        images, _ = shapes10.render(self.split, indices, side)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def read_native(self, index: int) -> NDArray[np.uint8]:
        """One image at 32 pixels, uint8 32 x 32 x 3."""
        images, _ = shapes10.render(self.split, [index], _NATIVE)
        image: NDArray[np.uint8] = images[0]
        return image

    def header_quality(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Zeros: rendered images have no JPEG header."""
        return np.zeros(len(indices), dtype=np.int64)
