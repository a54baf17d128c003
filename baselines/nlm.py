"""`nlm`: non-local means, then the classifier (Buades, Coll and Morel, CVPR 2005)."""

from typing import Final

import numpy as np
import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor

import robobench
from robobench.baselines.restoration import RestoreThenClassify

# Chosen as for `bilateral`; patches and search window are as small as 32 x 32 images require.
PATCH: Final = 3  # side in pixels
DISTANCE: Final = 3  # to the furthest patch compared, in pixels
STRENGTH: Final = 7.0  # the paper's h, on 0..255


@robobench.method("nlm")
class NonLocalMeans(RestoreThenClassify):
    """Non-local means over 7 x 7 nearby patches, then the classifier; no training needed."""

    def restore(self, images: Tensor) -> Tensor:
        """scikit-image's non-local means over all channels jointly, with reflected borders."""
        pixels = images.permute(0, 2, 3, 1).contiguous().cpu().numpy().astype(np.float32)
        filtered = np.stack(
            [
                denoise_nl_means(
                    image,
                    patch_size=PATCH,
                    patch_distance=DISTANCE,
                    h=STRENGTH,
                    fast_mode=True,
                    channel_axis=-1,
                )
                for image in pixels
            ]
        )
        restored = torch.from_numpy(filtered).clamp(0, 255).round().to(torch.uint8)
        return restored.permute(0, 3, 1, 2).to(images.device)
