"""Any `torch.utils.data.Dataset` or `DataLoader` of (image, label), read into memory once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from robobench.datasets.arrays import ArrayDataset, from_arrays
from robobench.datasets.decoding import to_rgb
from robobench.errors import RobobenchError, foreign

__all__ = ["from_torch"]

_EXACT: Final = 1e-3  # how far a float on 0..1 may be from a grey level, in grey levels


def from_torch(data: Any) -> ArrayDataset:
    """Make a data set of what a torch data set or loader yields.

    Images are PIL images, uint8 tensors 3 x H x W, or float tensors on 0..1 as ``ToTensor`` makes them of
    bytes; all have one size. A loader's order does not matter where its data set has indices: these
    are the images' places. Names of classes are its ``classes``, where it has them.

    Args:
        data: A `torch.utils.data.Dataset` or `DataLoader` of (image, label).

    Returns:
        The data set; it holds a copy of all images.

    Raises:
        RobobenchError: What it yields is something else; the message says how to mend it.
    """
    kind = type(data).__name__
    source: Any = data.dataset if isinstance(data, DataLoader) else data
    indexed = hasattr(source, "__len__") and hasattr(source, "__getitem__")
    batched = isinstance(data, DataLoader) and not indexed
    items = _items(source) if indexed else _single(data) if batched else iter(source)
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    with foreign(f"dataset {kind}"):
        for item in items:
            if not isinstance(item, tuple | list) or len(item) < 2:
                raise RobobenchError(
                    f"dataset {kind}: expected pairs (image, label), got a {type(item).__name__}"
                )
            images.append(_pixels(item[0], kind, len(images)))
            labels.append(_label(item[1], kind))
            if images[-1].shape != images[0].shape:
                raise RobobenchError(
                    f"dataset {kind}: images have different sizes ({_by(images[0])} and "
                    f"{_by(images[-1])}): give it a transform that resizes and crops them"
                )
    if not images:
        raise RobobenchError(f"dataset {kind} has no image")
    classes = getattr(source, "classes", None)
    named = isinstance(classes, tuple | list) and all(isinstance(one, str) for one in classes)
    return from_arrays(np.stack(images), labels, list(classes) if named and classes else None)


def is_torch_data(data: Any) -> bool:
    """Whether it is a torch data set or loader."""
    return isinstance(data, Dataset | DataLoader)


def _items(source: Any) -> Iterator[Any]:
    return (source[index] for index in range(len(source)))


def _single(loader: Iterable[Any]) -> Iterator[Any]:
    """The pairs in a loader's batches."""
    for batch in loader:
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            yield batch  # refused by name
            return
        yield from zip(batch[0], batch[1], strict=True)


def _pixels(image: Any, kind: str, place: int) -> NDArray[np.uint8]:
    """One image as uint8 H x W x 3."""
    if isinstance(image, Image.Image):
        return np.array(to_rgb(image))
    called = f"dataset {kind}: image {place}"
    if not isinstance(image, Tensor) or image.ndim != 3 or image.shape[0] != 3:
        shape = f" of shape {tuple(image.shape)}" if hasattr(image, "shape") else ""
        raise RobobenchError(
            f"{called}: expected a PIL image or a tensor 3 x H x W, got a {type(image).__name__}{shape}"
        )
    if image.is_floating_point():
        levels = image.detach().double() * 255
        whole = levels.round()
        if whole.min() < 0 or whole.max() > 255 or (levels - whole).abs().max() > _EXACT:
            raise RobobenchError(
                f"{called}: floats that are no bytes / 255: leave Normalize and resizing of tensors out "
                "(mean and std are arguments of run)"
            )
        image = whole.to(torch.uint8)
    if image.dtype != torch.uint8:
        raise RobobenchError(f"{called}: expected uint8, or floats on 0..1, got {image.dtype}")
    return np.ascontiguousarray(image.cpu().permute(1, 2, 0).numpy())


def _label(label: Any, kind: str) -> int:
    value = label.item() if isinstance(label, Tensor) and label.numel() == 1 else label
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise RobobenchError(
            f"dataset {kind}: expected an integer as label, got a {type(label).__name__}"
        )
    return int(value)


def _by(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
