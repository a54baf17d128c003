"""Networks that tell from an image how strongly it was degraded."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, relu

_DILATIONS: Final = (1, 2, 3, 4, 3, 2, 1)
_PAPER_WIDTH: Final = 64
_BLOCK: Final = 8
# JFIF: luma, and two differences from it.
_YCBCR: Final = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


class PixelwiseEstimator(nn.Module):
    """Seven dilated 3 x 3 convolutions, their output averaged over the image.

    Uchida et al. (EI 2019) with 64 channels, as Endo et al. use it: 187,009 parameters. On small
    images, beside small classifiers, fewer channels serve.

    Args:
        width: Channels.
        dilations: Of the convolutions.
    """

    def __init__(self, width: int = _PAPER_WIDTH, dilations: tuple[int, ...] = _DILATIONS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for dilation in dilations[:-1]:
            layers += [
                nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation),
                nn.ReLU(),
            ]
            channels = width
        layers.append(nn.Conv2d(channels, 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Level of each image, N, scaled to about 0..1, of images on 0..1.

        Always in full precision: the last bits of the pixels are what tells.
        """
        with torch.autocast(images.device.type, enabled=False):
            levels: Tensor = self.layers(images).mean((1, 2, 3))
        return levels


class ShallowEstimator(PixelwiseEstimator):
    """`PixelwiseEstimator` without dilations, five convolutions of 32 channels, for noise.

    Noise differs from one pixel to the next: nothing far away tells about it. A fifth of the
    multiply-adds; and half precision does, since rounding is small beside the noise.
    """

    def __init__(self) -> None:
        super().__init__(32, (1,) * 5)

    def forward(self, images: Tensor) -> Tensor:
        """As of `PixelwiseEstimator`, in the precision of the surrounding autocast."""
        centred = (images * 4 - 2).contiguous(memory_format=torch.channels_last)
        levels: Tensor = self.layers(centred).float().mean((1, 2, 3))
        return levels


class BlockEstimator(nn.Module):
    """What an image's 8 x 8 DCT coefficients look like, coefficient by coefficient.

    A lean stand-in for `PixelwiseEstimator`: the size of every coefficient passes a few learned
    thresholds, the answers are averaged over the image's blocks (a soft histogram for each of the
    192 coefficients, in which JPEG's rounding and the variance of noise stand open), and three
    linear layers read the level from them. 0.2 million multiply-adds a block instead of 12.

    Args:
        chroma_halved: Take luma and halved chroma, as JPEG does; else red, green and blue.
        thresholds: Learned thresholds of each coefficient.
    """

    basis: Tensor
    colours: Tensor

    def __init__(self, *, chroma_halved: bool, thresholds: int = 8, hidden: int = 256) -> None:
        super().__init__()
        self.chroma_halved = chroma_halved
        waves = torch.from_numpy(dct(np.eye(_BLOCK), norm="ortho", axis=0)).float()
        basis = torch.einsum("ai,bj->abij", waves, waves).reshape(-1, 1, _BLOCK, _BLOCK)
        self.register_buffer("basis", basis, persistent=False)
        self.register_buffer("colours", torch.tensor(_YCBCR), persistent=False)
        coefficients = 3 * _BLOCK**2
        self.slopes = nn.Parameter(torch.randn(coefficients, 1, thresholds))
        self.offsets = nn.Parameter(torch.randn(coefficients, 1, thresholds))
        self.reading = nn.Sequential(
            nn.Linear(coefficients * thresholds, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 64),
            nn.ReLU(),
            nn.Linear(64, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Level of each image, N, scaled to about 0..1, of images on 0..1 with sides of 16 and up.

        Always in full precision, as the level stands in the last bits of the pixels.
        """
        with torch.autocast(images.device.type, enabled=False):
            pixels = images * 255 - 128
            if self.chroma_halved:
                planes = torch.einsum("dc,nchw->ndhw", self.colours, pixels)
                halved = avg_pool2d(planes[:, 1:], 2)
                parts = [self._histogram(planes[:, :1], 0), self._histogram(halved, 1)]
            else:
                parts = [self._histogram(pixels, 0)]
            levels: Tensor = self.reading(torch.cat(parts, dim=1))[:, 0]
        return levels

    def _histogram(self, planes: Tensor, first: int) -> Tensor:
        """Soft histograms, N x (planes * 64 * thresholds); `first` is the first plane's number."""
        images, count, height, width = planes.shape
        own = slice(first * _BLOCK**2, (first + count) * _BLOCK**2)
        # Planes as images of their own: each is transformed alike.
        blocks = conv2d(planes.reshape(-1, 1, height, width), self.basis, stride=_BLOCK)
        sizes = blocks.reshape(images, count * _BLOCK**2, -1, 1).abs().log1p()
        answers = relu(sizes * (4 * self.slopes[own]) + self.offsets[own])
        return answers.mean(2).flatten(1)
