"""Between arrays of pixels, as files and Pillow have them, and tensors of colour planes.

NumPy and torch copy such a transposition value by value; these kernels copy whole vectors.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robobench.corruptions.compiled import Array, compiled, share


def to_planes(images: NDArray[np.uint8]) -> Tensor:
    """uint8 N x H x W x 3 as a contiguous tensor N x 3 x H x W; it may share the array's memory."""
    planes = images.transpose(0, 3, 1, 2)
    if not planes.flags.c_contiguous:
        n, height, width, _ = images.shape
        planes = np.empty((n, 3, height, width), np.uint8)
        share(_split, np.ascontiguousarray(images), planes)
    return torch.from_numpy(planes)


def to_pixels(images: Tensor, out: NDArray[np.uint8]) -> None:
    """Write uint8 N x 3 x H x W, on the CPU, to a contiguous array N x H x W x 3."""
    share(_join, images.contiguous().numpy(), out)


@compiled
def _split(images: Array, out: Array, first: int, last: int) -> None:
    for i in range(first, last):
        pixels = images[i].ravel()
        red, green, blue = out[i, 0].ravel(), out[i, 1].ravel(), out[i, 2].ravel()
        for j in range(red.size):
            red[j], green[j], blue[j] = pixels[3 * j], pixels[3 * j + 1], pixels[3 * j + 2]


@compiled
def _join(images: Array, out: Array, first: int, last: int) -> None:
    for i in range(first, last):
        pixels = out[i].ravel()
        red, green, blue = images[i, 0].ravel(), images[i, 1].ravel(), images[i, 2].ravel()
        for j in range(red.size):
            pixels[3 * j], pixels[3 * j + 1], pixels[3 * j + 2] = red[j], green[j], blue[j]
