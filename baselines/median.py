"""`median`: a median filter, then the classifier."""

import cv2
import numpy as np
import torch
from torch import Tensor

import robobench
from robobench.baselines.restoration import RestoreThenClassify


@robobench.method("median")
class Median(RestoreThenClassify):
    """A 3 x 3 median filter on each channel, then the classifier; no training needed."""

    def restore(self, images: Tensor) -> Tensor:
        """OpenCV's median filter, which replicates border pixels."""
        pixels = images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        filtered = np.stack([cv2.medianBlur(image, 3) for image in pixels])
        return torch.from_numpy(filtered).permute(0, 3, 1, 2).to(images.device)
