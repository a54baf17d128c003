"""Reflections of water drops: OpenCV's steps in compiled code and as tensor operations.

Each function reproduces OpenCV's, to the bit: Canny's edges (Canny 1986; Sobel 3 x 3, absolute sums,
hysteresis over eight neighbours), the 5 x 5 chamfer distance (Borgefors 1986; its weights 1, 1.4
and 2.1969), equalised histograms, and small filters.
"""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from robobench.corruptions.compiled import Array, compiled, piece

_LOW, _HIGH = 50, 150
_FAR = 20  # distances are capped at this, in pixels
_TAN = 13573  # the tangent of 22.5 degrees in 15 bits, as in OpenCV
_ONE, _DIAGONAL, _KNIGHT = np.float32(1), np.float32(1.4), np.float32(2.1969)
_STEPS = {
    (0, 1): _ONE, (1, 0): _ONE, (1, 1): _DIAGONAL, (1, -1): _DIAGONAL,
    (1, 2): _KNIGHT, (1, -2): _KNIGHT, (2, 1): _KNIGHT, (2, -1): _KNIGHT,
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
    # Which neighbours lie across the edge.
    flat = right.abs() * _TAN
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
            cost = scale * float(weight)
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


@compiled
def shine_kernel(
    images: Array, out: Array, layers: Array, mix: float, first: int, last: int
) -> None:
    """Turn each height of the water in `layers` into how much light it adds: `mix` at the most."""
    height, width = layers.shape[1], layers.shape[2]
    # Numbers about each pixel, with a frame for those beyond the edge.
    framed = np.empty((height + 2, width + 2), np.int32)
    edges = np.empty((height + 2, width + 2), np.uint8)
    near = np.empty((height, width), np.int32)
    for i in range(first, last):
        layer = layers[i]
        for y in range(height):
            for x in range(width):
                framed[y + 1, x + 1] = _liquid(layer[y, x])
        _canny(framed, edges)
        _chamfer(edges, near)
        _equalize(near)
        _frame(near, framed)
        for y in range(height):
            above, row, below = framed[y], framed[y + 1], framed[y + 2]
            for x in range(width):
                light = row[x + 1] + row[x + 2] - row[x] + below[x + 1] - above[x + 1]
                light += np.int32(2) * (below[x + 2] - above[x])
                near[y, x] = min(max(light, np.int32(0)), np.int32(255))
        _frame(near, framed)
        most = np.float32(1)
        for y in range(height):
            above, row, below = framed[y], framed[y + 1], framed[y + 2]
            for x in range(width):
                total = above[x] + above[x + 1] + above[x + 2] + row[x] + row[x + 1] + row[x + 2]
                total += below[x] + below[x + 1] + below[x + 2]
                mean = (np.uint32(2) * np.uint32(total) + np.uint32(9)) // np.uint32(18)
                layer[y, x] = np.float32(np.int32(mean) * _liquid(layer[y, x]))
                most = max(most, layer[y, x])
        scale = np.float32(mix) / most
        for y in range(height):
            for x in range(width):
                layer[y, x] *= scale


@piece
def _liquid(height: float) -> np.int32:
    """The height as a grey level; above 255 it begins at 0 again, as published."""
    return np.int32(height * np.float32(255)) & np.int32(255)


@piece
def _frame(image: Array, framed: Array) -> None:
    """Copy the image into a frame of its own values, mirrored without repeating the edge."""
    height, width = image.shape
    framed[1:-1, 1:-1] = image
    framed[1:-1, 0], framed[1:-1, -1] = image[:, min(1, width - 1)], image[:, max(width - 2, 0)]
    framed[0], framed[-1] = framed[1 + min(1, height - 1)], framed[1 + max(height - 2, 0)]


@piece
def _canny(framed: Array, edges: Array) -> None:
    """Find the edges of an image within a frame: 2 on edges, less elsewhere."""
    height, width = framed.shape[0] - 2, framed.shape[1] - 2
    framed[1:-1, 0], framed[1:-1, -1] = framed[1:-1, 1], framed[1:-1, -2]
    framed[0], framed[-1] = framed[1], framed[-2]
    right = np.empty((height, width), np.int32)
    down = np.empty((height, width), np.int32)
    size = np.zeros((height + 2, width + 2), np.int32)
    for y in range(height):
        above, row, below, sizes = framed[y], framed[y + 1], framed[y + 2], size[y + 1]
        for x in range(width):
            falling, rising = below[x + 2] - above[x], above[x + 2] - below[x]
            right[y, x] = falling + rising + np.int32(2) * (row[x + 2] - row[x])
            down[y, x] = falling - rising + np.int32(2) * (below[x + 1] - above[x + 1])
            sizes[x + 1] = abs(right[y, x]) + abs(down[y, x])
    edges[:] = 0
    found = np.empty((height * width, 2), np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            here = size[y + 1, x + 1]
            if here <= _LOW:
                continue
            flat = np.int64(abs(right[y, x])) * _TAN
            steep = flat + (np.int64(abs(right[y, x])) << 16)
            tall = np.int64(abs(down[y, x])) << 15
            if tall < flat:
                ridge = here > size[y + 1, x] and here >= size[y + 1, x + 2]
            elif tall > steep:
                ridge = here > size[y, x + 1] and here >= size[y + 2, x + 1]
            elif (right[y, x] ^ down[y, x]) >= 0:
                ridge = here > size[y, x] and here > size[y + 2, x + 2]
            else:
                ridge = here > size[y, x + 2] and here > size[y + 2, x]
            if ridge and here > _HIGH:
                edges[y + 1, x + 1] = 2
                found[count] = y + 1, x + 1
                count += 1
            elif ridge:
                edges[y + 1, x + 1] = 1  # an edge if it touches one
    while count:  # strong edges grow along weak ones
        count -= 1
        y, x = found[count]
        for v in range(y - 1, y + 2):
            for u in range(x - 1, x + 2):
                if edges[v, u] == 1:
                    edges[v, u] = 2
                    found[count] = v, u
                    count += 1


@piece
def _chamfer(edges: Array, near: Array) -> None:
    """Distance to the nearest edge, at most 20, averaged over 3 x 3 and cut to whole pixels.

    Borgefors' two passes, forwards and then backwards, in single precision as OpenCV's.
    """
    height, width = near.shape
    far = np.full((height + 4, width + 4), np.float32(np.inf))
    for y in range(height):
        upper, above, row, marks = far[y], far[y + 1], far[y + 2], edges[y + 1]
        for x in range(width):
            best = min(above[x + 2] + _ONE, min(above[x + 1], above[x + 3]) + _DIAGONAL)
            knight = min(min(upper[x + 1], upper[x + 3]), min(above[x], above[x + 4]))
            best = min(best, knight + _KNIGHT)
            row[x + 2] = np.float32(0) if marks[x + 1] == 2 else best
        for x in range(width):
            row[x + 2] = min(row[x + 2], row[x + 1] + _ONE)
    for y in range(height - 1, -1, -1):
        row, below, lower = far[y + 2], far[y + 3], far[y + 4]
        for x in range(width):
            best = min(below[x + 2] + _ONE, min(below[x + 1], below[x + 3]) + _DIAGONAL)
            knight = min(min(lower[x + 1], lower[x + 3]), min(below[x], below[x + 4]))
            row[x + 2] = min(row[x + 2], min(best, knight + _KNIGHT))
        for x in range(width - 1, -1, -1):
            row[x + 2] = min(row[x + 2], row[x + 3] + _ONE)
    capped = np.empty((height + 2, width + 2), np.float32)
    _frame(np.minimum(far[2:-2, 2:-2], np.float32(_FAR)), capped)
    for y in range(height):
        above, row, below = capped[y], capped[y + 1], capped[y + 2]
        for x in range(width):
            total = 0.0
            for u in range(3):
                total += (
                    np.float64(above[x + u]) + np.float64(row[x + u]) + np.float64(below[x + u])
                )
            near[y, x] = np.int32(np.float32(total * (1 / 9)))


@piece
def _equalize(near: Array) -> None:
    """Equalise the histogram in place."""
    counts = np.zeros(256, np.int64)
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            counts[near[y, x]] += 1
    lowest = 0
    while counts[lowest] == 0:
        lowest += 1
    if counts[lowest] == near.size:
        return
    table = np.zeros(256, np.int32)
    scale = np.float32(255) / np.float32(near.size - counts[lowest])
    total = np.int64(0)
    for value in range(lowest + 1, 256):
        total += counts[value]
        table[value] = np.int32(np.rint(np.float32(total) * scale))
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            near[y, x] = table[near[y, x]]
