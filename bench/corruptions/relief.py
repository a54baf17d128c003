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
    liquid = np.empty((height, width), np.uint8)
    near = np.empty((height, width), np.uint8)
    for i in range(first, last):
        layer = layers[i]
        for y in range(height):
            for x in range(width):
                liquid[y, x] = np.uint8(np.int32(layer[y, x] * np.float32(255)))
        _chamfer(_canny(liquid), near)
        _equalize(near)
        _emboss(near)
        most = np.float32(1)
        for y in range(height):
            for x in range(width):
                total = np.int32(0)
                for v in range(-1, 2):
                    for u in range(-1, 2):
                        total += near[_inside(y + v, height), _inside(x + u, width)]
                light = np.float32((2 * total + 9) // 18) * np.float32(liquid[y, x])
                layer[y, x] = light
                most = max(most, light)
        scale = np.float32(mix) / most
        for y in range(height):
            for x in range(width):
                layer[y, x] *= scale


@piece
def _inside(place: int, side: int) -> int:
    """A place one beyond the edge, mirrored without repeating the edge."""
    if place < 0:
        return min(1, side - 1)
    return place if place < side else max(0, side - 2)


@piece
def _canny(liquid: Array) -> Array:
    """Edges: uint8 (H + 2) x (W + 2) with a border, 2 on edges, less elsewhere."""
    height, width = liquid.shape
    right = np.empty((height, width), np.int32)
    down = np.empty((height, width), np.int32)
    size = np.zeros((height + 2, width + 2), np.int32)
    for y in range(height):
        above, row, below = liquid[max(y - 1, 0)], liquid[y], liquid[min(y + 1, height - 1)]
        for x in range(width):
            before, after = max(x - 1, 0), min(x + 1, width - 1)
            corners = np.int32(below[after]) - np.int32(above[before])
            others = np.int32(above[after]) - np.int32(below[before])
            right[y, x] = corners + others + 2 * (np.int32(row[after]) - np.int32(row[before]))
            down[y, x] = corners - others + 2 * (np.int32(below[x]) - np.int32(above[x]))
            size[y + 1, x + 1] = abs(right[y, x]) + abs(down[y, x])
    edges = np.zeros((height + 2, width + 2), np.uint8)  # 1: an edge if it touches one
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
                edges[y + 1, x + 1] = 1
    while count:  # strong edges grow along weak ones
        count -= 1
        y, x = found[count]
        for v in range(y - 1, y + 2):
            for u in range(x - 1, x + 2):
                if edges[v, u] == 1:
                    edges[v, u] = 2
                    found[count] = v, u
                    count += 1
    return edges


@piece
def _chamfer(edges: Array, near: Array) -> None:
    """Distance to the nearest edge, at most 20, averaged over 3 x 3 and cut to whole pixels.

    Borgefors' two passes, forwards and then backwards, in single precision as OpenCV's.
    """
    height, width = near.shape
    far = np.full((height + 4, width + 4), np.float32(np.inf))
    for y in range(2, height + 2):
        for x in range(2, width + 2):
            if edges[y - 1, x - 1] == 2:
                far[y, x] = 0
                continue
            best = min(far[y, x - 1], far[y - 1, x]) + _ONE
            best = min(best, min(far[y - 1, x - 1], far[y - 1, x + 1]) + _DIAGONAL)
            knight = min(far[y - 2, x - 1], far[y - 2, x + 1])
            knight = min(knight, min(far[y - 1, x - 2], far[y - 1, x + 2]))
            far[y, x] = min(best, knight + _KNIGHT)
    for y in range(height + 1, 1, -1):
        for x in range(width + 1, 1, -1):
            best = min(far[y, x + 1], far[y + 1, x]) + _ONE
            best = min(best, min(far[y + 1, x - 1], far[y + 1, x + 1]) + _DIAGONAL)
            knight = min(far[y + 2, x - 1], far[y + 2, x + 1])
            knight = min(knight, min(far[y + 1, x - 2], far[y + 1, x + 2]))
            far[y, x] = min(far[y, x], min(best, knight + _KNIGHT))
    for y in range(height):
        for x in range(width):
            total = 0.0
            for v in range(-1, 2):
                for u in range(-1, 2):
                    place = far[_inside(y + v, height) + 2, _inside(x + u, width) + 2]
                    total += np.float64(min(place, np.float32(_FAR)))
            mean = np.float32(total * (1 / 9))
            near[y, x] = np.uint8(np.int32(mean))


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
    table = np.zeros(256, np.uint8)
    scale = np.float32(255) / np.float32(near.size - counts[lowest])
    total = np.int64(0)
    for value in range(lowest + 1, 256):
        total += counts[value]
        table[value] = np.uint8(np.int32(np.rint(np.float32(total) * scale)))
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            near[y, x] = table[near[y, x]]


@piece
def _emboss(near: Array) -> None:
    """Light it from one corner, in place."""
    height, width = near.shape
    before, row = near[_inside(-1, height)].copy(), near[0].copy()
    for y in range(height):
        # The row above is overwritten already; the one below the last mirrors it.
        after = before if y == height - 1 and height > 1 else near[_inside(y + 1, height)].copy()
        for x in range(width):
            left, right = _inside(x - 1, width), _inside(x + 1, width)
            value = np.int32(row[x]) + np.int32(row[right]) - np.int32(row[left])
            value += np.int32(after[x]) - np.int32(before[x])
            value += 2 * (np.int32(after[right]) - np.int32(before[left]))
            near[y, x] = np.uint8(min(max(int(value), 0), 255))
        before, row = row, after
