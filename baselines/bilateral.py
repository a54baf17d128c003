"""`bilateral`: a bilateral filter, then the classifier (Tomasi and Manduchi, ICCV 1998)."""

import math
from typing import Final

import numpy as np
from torch import Tensor

import robobench
from robobench.baselines.restoration import RestoreThenClassify
from robobench.corruptions.compiled import Array, compiled, piece, run

# Chosen on CIFAR-10 validation images at JPEG qualities 1 to 20. Stronger filters restore more at
# the lowest qualities, but lose as much on images that are hardly degraded.
RADIUS: Final = 2  # pixels
SIGMA_COLOUR: Final = 30.0  # on 0..255
SIGMA_SPACE: Final = 2.0  # pixels


@robobench.method("bilateral", version=2)  # 1 was OpenCV's, a level away now and then
class Bilateral(RestoreThenClassify):
    """A bilateral filter over 13 neighbouring pixels, then the classifier; no training needed."""

    def restore(self, images: Tensor) -> Tensor:
        """Weight neighbours by distance and by colour, as OpenCV's `bilateralFilter` does."""
        return run(_bilateral_kernel, images.cpu(), *_weights()).to(images.device)


def _weights() -> tuple[Array, Array, Array]:
    """Neighbours within the radius, their weights, and the weight of each difference in colour."""
    reach = range(-RADIUS, RADIUS + 1)
    inside = [(y, x) for y in reach for x in reach if math.hypot(y, x) <= RADIUS]
    near = np.array(inside)
    space = np.exp(-(near**2).sum(1) / (2 * SIGMA_SPACE**2))
    colour = np.exp(-(np.arange(3 * 255 + 1) ** 2) / (2 * SIGMA_COLOUR**2))
    return near, space.astype(np.float32), colour.astype(np.float32)


@piece
def _mirrored(place: int, side: int) -> int:
    """A place within the side, mirrored without repeating the edge."""
    while place < 0 or place >= side:
        place = -place if place < 0 else 2 * side - 2 - place
        if side == 1:
            return 0
    return place


@compiled
def _bilateral_kernel(
    images: Array, out: Array, near: Array, space: Array, colour: Array, first: int, last: int
) -> None:
    height, width = images.shape[2], images.shape[3]
    padded = np.empty((3, height + 2 * RADIUS, width + 2 * RADIUS), np.int32)
    weights = np.empty(width, np.float32)
    sums = np.empty((4, width), np.float32)  # weighted channels, and the weights
    for i in range(first, last):
        for c in range(3):
            for y in range(height + 2 * RADIUS):
                source = images[i, c, _mirrored(y - RADIUS, height)]
                for x in range(width + 2 * RADIUS):
                    padded[c, y, x] = source[_mirrored(x - RADIUS, width)]
        for y in range(height):
            sums[:] = 0
            own = padded[:, y + RADIUS, RADIUS:]
            for k in range(len(near)):
                other = padded[:, y + RADIUS + near[k, 0], RADIUS + near[k, 1] :]
                for x in range(width):
                    unlike = np.int32(0)
                    for c in range(3):
                        unlike += abs(other[c, x] - own[c, x])
                    weights[x] = space[k] * colour[np.uint32(unlike)]
                for c in range(3):
                    for x in range(width):
                        sums[c, x] += weights[x] * np.float32(other[c, x])
                for x in range(width):
                    sums[3, x] += weights[x]
            for c in range(3):
                for x in range(width):
                    out[i, c, y, x] = np.uint8(np.int32(np.rint(sums[c, x] / sums[3, x])))
