"""`bilateral`: a bilateral filter, then the classifier (Tomasi and Manduchi, ICCV 1998)."""

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

import robobench
from robobench.baselines.restoration import RestoreThenClassify

# Chosen on validation images of CIFAR-10 under JPEG of quality 1 to 20. Stronger filters restore
# more at the lowest qualities and lose it again on images that are hardly degraded.
DIAMETER: Final = 5
SIGMA_COLOUR: Final = 30.0  # of 255
SIGMA_SPACE: Final = 2.0  # pixels


@robobench.method("bilateral")
class Bilateral(RestoreThenClassify):
    """A bilateral filter of 5 x 5 pixels, then the classifier: needs no training."""

    def restore(self, images: Tensor) -> Tensor:
        """OpenCV's bilateral filter, which weighs neighbours by place and by colour."""
        pixels = images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        filtered = np.stack(
            [cv2.bilateralFilter(image, DIAMETER, SIGMA_COLOUR, SIGMA_SPACE) for image in pixels]
        )
        return torch.from_numpy(filtered).permute(0, 3, 1, 2).to(images.device)
