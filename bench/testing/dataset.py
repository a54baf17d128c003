"""What a data set promises: see `robobench.dataset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from robobench.contracts import Dataset
from robobench.corruptions import catalogue
from robobench.datasets import open_dataset
from robobench.types import Geometry

__all__ = ["PROMISES", "Subject", "subject"]

_COUNT = 12


@dataclass(frozen=True)
class Subject:
    """A data set to be tested.

    Attributes:
        make: Opens it anew.
        geometry: How its images are resized and cropped; all get the same size.
    """

    make: Callable[[], Dataset]
    geometry: Geometry

    def some(self, opened: Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Indices of a few images, from the first to the last."""
        found = np.linspace(0, len(opened) - 1, min(len(opened), _COUNT))
        return found.round().astype(np.int64)


def subject(name: str, *, geometry: Geometry | None = None, **options: Any) -> Subject:
    """A registered data set.

    Args:
        name: As ``--dataset`` takes it.
        geometry: How its images are resized and cropped; as they are if None.
        options: Keywords of `robobench.datasets.open_dataset`: ``split``, ``root``, ...
    """
    return Subject(lambda: open_dataset(name, **options), geometry or Geometry())


def has_labels_and_names(it: Subject) -> None:
    """One label per image, each the number of a class; class names are distinct."""
    opened = it.make()  # which refuses labels of another type, and too few of them
    assert opened.labels.min() >= 0, (
        f"labels from 0 are expected, the smallest is {opened.labels.min()}"
    )
    names = tuple(opened.class_names)
    assert all(isinstance(name, str) and name for name in names), "class names are words"
    assert len(set(names)) == len(names), "every class has a name of its own"
    assert opened.split in ("test", "validation", "train"), f"unknown split {opened.split!r}"
    catalogue.base_profile(opened.profile)  # which refuses an unknown one


def reads_images(it: Subject) -> None:
    """uint8, N x 3 x H x W, contiguous and all of one size."""
    opened = it.make()
    indices = it.some(opened)
    found = opened.read(indices, it.geometry)
    assert isinstance(found, torch.Tensor), f"a tensor is expected, got {type(found).__name__}"
    assert found.dtype == torch.uint8, f"torch.uint8 is expected, got {found.dtype}"
    shape = tuple(found.shape)
    fits = len(shape) == 4 and shape[:2] == (len(indices), 3)
    assert fits, f"{len(indices)} x 3 x H x W is expected, got {' x '.join(map(str, shape))}"
    assert found.is_contiguous(), "contiguous memory is expected: call .contiguous()"


def reads_the_same_again_in_any_order(it: Subject) -> None:
    """An image depends on its index alone, and a reader may change what it was given."""
    opened = it.make()
    indices = it.some(opened)
    first = opened.read(indices, it.geometry)
    kept = first.clone()
    first.zero_()
    turned = opened.read(indices[::-1].copy(), it.geometry)
    assert torch.equal(turned.flip(0), kept), (
        "the same images are expected in another order, or after a reader has changed what it was "
        "given: does `read` return its own memory?"
    )
    assert torch.equal(it.make().read(indices[-1:], it.geometry), kept[-1:]), (
        "a second instance gives other images"
    )


def crops(it: Subject) -> None:
    """The geometry's crop is the side of the images."""
    opened = it.make()
    side = min(opened.read(it.some(opened)[:1], it.geometry).shape[2:])
    smaller = max(1, side // 2)
    cut = Geometry(smaller, smaller, it.geometry.interpolation)
    found = opened.read(it.some(opened)[:2], cut).shape[2:]
    assert found == (smaller, smaller), f"{smaller} x {smaller} is expected, got {tuple(found)}"


def knows_itself(it: Subject) -> None:
    """The fingerprint is a SHA-256, the same whenever the data set is opened."""
    one, other = it.make().fingerprint(), it.make().fingerprint()
    assert one == other, "the same fingerprint is expected whenever it is opened"
    digits = set("0123456789abcdef")
    hexadecimal = len(one) == 64 and set(one) <= digits
    assert hexadecimal, f"64 hexadecimal digits are expected, got {one!r}"


PROMISES: tuple[Callable[[Subject], None], ...] = (
    has_labels_and_names,
    reads_images,
    reads_the_same_again_in_any_order,
    crops,
    knows_itself,
)
