"""Networks that estimate from an image how strongly it was degraded."""

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
# Of a plane's ranked local energies: the quantiles kept, and the lowest shares that are averaged.
_ORDERS: Final = (0.05, 0.15, 0.3, 0.5, 0.75)
_FLATTEST: Final = (0.1, 0.25, 0.5)
_STRONGEST: Final = 50  # sigma, on 0..255
# JFIF: luma and the two chroma differences.
_YCBCR: Final = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


class PixelwiseEstimator(nn.Module):
    """Seven dilated 3 x 3 convolutions, their output averaged over the image.

    The network of Uchida et al. (EI 2019) with 64 channels, as used by Endo et al.: 187,009
    parameters. For small images and small classifiers, fewer channels are enough.

    Args:
        width: Number of channels.
        dilations: Dilations of the convolutions.
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
        """Level per image, N, scaled to about 0..1, for images on 0..1.

        Always in full precision: the level shows in the last bits of the pixels.
        """
        with torch.autocast(images.device.type, enabled=False):
            levels: Tensor = self.layers(images).mean((1, 2, 3))
        return levels


class EnergyEstimator(nn.Module):
    """Noise level from the responses of small filters where the image is flattest.

    A lightweight stand-in for `PixelwiseEstimator`. Image detail masks noise, but not everywhere,
    and least in colour differences: so 3 x 3 cosine filters run over red, green and blue and over
    three orthonormal mixtures of them, and the lowest order statistics of each plane's local
    energies are kept (noise level from weakly textured patches: Liu et al. 2013), together with
    means and statistics of clipping. The filters are fixed; three trained linear layers map the 156
    statistics to the level. As the network need not learn what noise is, minutes of training get
    further than half an hour with learned convolutions.
    """

    mixtures: Tensor
    basis: Tensor

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        root2, root3, root6 = 2**0.5, 3**0.5, 6**0.5
        differences = [[1 / root2, -1 / root2, 0], [1 / root6, 1 / root6, -2 / root6]]
        mixtures = torch.cat([torch.eye(3), torch.tensor([*differences, [1 / root3] * 3])])
        self.register_buffer("mixtures", mixtures, persistent=False)
        self.register_buffer("basis", cosines(3)[1:], persistent=False)
        of_plane = 2 * len(self.basis) + len(_ORDERS) + len(_FLATTEST)
        self.count = len(mixtures) * of_plane + 4 * 3
        self.reading = reading(self.count, hidden, 128)

    def forward(self, images: Tensor) -> Tensor:
        """Level per image, N, scaled to about 0..1, for images on 0..1 of 5 x 5 pixels or more.

        Always in full precision: weak noise amounts to single grey levels.
        """
        with torch.autocast(images.device.type, enabled=False):
            levels: Tensor = self.reading(self.statistics(images))[:, 0]
        return levels

    def statistics(self, images: Tensor) -> Tensor:
        """Statistics N x 156; energies are in units of the strongest noise's standard deviation."""
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
    """Level from soft histograms of an image's 8 x 8 DCT coefficients.

    A lightweight stand-in for `PixelwiseEstimator`: the magnitude of every coefficient passes a few
    learned thresholds, the responses are averaged over the image's blocks (a soft histogram for
    each of the 192 coefficients, which exposes JPEG's rounding and the variance of noise), and
    three linear layers map them to the level. 0.2 million multiply-adds per block instead of 12.

    Args:
        thresholds: Number of learned thresholds per coefficient.
        hidden: Width of the first linear layer.
    """

    basis: Tensor
    colours: Tensor

    def __init__(self, thresholds: int = 8, hidden: int = 256) -> None:
        super().__init__()
        self.register_buffer("basis", cosines(_BLOCK), persistent=False)
        self.register_buffer("colours", torch.tensor(_YCBCR), persistent=False)
        coefficients = 3 * _BLOCK**2
        self.slopes = nn.Parameter(torch.randn(coefficients, 1, thresholds))
        self.offsets = nn.Parameter(torch.randn(coefficients, 1, thresholds))
        self.reading = reading(coefficients * thresholds, hidden, 64)

    def forward(self, images: Tensor) -> Tensor:
        """Level per image, N, scaled to about 0..1, for images on 0..1 of 16 x 16 pixels or more.

        Always in full precision: the level shows in the last bits of the pixels.
        """
        with torch.autocast(images.device.type, enabled=False):
            pixels = images * 255 - 128
            planes = torch.einsum("dc,nchw->ndhw", self.colours, pixels)
            halved = avg_pool2d(planes[:, 1:], 2)
            parts = [self._histogram(planes[:, :1], 0), self._histogram(halved, 1)]
            levels: Tensor = self.reading(torch.cat(parts, dim=1))[:, 0]
        return levels

    def _histogram(self, planes: Tensor, first: int) -> Tensor:
        """Soft histograms, N x (planes * 64 * thresholds); `first` is the first plane's index."""
        images, count, height, width = planes.shape
        own = slice(first * _BLOCK**2, (first + count) * _BLOCK**2)
        # Treat planes as separate images: all are transformed alike.
        blocks = conv2d(planes.reshape(-1, 1, height, width), self.basis, stride=_BLOCK)
        sizes = blocks.reshape(images, count * _BLOCK**2, -1, 1).abs().log1p()
        answers = relu(sizes * (4 * self.slopes[own]) + self.offsets[own])
        return answers.mean(2).flatten(1)


def cosines(side: int) -> Tensor:
    """The orthonormal 2-D cosine basis, side**2 x 1 x side x side; the first is constant."""
    waves = torch.from_numpy(dct(np.eye(side), norm="ortho", axis=0)).float()
    return torch.einsum("ai,bj->abij", waves, waves).reshape(-1, 1, side, side)


def reading(inputs: int, hidden: int, narrow: int, outputs: int = 1) -> nn.Sequential:
    """Three linear layers that map an image's statistics to its level, or to logits."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, narrow),
        nn.ReLU(),
        nn.Linear(narrow, outputs),
    )
