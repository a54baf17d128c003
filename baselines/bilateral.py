"""`bilateral`: a bilateral filter, then the classifier (Tomasi and Manduchi, ICCV 1998)."""

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

import robobench
from robobench.baselines.restoration import RestoreThenClassify

# Chosen on CIFAR-10 validation images at JPEG qualities 1 to 20. Stronger filters restore more at
# the lowest qualities, but lose as much on images that are hardly degraded.
DIAMETER: Final = 5
SIGMA_COLOUR: Final = 30.0  # on 0..255
SIGMA_SPACE: Final = 2.0  # pixels


@robobench.method("bilateral")
class Bilateral(RestoreThenClassify):
    """A 5 x 5 bilateral filter, then the classifier; no training needed."""

    def restore(self, images: Tensor) -> Tensor:
        """OpenCV's bilateral filter, which weights neighbours by distance and by colour."""
        pixels = images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        filtered = np.stack(
            [cv2.bilateralFilter(image, DIAMETER, SIGMA_COLOUR, SIGMA_SPACE) for image in pixels]
        )
        return torch.from_numpy(filtered).permute(0, 3, 1, 2).to(images.device)
