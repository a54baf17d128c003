"""What a corruption, a data set and a metric must be able to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from robobench.types import Geometry, Predictions


class Corruption(Protocol):
    """A batched degradation: ``(images, level, keys) -> images``."""

    def __call__(self, images: Tensor, level: Any, keys: Tensor) -> Tensor:
        """Degrade a batch.

        Args:
            images: uint8, N x 3 x H x W; left alone.
            level: The parameter of one severity: a number or a tuple of numbers.
            keys: int64 N, the seed of each image's randomness.

        Returns:
            uint8, the same shape, on the same device.
        """
        ...


class Dataset(Protocol):
    """Images with labels, read in any order.

    Attributes:
        name: As `Cell.dataset` has it, without a path.
        split: ``test``, ``validation``, ``train``.
        class_names: In the order of the labels.
        profile: The severity table that is meant for it.
        labels: int64 N, all of them, without reading an image.
        geometry: How its images become what a network sees; decoded to that at `read`.
    """

    name: str
    split: str
    class_names: tuple[str, ...]
    profile: str
    labels: NDArray[np.int64]

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """SHA-256 over what identifies images and labels, hexadecimal; stable between machines."""
        ...

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Images as uint8 N x 3 x H x W after the geometry's resize and crop.

        Raises:
            RobobenchError: An image is missing or broken; the message names its file.
        """
        ...


class Metric(Protocol):
    """A number of predictions, with its direction and bounds as data."""

    higher_is_better: bool
    bounds: tuple[float, float]

    def __call__(self, predictions: Predictions) -> float:
        """The metric's value; fractions, not percent."""
        ...
