"""How close images are to their originals: peak signal-to-noise ratio and structural similarity."""

from typing import Final

import torch
from torch import Tensor

_RANGE: Final = 255.0
_MOST_DECIBELS: Final = 100.0  # for identical images
_WINDOW: Final = 11
_SIGMA: Final = 1.5
_C1: Final = (0.01 * _RANGE) ** 2
_C2: Final = (0.03 * _RANGE) ** 2


def psnr(images: Tensor, clean: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over all pixels and channels of each image.

    Args:
        images: uint8, N x C x H x W.
        clean: uint8, the same shape.

    Returns:
        float32 N, in dB for a range of 0..255; at most 100, for identical images.
    """
    error = (images.float() - clean.float()).square().mean((1, 2, 3))
    return (10 * torch.log10(_RANGE**2 / error)).clamp(max=_MOST_DECIBELS)


def ssim(images: Tensor, clean: Tensor) -> Tensor:
    """Structural similarity of each image (Wang, Bovik, Sheikh and Simoncelli 2004).

    Gaussian window of 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, population variances; mean
    over channels and over the pixels whose window lies inside the image. An image with a side
    below 11 gets the largest odd window that fits.

    Args:
        images: uint8, N x C x H x W.
        clean: uint8, the same shape.

    Returns:
        float32 N, -1..1; 1 for identical images.
    """
    # Shifting the origin does not change variances, but it does reduce their rounding errors.
    a, b = (t.float().flatten(0, 1) - _RANGE / 2 for t in (images, clean))
    height, width = images.shape[2:]
    rows, columns = (_window_sums(height, width, side).to(a) for side in (height, width))
    # A product with a band matrix is several times faster than a one-channel convolution.
    a_mean, b_mean, squares, products = (
        rows @ (values @ columns.T) for values in (a, b, a.square() + b.square(), a * b)
    )
    covariance = products - a_mean * b_mean
    variances = squares - a_mean.square() - b_mean.square()
    a_mean, b_mean = a_mean + _RANGE / 2, b_mean + _RANGE / 2
    luminance = (2 * a_mean * b_mean + _C1) / (a_mean.square() + b_mean.square() + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    planes = (luminance * structure).mean((1, 2))
    similarity: Tensor = planes.reshape(len(images), -1).mean(1)
    return similarity


def _window_sums(height: int, width: int, side: int) -> Tensor:
    """Matrix that maps a column of `side` pixels to its weighted mean in each window."""
    shorter = min(height, width)
    size = min(_WINDOW, shorter - 1 + shorter % 2)
    offsets = torch.arange(size) - (size - 1) / 2
    window = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    window /= window.sum()
    matrix = torch.zeros(side - size + 1, side)
    for place, row in enumerate(matrix):
        row[place : place + size] = window
    return matrix
