"""Reflections of water drops: OpenCV's steps as tensor operations, for devices it cannot use.

Each function reproduces OpenCV's: Canny's edges (Canny 1986; Sobel 3 x 3, absolute sums,
hysteresis over eight neighbours), the 5 x 5 chamfer distance (Borgefors 1986; its weights 1, 1.4
and 2.1969), equalised histograms, and small filters.
"""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_LOW, _HIGH = 50, 150
_FAR = 20  # distances are capped at this, in pixels
_STEPS = {
    (0, 1): 1.0, (1, 0): 1.0, (1, 1): 1.4, (1, -1): 1.4,
    (1, 2): 2.1969, (1, -2): 2.1969, (2, 1): 2.1969, (2, -1): 2.1969,
}  # fmt: skip
_RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))


def glint(liquid: Tensor) -> Tensor:
    """How strongly each pixel reflects.

    Args:
        liquid: The height of the water, uint8 N x H x W.

    Returns:
        float32 N x H x W, whole numbers 0..255.
    """
    near = _mean(_distance(_edges(liquid)))
    embossed = _filtered(_equalized(near.to(torch.int64)).to(torch.float32)).clamp(0, 255)
    total = _box(embossed.double())
    return torch.floor((2 * total + 9) / 18).to(torch.float32)


def _shifted(x: Tensor, down: int, right: int, fill: float) -> Tensor:
    """The values `down` rows below and `right` columns to the right; `fill` beyond the edge."""
    height, width = x.shape[-2:]
    reach = max(abs(down), abs(right))
    padded = F.pad(x, (reach,) * 4, value=fill)
    return padded[..., reach + down :, reach + right :][..., :height, :width]


def _edges(liquid: Tensor) -> Tensor:
    x = F.pad(liquid.to(torch.float32)[:, None], (1, 1, 1, 1), "replicate")
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=x.device)
    slope = F.conv2d(x, torch.stack([sobel, sobel.T])[:, None]).to(torch.int64)
    right, down = slope[:, 0], slope[:, 1]
    size = right.abs() + down.abs()
    # Which neighbours lie across the edge: tan 22.5 degrees in 15 bits, as in OpenCV.
    flat = right.abs() * 13573
    steep = flat + (right.abs() << 16)
    height = down.abs() << 15
    level, upright = height < flat, height > steep

    def beside(y: int, x: int) -> Tensor:
        return _shifted(size, y, x, 0)

    same = (right ^ down) >= 0
    ridge = torch.where(same, (size > beside(-1, -1)) & (size > beside(1, 1)),
                        (size > beside(-1, 1)) & (size > beside(1, -1)))  # fmt: skip
    ridge = torch.where(upright, (size > beside(-1, 0)) & (size >= beside(1, 0)), ridge)
    ridge = torch.where(level, (size > beside(0, -1)) & (size >= beside(0, 1)), ridge)
    weak = (ridge & (size > _LOW)).to(torch.float32)[:, None]
    edge = weak * (size > _HIGH)[:, None]
    while True:  # strong edges grow along weak ones
        grown = edge
        for _ in range(8):
            grown = F.max_pool2d(grown, 3, 1, 1) * weak
        if torch.equal(grown, edge):
            return edge[:, 0] > 0
        edge = grown


def _distance(edges: Tensor) -> Tensor:
    """Distance to the nearest edge, at most 20: float64.

    A path consists of a number of steps of one kind and a number of another; by powers of two, two
    rounds of each find the shortest.
    """
    far = torch.where(edges, 0.0, torch.inf).to(torch.float64)
    for scale, _ in itertools.product((16, 8, 4, 2, 1), range(2)):
        best = far
        for (y, x), weight in _STEPS.items():
            cost = scale * float(np.float32(weight))
            best = torch.minimum(best, _shifted(far, scale * y, scale * x, torch.inf) + cost)
            best = torch.minimum(best, _shifted(far, -scale * y, -scale * x, torch.inf) + cost)
        far = best
    return far.clamp(max=_FAR)


def _box(x: Tensor) -> Tensor:
    """Sums over 3 x 3 windows, edges mirrored: float64 N x H x W."""
    ones = torch.ones((1, 1, 3, 3), dtype=x.dtype, device=x.device)
    return F.conv2d(_mirrored(x), ones)[:, 0]


def _mean(x: Tensor) -> Tensor:
    return (_box(x) * (1 / 9)).to(torch.float32)


def _mirrored(x: Tensor) -> Tensor:
    """Pad by one row and column on each side, mirrored without repeating the edge."""
    height, width = x.shape[-2:]
    rows = torch.arange(-1, height + 1, device=x.device).abs()
    columns = torch.arange(-1, width + 1, device=x.device).abs()
    rows = torch.where(rows < height, rows, 2 * height - 2 - rows).clamp(min=0)
    columns = torch.where(columns < width, columns, 2 * width - 2 - columns).clamp(min=0)
    return x[:, rows][:, :, columns][:, None]


def _filtered(x: Tensor) -> Tensor:
    kernel = torch.tensor(_RELIEF, dtype=x.dtype, device=x.device)
    return F.conv2d(_mirrored(x), kernel[None, None])[:, 0]


def _equalized(near: Tensor) -> Tensor:
    """Equalise each image's histogram: int64 N x H x W."""
    n, total = len(near), near[0].numel()
    flat = near.view(n, total)
    counts = torch.zeros((n, 256), dtype=torch.int64, device=near.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat))
    lowest = (counts > 0).to(torch.int8).argmax(1, keepdim=True)
    least = counts.gather(1, lowest)
    scale = 255 / (total - least).clamp(min=1).to(torch.float32)
    table = ((counts.cumsum(1) - least).clamp(min=0).to(torch.float32) * scale).round().long()
    table = torch.where(least == total, lowest, table.clamp(max=255))
    return table.gather(1, flat).view(near.shape)
