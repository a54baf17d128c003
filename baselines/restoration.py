"""Restoration, then classification: what every restorer shares."""

import torch
from torch import Tensor

import robobench
from robobench.types import Context


class RestoreThenClassify(robobench.Method):
    """Cleans an image up and hands it to the backbone, which knows nothing of it.

    Subclass it and write `restore`.
    """

    _last: tuple[Tensor, Tensor] | None = None

    def restore(self, images: Tensor) -> Tensor:
        """Clean images up.

        Args:
            images: uint8, N x 3 x H x W.

        Returns:
            uint8, the same shape, on the same device.
        """
        raise NotImplementedError(f"{type(self).__name__} has no restore")

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """The backbone's probabilities for the restored images."""
        restored = self.restore(images)
        self._last = (images, restored)
        return self.backbone(restored)

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """``psnr``, dB on 0..255 over all channels; 100 where nothing differs."""
        if self._last is not None and self._last[0] is images:
            restored = self._last[1]
        else:
            restored = self.restore(images)
        return {"psnr": psnr(restored, clean)}


def psnr(images: Tensor, clean: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each uint8 image in dB, float32 N; 100 at most."""
    error = (images.float() - clean.float()).square().mean((1, 2, 3))
    return (10 * torch.log10(255.0**2 / error)).clamp(max=100.0)
