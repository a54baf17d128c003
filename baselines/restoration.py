"""Restoration followed by classification: what all restorers share."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

import robobench
from robobench.backbones.backbone import Backbone
from robobench.baselines.image_quality import psnr, ssim
from robobench.types import Context, Weights

# For this many pixels, a network with 64 channels needs about 64 MiB per feature tensor.
_PIXELS_AT_ONCE: Final = 2**18


class RestoreThenClassify(robobench.Method):
    """Restores an image and passes it to a classifier.

    Subclasses implement `restore`.

    Attributes:
        classifier: Classifies the restored images: the backbone, which is not trained on restored
            images, unless a subclass sets another one.
    """

    _last: tuple[Tensor, Tensor] | None = None

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.classifier = backbone

    def restore(self, images: Tensor) -> Tensor:
        """Restore degraded images.

        Args:
            images: uint8, N x 3 x H x W.

        Returns:
            uint8, the same shape, on the same device.
        """
        raise NotImplementedError(f"{type(self).__name__} has no restore")

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """The classifier's probabilities for the restored images."""
        restored = self.restore(images)
        self._last = (images, restored)
        return self.classifier(restored)

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """``psnr`` (in dB, at most 100) and ``ssim`` (at most 1) of the restored images."""
        if self._last is not None and self._last[0] is images:
            restored = self._last[1]
        else:
            restored = self.restore(images)
        return {"psnr": psnr(restored, clean), "ssim": ssim(restored, clean)}


def to_floats(images: Tensor) -> Tensor:
    """uint8 images as float32 on 0..1."""
    return images.float() / 255


def to_bytes(images: Tensor) -> Tensor:
    """Images on 0..1 as uint8, clipped and rounded."""
    return (images.float().clamp(0, 1) * 255).round().to(torch.uint8)


def in_pieces(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply a function to images in chunks small enough to bound memory."""
    count = max(1, _PIXELS_AT_ONCE // (images.shape[2] * images.shape[3]))
    return torch.cat([function(piece) for piece in torch.split(images, count)])
