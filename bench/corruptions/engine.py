"""Corrupt a batch: turn names and levels into calls of the registered corruptions."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.corruptions import catalogue
from robobench.corruptions.catalogue import SAVED
from robobench.corruptions.pixels import to_pixels, to_planes
from robobench.corruptions.random import keys, keys_each
from robobench.errors import RobobenchError
from robobench.precision import full_precision
from robobench.registry import CORRUPTIONS
from robobench.types import Degradation

_Images = TypeVar("_Images", Tensor, NDArray[np.uint8])
_SAVED_QUALITY = 85
_PART = 1 << 20  # bytes per thread


def apply(images: Tensor, degradation: Degradation, indices: Tensor, seed: int = 0) -> Tensor:
    """Degrade a batch; every evaluation calls this.

    Args:
        images: uint8, N x 3 x H x W; not modified.
        degradation: From `catalogue.at_severity` or `at_level`. A mixture is applied from left to
            right; a profile with ``+jpeg85`` adds a final JPEG of quality 85.
        indices: int64 N, the images' indices in their data set, on which randomness depends.
        seed: Seed of the randomness.

    Returns:
        uint8, the same shape, on the same device, never sharing memory with `images`.

    Raises:
        RobobenchError: The images have the wrong type or are too small for the corruption, the name
            is unknown, or the level is out of range.
    """
    _check(images, indices, degradation.corruption)
    profile = degradation.profile
    if degradation.is_clean:
        out = images.clone()
    elif profile.startswith(catalogue.REFERENCE_PROFILE):
        from robobench.corruptions import reference

        out = reference.apply(images, degradation, indices, seed)
    else:
        out = images
        for step, occurrence in _steps(degradation):
            key = keys(seed, step, indices.to(images.device), occurrence)
            out = _call(step.corruption, out, _parameter(step), key)
    if profile.endswith(SAVED):
        from robobench.corruptions import jpeg

        out = jpeg.round_trip(out, torch.full((len(out),), _SAVED_QUALITY))
    return out


def apply_each(
    images: Tensor,
    corruption: str,
    levels: Tensor,
    indices: Tensor,
    seed: int = 0,
    profile: str | None = None,
) -> Tensor:
    """Degrade a batch with a separate level for each image; training code calls this.

    The result for an image is that of `apply` at its level.

    Args:
        images: uint8, N x 3 x H x W; not modified.
        corruption: A name or a mixture.
        levels: Float N: native levels, or severities if there is no native unit.
        indices: int64 N, the images' indices in their data set.
        seed: Seed of the randomness.
        profile: Severity table; by default the nearest to the images' size.

    Raises:
        RobobenchError: As `apply`, or there is not one level per image.
    """
    _check(images, indices, corruption)
    if levels.shape != (len(images),):
        raise RobobenchError(
            f"levels {tuple(levels.shape)}: expected one per image, ({len(images)},)"
        )
    unit = catalogue.native(corruption)
    name = "+".join(catalogue.parts(corruption))
    if unit is not None and catalogue.option(name, "per_image", False) and len(images):
        for level in (float(levels.min()), float(levels.max())):
            unit.check(name, level)
        levels = levels.to(images.device, torch.float32)
        key = keys_each(seed, name, levels, indices.to(images.device))
        return _call(name, images, levels, key)
    out = torch.empty_like(images)
    for level in sorted(set(levels.tolist())):
        if unit is not None:
            step = catalogue.at_level(name, level)
        else:
            table = profile or catalogue.nearest_profile(min(images.shape[2:]))
            step = catalogue.at_severity(name, level, table)
        chosen = (levels == level).nonzero().flatten().to(images.device)
        out[chosen] = apply(images[chosen], step, indices.to(images.device)[chosen], seed)
    return out


def corrupt(
    images: _Images,
    name: str,
    *,
    severity: int | None = None,
    level: float | None = None,
    seed: int = 0,
    profile: str | None = None,
    indices: Sequence[int] | NDArray[np.int64] | Tensor | None = None,
) -> _Images:
    """Corrupt images with a registered corruption, or with several joined by ``+``.

    Args:
        images: numpy uint8, N x H x W x 3, or torch uint8, N x 3 x H x W; not modified.
        name: A corruption, an alias of one (``jpeg``), or a mixture (``gaussian_noise+jpeg``,
            applied from left to right).
        severity: Severity, 1 to 5. Give either this or `level`.
        level: Strength in the corruption's own unit (JPEG quality, sigma on 0..255).
        seed: The same seed, level and index give the same image, whatever the batch.
        profile: Severity table: ``imagenet-c``, ``cifar-c``, ``tiny-imagenet-c`` or
            ``inception-c``, or ``imagecorruptions`` for that package itself; by default the one
            nearest in image size. The suffix ``+jpeg85`` saves the result as ImageNet-C does.
        indices: The images' indices in their data set, 0 to N - 1 by default.

    Returns:
        New images of the same kind.

    Raises:
        RobobenchError: An argument is invalid; the message says what would work.

    >>> import numpy as np
    >>> photos = np.full((2, 32, 32, 3), 128, np.uint8)
    >>> corrupt(photos, "contrast", severity=5).shape
    (2, 32, 32, 3)
    """
    shape = _planes_shape(images)
    names = catalogue.expand(name)
    if len(names) > 1:
        raise RobobenchError(
            f"{name!r} is a group of {len(names)} corruptions: expected one, e.g. {names[0]!r}"
        )
    if (severity is None) == (level is None):
        given = "neither" if severity is None else "both"
        raise RobobenchError(f"{name}: expected a severity (1 to 5) or a level, got {given}")
    table = profile or catalogue.nearest_profile(min(shape[2:], default=1))
    if severity is not None:
        degradation = catalogue.at_severity(names[0], severity, table)
    else:
        assert level is not None
        degradation = catalogue.at_level(names[0], level)
        if table.endswith(SAVED):
            degradation = Degradation(degradation.corruption, degradation.level, SAVED)
    places = torch.arange(shape[0]) if indices is None else torch.as_tensor(indices)
    places = places.to(torch.int64)
    if isinstance(images, Tensor):
        return apply(images, degradation, places, seed)
    return _of_pixels(np.asarray(images), degradation, places, seed)


def _planes_shape(images: Tensor | NDArray[np.uint8]) -> tuple[int, ...]:
    """The shape as N x 3 x H x W; refuses arrays that are no images."""
    if isinstance(images, Tensor):
        return tuple(images.shape)
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
        raise RobobenchError(
            f"images: expected numpy uint8 N x H x W x 3 or torch uint8 N x 3 x H x W, "
            f"got numpy {array.dtype} {' x '.join(map(str, array.shape))}"
        )
    n, height, width, channels = array.shape
    return n, channels, height, width


def _of_pixels(
    images: NDArray[np.uint8], degradation: Degradation, indices: Tensor, seed: int
) -> NDArray[np.uint8]:
    """`apply` for an array of pixels, in parts small enough that freed memory is used again.

    The allocator returns larger pieces to the system, and getting them back, page by page, takes
    longer than the quicker corruptions themselves.
    """
    whole = torch.empty(_planes_shape(images), dtype=torch.uint8, device="meta")
    _check(whole, indices, degradation.corruption)
    out = np.empty(images.shape, np.uint8)
    each = max(1, images[:1].nbytes)
    step = max(1, torch.get_num_threads() * _PART // each)
    for first in range(0, max(1, len(images)), step):
        part = slice(first, first + step)
        to_pixels(apply(to_planes(images[part]), degradation, indices[part], seed), out[part])
    return out


def _check(images: Tensor, indices: Tensor, corruption: str) -> None:
    """Refuse input that no corruption accepts."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise RobobenchError(
            f"images: expected torch uint8 N x 3 x H x W, "
            f"got {images.dtype} {' x '.join(map(str, images.shape))}"
        )
    if indices.shape != (len(images),):
        raise RobobenchError(
            f"indices {tuple(indices.shape)}: expected one per image, ({len(images)},)"
        )
    least = catalogue.minimum(corruption)
    if min(images.shape[2:]) < least:
        raise RobobenchError(
            f"{corruption} needs images of at least {least} x {least} pixels, "
            f"got {images.shape[2]} x {images.shape[3]}"
        )


