"""`afd`: adaptive feature de-drifting (Peng et al., IEEE TMM 2024).

One network estimates from the image's DCT how strongly the features drift (FDE-Net), a small U-Net
computes the correction (FE-Net), and the first gates the second. The U-Net's convolutions have
three branches in training, which are merged into a single 3 x 3 convolution for inference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad

import robobench
from robobench.methods.feature_repair import FeatureRepair

_BLOCK = 8
_LEAST_WIDTH = 8


class RepConv(nn.Module):
    """Three linear branches in training, one 3 x 3 convolution in inference.

    The branches are 1 x 1 then 3 x 3, 3 x 3 then 1 x 1, and 1 x 1. The input is zero-padded
    before the first 1 x 1, so the merged convolution agrees at the border as well.

    Args:
        inputs: Number of input channels.
        outputs: Number of output channels.
        merged: Whether to build only the merged convolution.
    """

    def __init__(self, inputs: int, outputs: int, *, merged: bool = False) -> None:
        super().__init__()
        self.merged = nn.Conv2d(inputs, outputs, 3, padding=1) if merged else None
        if not merged:
            self.point_first = nn.Conv2d(inputs, outputs, 1)
            self.then_square = nn.Conv2d(outputs, outputs, 3)
            self.square_first = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.then_point = nn.Conv2d(outputs, outputs, 1)
            self.point = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """N x inputs x h x w to N x outputs x h x w."""
        if self.merged is not None:
            result: Tensor = self.merged(features)
            return result
        # The branches are linear: one convolution with their sum gives the same, gradients
        # included, several times as fast.
        kernel, bias = self._sum(torch.float32)
        return conv2d(features, kernel, bias, padding=1)

    def merge(self) -> RepConv:
        """The equivalent single convolution."""
        if self.merged is not None:
            return self
        with torch.no_grad():
            kernel, bias = self._sum(torch.float64)  # so that merging rounds only once
        result = RepConv(self.point.in_channels, self.point.out_channels, merged=True)
        result.load_state_dict({"merged.weight": kernel.float(), "merged.bias": bias.float()})
        return result

    def _sum(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Kernel and bias of the single convolution that equals the three branches."""

        def numbers(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
            assert convolution.bias is not None
            return convolution.weight.to(dtype), convolution.bias.to(dtype)

        with torch.autocast(self.point.weight.device.type, enabled=False):
            first, first_bias = numbers(self.point_first)
            square, square_bias = numbers(self.then_square)
            early, early_bias = numbers(self.square_first)
            last, last_bias = numbers(self.then_point)
            point, point_bias = numbers(self.point)
            kernel = torch.einsum("omyx,mi->oiyx", square, first[:, :, 0, 0])
            kernel = kernel + torch.einsum("om,miyx->oiyx", last[:, :, 0, 0], early)
            kernel = kernel + pad(point, (1, 1, 1, 1))
            bias = square_bias + torch.einsum("omyx,m->o", square, first_bias)
            bias = bias + last[:, :, 0, 0] @ early_bias + last_bias + point_bias
        return kernel, bias


class FeatureEnhancer(nn.Module):
    """FE-Net: a two-level U-Net of `RepConv` blocks, which share one PReLU.

    Args:
        channels: Number of feature channels.
        width: Number of channels of the first block; 16 for 64 channels in the paper.
        merged: Whether the blocks are merged.
    """

    def __init__(self, channels: int, width: int, *, merged: bool = False) -> None:
        super().__init__()
        sizes = [
            (channels, width),
            (width, 2 * width),
            (2 * width, 4 * width),
            (4 * width, 2 * width),
            (4 * width, width),
            (2 * width, channels),
        ]
        self.blocks = nn.ModuleList(RepConv(i, o, merged=merged) for i, o in sizes)
        self.activation = nn.PReLU()
        self._silence(self.blocks[-1])

    @staticmethod
    def _silence(block: nn.Module) -> None:
        """Make a block output zero, so that training starts with the features unchanged."""
        for name, parameter in block.named_parameters():
            if name.startswith(("then_", "point.", "merged.")):
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """The correction, of the same shape; sides may be odd, 4 pixels or more."""
        enter, down, bottom, up, last, leave = self.blocks
        whole = self.activation(enter(features))
        half = max_pool2d(self.activation(down(whole)), 2)
        quarter = max_pool2d(self.activation(bottom(half)), 2)
        grown = interpolate(self.activation(up(quarter)), half.shape[2:], mode="bilinear")
        grown = self.activation(last(torch.cat([grown, half], dim=1)))
        grown = interpolate(grown, whole.shape[2:], mode="bilinear")
        correction: Tensor = leave(torch.cat([grown, whole], dim=1))
        return correction


class DriftEstimator(nn.Module):
    """FDE-Net: from the 8 x 8 DCT of the decoded image's Y, Cb and Cr to a gate per channel.

    Args:
        channels: Number of feature channels.
        spatial: Whether to use one gate per position, as in the paper, or one for the whole image,
            as in the released code.
    """

    dct: Tensor
    colours: Tensor
    offset: Tensor

    def __init__(self, channels: int, *, spatial: bool = True) -> None:
        super().__init__()
        self.spatial = spatial
        self.before = nn.Sequential(
            nn.Conv2d(3 * _BLOCK**2, 128, 1), nn.ReLU(), nn.Conv2d(128, 64, 1), nn.ReLU()
        )
        self.gate = nn.Conv2d(64, channels, 1)
        self.register_buffer("dct", dct_filters(), persistent=False)
        self.register_buffer("colours", torch.tensor(_YCBCR)[:, :, None, None], persistent=False)
        self.register_buffer("offset", torch.tensor([0.0, 0.5, 0.5]), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Gates on 0..1, N x channels x H/8 x W/8 (1 x 1 if not spatial), for images on 0..1."""
        height, width = images.shape[2:]
        images = pad(images, (0, -width % _BLOCK, 0, -height % _BLOCK), mode="replicate")
        colours = conv2d(images, self.colours, self.offset)
        count, _, height, width = colours.shape
        planes = colours.reshape(count * 3, 1, height, width)
        coefficients = conv2d(planes, self.dct, stride=_BLOCK)
        drift: Tensor = self.before(
            coefficients.reshape(count, 3 * _BLOCK**2, height // _BLOCK, width // _BLOCK)
        )
        if not self.spatial:
            drift = drift.mean((2, 3), keepdim=True)
        gate: Tensor = self.gate(drift)
        return gate.sigmoid()


class AdaptiveDeDrifting(nn.Module):
    """AFD: ``relu(correction * gate + features)``; untrained it changes nothing.

    For 64 channels and width 16: 78,561 + 37,120 parameters in inference (204,385 + 37,120 in
    training), in addition to 4,096 fixed ones of the DCT.

    Args:
        channels: Number of feature channels.
        width: See `FeatureEnhancer`.
        spatial: See `DriftEstimator`.
        rectified: Whether there is a final ReLU, as in the paper, where the features follow one.
        merged: See `FeatureEnhancer`.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        spatial: bool = True,
        rectified: bool = True,
        merged: bool = False,
    ) -> None:
        super().__init__()
        self.rectified = rectified
        self.enhancer = FeatureEnhancer(channels, width, merged=merged)
        self.estimator = DriftEstimator(channels, spatial=spatial)

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Repaired features, non-negative if rectified.

        Args:
            features: N x C x h x w.
            images: N x 3 x H x W on 0..1.
        """
        gate = self.estimator(images)
        if self.estimator.spatial:
            gate = interpolate(gate, features.shape[2:], mode="bilinear")
        correction: Tensor = self.enhancer(features) * gate
        repaired = correction + features
        return repaired.relu() if self.rectified else repaired

    def merge(self) -> AdaptiveDeDrifting:
        """The same module with merged blocks; everything else is shared."""
        first = self.enhancer.blocks[0]
        assert isinstance(first, RepConv)
        channels, width = first.point.in_channels, first.point.out_channels
        result = AdaptiveDeDrifting(
            channels,
            width,
            spatial=self.estimator.spatial,
            rectified=self.rectified,
            merged=True,
        )
        for index, block in enumerate(self.enhancer.blocks):
            assert isinstance(block, RepConv)
            result.enhancer.blocks[index] = block.merge()
        result.enhancer.activation = self.enhancer.activation
        result.estimator = self.estimator
        return result


# Rows: Y, Cb, Cr as JPEG defines them (ITU-T T.871).
_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


def dct_filters() -> Tensor:
    """The 64 orthonormal 8 x 8 cosine patterns in zig-zag order, 64 x 1 x 8 x 8."""
    place = torch.arange(_BLOCK, dtype=torch.float64)
    rows = torch.cos((2 * place[None] + 1) * place[:, None] * math.pi / (2 * _BLOCK)) / 2
    rows[0] /= math.sqrt(2)
    order = sorted(
        ((v, u) for v in range(_BLOCK) for u in range(_BLOCK)),
        key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]),
    )
    return torch.stack([torch.outer(rows[v], rows[u]) for v, u in order])[:, None].float()


@robobench.method("afd", trainings=("common",), worth=12)
class Afd(FeatureRepair):
    """A gated U-Net after the stem that adapts to the drift seen in the DCT (Peng et al. 2024)."""

    @classmethod
    def settings(cls, channels: int, *, rectified: bool) -> dict[str, Any]:
        """Width 16 for 64 channels, and in proportion."""
        width = max(_LEAST_WIDTH, channels // 4)
        return {"channels": channels, "width": width, "spatial": True, "rectified": rectified}

    @classmethod
    def build(cls, settings: Mapping[str, Any], *, training: bool = False) -> nn.Module:
        """See `AdaptiveDeDrifting`; merged unless for training."""
        return AdaptiveDeDrifting(
            settings["channels"],
            settings["width"],
            spatial=settings["spatial"],
            rectified=settings.get("rectified", True),
            merged=not training,
        )

    @classmethod
    def deploy(cls, module: nn.Module) -> nn.Module:
        """Merge the blocks."""
        assert isinstance(module, AdaptiveDeDrifting)
        return module.merge()
