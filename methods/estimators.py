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
# Of a plane's ranked local energies: which are kept, and of which lowest shares the means are.
_ORDERS: Final = (0.05, 0.15, 0.3, 0.5, 0.75)
_FLATTEST: Final = (0.1, 0.25, 0.5)
_STRONGEST: Final = 50  # sigma, on 0..255
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


class EnergyEstimator(nn.Module):
    """How much noise there is, read from what small filters answer where the image is flattest.

    A lean stand-in for `PixelwiseEstimator`. An image's own detail hides noise, but not everywhere
    and least in the differences between colours: so 3 x 3 cosine filters run over red, green and
    blue and over three orthonormal mixtures of them, and of each plane's local energies the lowest
    order statistics are kept (noise level from weakly textured patches: Liu et al. 2013), beside
    means and what tells of clipping. The filters are fixed; three linear layers, that learn, read
    the level from the 156 numbers. Nothing needs to be learned about what noise is, so minutes of
    training get further than half an hour with convolutions that learn.
    """

    mixtures: Tensor
    basis: Tensor

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        root2, root3, root6 = 2**0.5, 3**0.5, 6**0.5
        differences = [[1 / root2, -1 / root2, 0], [1 / root6, 1 / root6, -2 / root6]]
        mixtures = torch.cat([torch.eye(3), torch.tensor([*differences, [1 / root3] * 3])])
        self.register_buffer("mixtures", mixtures, persistent=False)
        self.register_buffer("basis", _cosines(3)[1:], persistent=False)
        of_plane = 2 * len(self.basis) + len(_ORDERS) + len(_FLATTEST)
        self.reading = _reading(len(mixtures) * of_plane + 4 * 3, hidden, 128)

    def forward(self, images: Tensor) -> Tensor:
        """Level of each image, N, scaled to about 0..1, of images on 0..1 with sides of 5 and up.

        Always in full precision: weak noise is a matter of single grey levels.
        """
        with torch.autocast(images.device.type, enabled=False):
            levels: Tensor = self.reading(self._statistics(images))[:, 0]
        return levels

    def _statistics(self, images: Tensor) -> Tensor:
        """N x 156, those of energies in units of the strongest noise's standard deviation."""
        count, _, height, width = images.shape
        planes = torch.einsum("dc,nchw->ndhw", self.mixtures, images) * (255 / _STRONGEST)
        answers = conv2d(planes.reshape(-1, 1, height, width), self.basis).abs()
        means = answers.mean((2, 3))
        spreads = answers.square().mean((2, 3)).sqrt()
        local = avg_pool2d(answers.square().mean(1, keepdim=True), 3, stride=1)
        ranked = local.sqrt().flatten(1).sort(dim=1).values
        last = ranked.shape[1] - 1
        orders = ranked[:, [int(share * last) for share in _ORDERS]]
        flattest = torch.stack(
            [ranked[:, : 1 + int(share * last)].mean(1) for share in _FLATTEST], dim=1
        )
        of_planes = [t.reshape(count, -1) for t in (means, spreads, orders, flattest)]
        of_pixels = [
            (images <= 0).float().mean((2, 3)),
            (images >= 1).float().mean((2, 3)),
            images.mean((2, 3)),
            images.std((2, 3)),
        ]
        return torch.cat([*of_planes, *of_pixels], dim=1)


class BlockEstimator(nn.Module):
    """What an image's 8 x 8 DCT coefficients look like, coefficient by coefficient.

    A lean stand-in for `PixelwiseEstimator`: the size of every coefficient passes a few learned
    thresholds, the answers are averaged over the image's blocks (a soft histogram for each of the
    192 coefficients, in which JPEG's rounding and the variance of noise stand open), and three
    linear layers read the level from them. 0.2 million multiply-adds a block instead of 12.

    Args:
        thresholds: Learned thresholds of each coefficient.
    """

    basis: Tensor
    colours: Tensor

    def __init__(self, thresholds: int = 8, hidden: int = 256) -> None:
        super().__init__()
        self.register_buffer("basis", _cosines(_BLOCK), persistent=False)
        self.register_buffer("colours", torch.tensor(_YCBCR), persistent=False)
        coefficients = 3 * _BLOCK**2
        self.slopes = nn.Parameter(torch.randn(coefficients, 1, thresholds))
        self.offsets = nn.Parameter(torch.randn(coefficients, 1, thresholds))
        self.reading = _reading(coefficients * thresholds, hidden, 64)

    def forward(self, images: Tensor) -> Tensor:
        """Level of each image, N, scaled to about 0..1, of images on 0..1 with sides of 16 and up.

        Always in full precision, as the level stands in the last bits of the pixels.
        """
        with torch.autocast(images.device.type, enabled=False):
            pixels = images * 255 - 128
            planes = torch.einsum("dc,nchw->ndhw", self.colours, pixels)
            halved = avg_pool2d(planes[:, 1:], 2)
            parts = [self._histogram(planes[:, :1], 0), self._histogram(halved, 1)]
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


def _cosines(side: int) -> Tensor:
    """The orthonormal two-dimensional cosines, side**2 x 1 x side x side; the first is constant."""
    waves = torch.from_numpy(dct(np.eye(side), norm="ortho", axis=0)).float()
    return torch.einsum("ai,bj->abij", waves, waves).reshape(-1, 1, side, side)


def _reading(inputs: int, hidden: int, narrow: int) -> nn.Sequential:
    """Three linear layers from statistics of an image to its level."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, narrow),
        nn.ReLU(),
        nn.Linear(narrow, 1),
    )
