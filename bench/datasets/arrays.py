"""Data sets held in memory (or in a memory-mapped file) as one array of equally sized images."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.datasets.geometry import fit_batch
from robobench.errors import RobobenchError
from robobench.types import Geometry

__all__ = ["ArrayDataset", "from_arrays", "hash_arrays"]


class ArrayDataset:
    """Images of one size in one array.

    Attributes:
        name: Name of the data set, as in `Cell.dataset`.
        split: ``test``, ``validation`` or ``train``.
        class_names: Names of the classes, in the order of the labels.
        profile: Severity table meant for these images.
        labels: True classes, int64 N.
        notes: What was left out when it was opened, one line each.
        images: uint8, N x H x W x 3; may be memory-mapped.
    """

    def __init__(
        self,
        name: str,
        split: str,
        *,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        class_names: Sequence[str],
        profile: str,
        identify: Callable[[], str],
    ) -> None:
        """Wrap arrays; nothing is copied.

        Args:
            name: See above.
            split: See above.
            images: See above.
            labels: See above.
            class_names: See above.
            profile: See above.
            identify: Returns the fingerprint; called once, on first use.
        """
        self.name = name
        self.split = split
        self.class_names = tuple(class_names)
        self.profile = profile
        self.labels = labels
        self.notes: tuple[str, ...] = ()
        self.images = images
        self._identify = identify
        self._fingerprint = ""

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """SHA-256 over what identifies images and labels, in hexadecimal."""
        self._fingerprint = self._fingerprint or self._identify()
        return self._fingerprint

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Images as uint8 N x 3 x H x W after the geometry's resize and crop."""
        images = fit_batch(np.asarray(self.images[indices]), geometry)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def read_native(self, index: int) -> NDArray[np.uint8]:
        """One image as it is stored, uint8 H x W x 3."""
        return np.array(self.images[index])

    def header_quality(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Zeros: these images have no JPEG header."""
        return np.zeros(len(indices), dtype=np.int64)


def from_arrays(
    images: NDArray[np.uint8] | Tensor,
    labels: NDArray[np.int64] | Tensor | Sequence[int],
    class_names: Sequence[str] | None = None,
    name: str = "memory",
    profile: str | None = None,
) -> ArrayDataset:
    """Make a data set of images that are already in memory.

    Args:
        images: numpy uint8, N x H x W x 3, or torch uint8, N x 3 x H x W.
        labels: N integers, 0 or above.
        class_names: Names of the classes, in the order of the labels; None numbers them.
        name: Name of the data set in results.
        profile: Severity table; None takes the one with the nearest image size.

    Returns:
        The data set; it keeps references to the arrays and copies nothing.

    Raises:
        RobobenchError: The arguments are not as above; the message says how to fix them.
    """
    array = _as_images(images)
    truth = _as_labels(labels, len(array))
    if class_names is None:
        class_names = [str(k) for k in range(int(truth.max()) + 1)]
    elif truth.max() >= len(class_names):
        raise RobobenchError(
            f"label {truth.max()} of data set {name!r} has no name: "
            f"{len(class_names)} class names mean labels 0 to {len(class_names) - 1}"
        )
    if profile is None:
        from robobench.corruptions.catalogue import nearest_profile

        profile = nearest_profile(min(array.shape[1:3]))
    return ArrayDataset(
        name,
        "test",
        images=array,
        labels=truth,
        class_names=class_names,
        profile=profile,
        identify=lambda: hash_arrays(array, truth),
    )


def hash_arrays(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    """SHA-256 over shape, pixels and labels (little-endian int64), in hexadecimal."""
    digest = hashlib.sha256(repr(images.shape).encode())
    for start in range(0, len(images), 1024):  # a strided view is copied in chunks
        digest.update(np.ascontiguousarray(images[start : start + 1024]).data)
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _as_images(images: Any) -> NDArray[np.uint8]:
    """Check images and view them as N x H x W x 3."""
    torch_layout = isinstance(images, Tensor)
    if not torch_layout and not isinstance(images, np.ndarray):
        raise RobobenchError(
            "images in memory are one numpy array (N x H x W x 3) or one torch tensor "
            f"(N x 3 x H x W) of uint8, with their labels, not a {type(images).__name__}: "
            "stack what a Dataset or DataLoader yields"
        )
    expected = "torch.uint8, N x 3 x H x W" if torch_layout else "numpy uint8, N x H x W x 3"
    shape = " x ".join(map(str, images.shape))
    kind = str(images.dtype)
    if kind.removeprefix("torch.") != "uint8":
        mend = "round them to 0..255 and convert to uint8"
        if "float" in kind:
            to_bytes = ".round().to(torch.uint8)" if torch_layout else ".round().astype(np.uint8)"
            mend = f"pass (images * 255){to_bytes} if they lie in 0..1, and undo any normalisation"
        raise RobobenchError(f"images are {expected}, these are {kind}: {mend}")
    channels = images.shape[1 if torch_layout else -1] if images.ndim == 4 else 0
    if channels != 3:
        other = images.ndim == 4 and images.shape[-1 if torch_layout else 1] == 3
        turned = "images.permute(0, 3, 1, 2)" if torch_layout else "images.transpose(0, 2, 3, 1)"
        mend = f"pass {turned}" if other else "repeat a grey channel three times, drop alpha"
        raise RobobenchError(f"images are {expected}, these have shape {shape}: {mend}")
    if not len(images):
        raise RobobenchError(f"images are {expected}, there are none here (shape {shape})")
    if torch_layout:
        images = images.detach().cpu().permute(0, 2, 3, 1).numpy()
    array: NDArray[np.uint8] = images
    return array


def _as_labels(labels: Any, count: int) -> NDArray[np.int64]:
    """Check labels and convert them to int64."""
    values = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise RobobenchError(
            f"labels are {count} integers, one per image, these are {values.dtype} of shape "
            f"{' x '.join(map(str, values.shape)) or 'none'}: pass labels.argmax(1) if they are one-hot"
        )
    if len(values) != count:
        raise RobobenchError(
            f"expected one label per image, got {count} images and {len(values)} labels"
        )
    if values.min() < 0:
        raise RobobenchError(f"label {values.min()} is negative: labels start at 0")
    return values.astype(np.int64)
