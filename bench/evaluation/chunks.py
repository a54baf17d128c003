"""Chunks of a fixed size: all that networks see, so that answers do not depend on the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.corruptions import catalogue
from robobench.types import Context, Degradation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from robobench.evaluation.images import ImageSource

# Images with sides up to this many pixels are processed in larger chunks; on CPUs, chunks whose
# activations fit in the cache are fastest (measured: 64 beats 128, 128 beats 256).
_SMALL_SIDE = 64
_CHUNK_OF_SMALL, _CHUNK_OF_LARGE = 64, 32


def chunk_size(side: int) -> int:
    """Number of images of this side per chunk; fixed, so that sums always round the same way."""
    return _CHUNK_OF_SMALL if side <= _SMALL_SIDE else _CHUNK_OF_LARGE


def predict_chunk(
    method: Method, images: Tensor, context: Context, stems: dict[int, Tensor] | None = None
) -> Tensor:
    """Probabilities for one chunk, through the stem shared by methods on the same backbone.

    Args:
        method: A method that does not adapt to the batch.
        images: uint8, chunk x 3 x H x W.
        context: The fields that it needs.
        stems: Features of these images by backbone, filled here.
    """
    if type(method).from_stem is Method.from_stem or not method.backbone.splittable:
        return method.predict(images, context)
    stems = {} if stems is None else stems
    if id(method.backbone) not in stems:
        stems[id(method.backbone)] = method.backbone.stem(images)
    return method.from_stem(stems[id(method.backbone)], images, context)


def padded(images: Tensor, chunk: int) -> Tensor:
    """The images and as many black ones as a chunk lacks."""
    missing = chunk - len(images)
    if not missing:
        return images
    return torch.cat([images, images.new_zeros(missing, *images.shape[1:])])


def context_for(
    method: Method,
    source: ImageSource,
    degradation: Degradation,
    indices: NDArray[np.int64],
    chunk: int,
) -> Context:
    """The fields that this method declared in `needs`, padded like the images."""

    def told(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.pad(values, (0, chunk - len(values)))).to(source.device)

    needs, severity, quality = method.needs, None, None
    if "header_quality" in needs:
        quality = told(source.header_quality(indices, degradation))
    if "severity" in needs and not degradation.is_clean:
        severity = catalogue.severity_of(degradation, degradation.profile or source.profile)
    return Context(
        corruption=degradation.corruption if "corruption" in needs else None,
        severity=severity,
        level=catalogue.native_level(degradation) if "level" in needs else None,
        header_quality=quality,
        indices=told(indices),
    )


def cut(context: Context, real: int) -> Context:
    """The context of the first images of a chunk, without the padding."""
    quality, indices = context.header_quality, context.indices
    return replace(
        context,
        header_quality=None if quality is None else quality[:real],
        indices=None if indices is None else indices[:real],
    )
