"""Resize and crop an image of any size to a network's input, pixel for pixel as torchvision does.

torchvision's ``Resize`` and ``CenterCrop`` on PIL images are thin wrappers around Pillow's
resampling, which always antialiases. They are reimplemented here because torchvision silently pads
with black where an image is smaller than the crop, and to work on arrays directly.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robobench.backbones.overrides import check_normalisation
from robobench.errors import RobobenchError, unknown_name
from robobench.types import Geometry

__all__ = [
    "FILTERS",
    "check_changes",
    "check_geometry",
    "fit_batch",
    "fit_geometry",
    "fitted_size",
]

FILTERS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


# The largest side of an image, in pixels: 300 MB each.
_LARGEST = 10_000


def check_geometry(geometry: Geometry) -> None:
    """Refuse an impossible geometry.

    Raises:
        RobobenchError: A size that is not positive or beyond reason, a crop larger than the resized shorter side,
            or an unknown interpolation.
    """
    for name, size in (("--resize", geometry.resize), ("--crop", geometry.crop)):
        if size is not None and size < 1:
            raise RobobenchError(f"{name}: expected 1 or more pixels, got {size}")
        if size is not None and size > _LARGEST:
            raise RobobenchError(f"{name}: expected at most {_LARGEST} pixels, got {size}")
    if (
        geometry.resize is not None
        and geometry.crop is not None
        and geometry.crop > geometry.resize
    ):
        raise RobobenchError(
            f"--crop {geometry.crop} does not fit into the shorter side after --resize "
            f"{geometry.resize}: give --resize {geometry.crop} or more"
        )
    if geometry.interpolation not in FILTERS:
        raise unknown_name("interpolation", geometry.interpolation, FILTERS)


def check_changes(changes: Mapping[str, Any]) -> None:
    """Refuse impossible replacements of parts of a geometry.

    Args:
        changes: As from `robobench.backbones.overrides.overrides`.

    Raises:
        RobobenchError: See `check_geometry` and `check_normalisation`.
    """
    check_geometry(Geometry(**changes))
    check_normalisation(changes.get("mean"), changes.get("std"))


def fit_geometry(image: Image.Image | NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Resize the shorter side, then crop the central square.

    Args:
        image: A PIL image of mode RGB, or uint8, H x W x 3.
        geometry: Target geometry; its mean and std are ignored.

    Returns:
        uint8, H x W x 3: the input itself if it is an array that already fits.

    Raises:
        RobobenchError: The image is smaller than the crop, or `check_geometry` raises.
    """
    check_geometry(geometry)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise RobobenchError(
                f"expected an image of uint8, height x width x 3, got {image.dtype} "
                f"of shape {' x '.join(map(str, image.shape))}"
            )
        if _fits(image.shape[1], image.shape[0], geometry):
            return image
        image = Image.fromarray(image)
    if geometry.resize is not None:
        size = _resized(*image.size, geometry.resize)
        if size != image.size:
            image = image.resize(size, FILTERS[geometry.interpolation])
    if geometry.crop is not None:
        image = image.crop(_central(*image.size, geometry.crop))
    return np.array(image)


def fit_batch(images: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """`fit_geometry` for a batch of images of one size.

    Args:
        images: uint8, N x H x W x 3.
        geometry: Target geometry; its mean and std are ignored.

    Returns:
        uint8, N x H' x W' x 3: the input itself if it already fits.

    Raises:
        RobobenchError: As `fit_geometry`.
    """
    check_geometry(geometry)
    if not len(images) or _fits(images.shape[2], images.shape[1], geometry):
        return images
    return np.stack([fit_geometry(image, geometry) for image in images])


def fitted_size(width: int, height: int, geometry: Geometry) -> tuple[int, int] | None:
    """Width and height of an image after `fit_geometry`; None if it is smaller than the crop."""
    if geometry.resize is not None:
        width, height = _resized(width, height, geometry.resize)
    if geometry.crop is None:
        return width, height
    return None if min(width, height) < geometry.crop else (geometry.crop, geometry.crop)


def _fits(width: int, height: int, geometry: Geometry) -> bool:
    """Whether an image of this size already fits the geometry."""
    resized = geometry.resize is None or min(width, height) == geometry.resize
    return resized and (geometry.crop is None or width == height == geometry.crop)


def _resized(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Width and height once the shorter side is `shorter`; the longer is rounded down."""
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def _central(width: int, height: int, side: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the central square."""
    if min(width, height) < side:
        raise RobobenchError(
            f"an image of {width} x {height} pixels is smaller than the crop of {side}: "
            f"give --resize {side} or more, or a smaller --crop"
        )
    left, top = (
        round((width - side) / 2),
        round((height - side) / 2),
    )  # half to even, as torchvision
    return left, top, left + side, top + side
