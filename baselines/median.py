"""`median`: a median filter, then the classifier."""

import numpy as np
from torch import Tensor

import robobench
from robobench.baselines.restoration import RestoreThenClassify
from robobench.corruptions.compiled import Array, compiled, piece, run


@robobench.method("median")
class Median(RestoreThenClassify):
    """A 3 x 3 median filter on each channel, then the classifier; no training needed."""

    def restore(self, images: Tensor) -> Tensor:
        """The middle one of nine values; border pixels are replicated."""
        return run(_median_kernel, images.cpu()).to(images.device)


@piece
def _middle(a: int, b: int, c: int) -> int:
    return max(min(a, b), min(max(a, b), c))


@compiled
def _median_kernel(images: Array, out: Array, first: int, last: int) -> None:
    """Sort each column of three; of the lowest ones the highest, and so on, has the median."""
    height, width = images.shape[2], images.shape[3]
    low = np.empty(width + 2, np.uint8)
    middle, high = low.copy(), low.copy()
    for i in range(first, last):
        for c in range(3):
            for y in range(height):
                above, row = images[i, c, max(y - 1, 0)], images[i, c, y]
                below, target = images[i, c, min(y + 1, height - 1)], out[i, c, y]
                for x in range(width):
                    p, q, r = above[x], row[x], below[x]
                    low[x + 1] = min(min(p, q), r)
                    middle[x + 1] = _middle(p, q, r)
                    high[x + 1] = max(max(p, q), r)
                for line in (low, middle, high):
                    line[0], line[width + 1] = line[1], line[width]
                for x in range(width):
                    least = max(max(low[x], low[x + 1]), low[x + 2])
                    most = min(min(high[x], high[x + 1]), high[x + 2])
                    target[x] = _middle(
                        least, _middle(middle[x], middle[x + 1], middle[x + 2]), most
                    )