def _steps(degradation: Degradation) -> list[tuple[Degradation, int]]:
    """The single corruptions of a mixture, and how often each occurred before."""
    names = catalogue.parts(degradation.corruption)
    if len(names) == 1:
        return [(degradation, 0)]
    severity, profile = degradation.level, degradation.profile
    return [
        (catalogue.at_severity(name, int(severity), profile), names[:i].count(name))
        for i, name in enumerate(names)
    ]


def _parameter(step: Degradation) -> Any:
    """The argument of the corruption: its native level, or its entry in the severity table."""
    name, level = step.corruption, step.level
    unit = catalogue.native(name)
    if unit is not None:
        unit.check(name, level)
        return level
    if not step.profile.removesuffix(SAVED):
        raise RobobenchError(
            f"{name} at severity {level:g}: expected a profile with it, "
            f"one of {', '.join(catalogue.PROFILES)}"
        )
    if level not in (1, 2, 3, 4, 5):
        raise RobobenchError(f"{name} severity {level:g}: expected a whole number from 1 to 5")
    return catalogue.severity_table(name, step.profile)[int(level) - 1]


def _call(name: str, images: Tensor, level: Any, key: Tensor) -> Tensor:
    """Run one registered corruption and check what it returns."""
    if not len(images):
        return images.clone()
    function = CORRUPTIONS[name]
    with CORRUPTIONS.running(name), full_precision(images.device):
        out: Tensor = function(images, level, key)
    if not isinstance(out, Tensor) or out.shape != images.shape or out.dtype != torch.uint8:
        what = f"{out.dtype} {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
        raise RobobenchError(
            f"corruption {name} returned {what}: expected torch.uint8 {tuple(images.shape)}"
        )
    return out
