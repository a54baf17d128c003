"""JPEG exactly as in libjpeg-turbo's encoder and decoder, without writing a file.

Entropy coding is lossless, so saving and loading are a chain of integer maps: colour conversion,
chroma halved both ways (4:2:0), the accurate integer DCT, quantisation, and back with "fancy"
chroma upsampling (ITU-T T.81; libjpeg's jccolor, jcsample, jfdctint, jidctint, jdsample, jdcolor).
The result is bit-identical to Pillow's.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from robobench.corruptions.compiled import Array, compiled, on_cpu, piece, run
from robobench.corruptions.dct import tables, transforms
from robobench.registry import corruption

_HALF = (128 << 16) + 32767  # offset of chroma, plus one half less one unit
_LANES = 32  # blocks processed together
_ROW = 8 * _LANES  # of their coefficients
_TABLES = tables()
_forward, _inverse = (piece(f) for f in transforms(np.int32))
_forward_tensor, _inverse_tensor = transforms(lambda x: x)


@piece
def _code(rows: Array, table: Array, block: Array) -> None:
    """Transform, quantise and restore 8 x 8 blocks in place.

    `rows` is uint8 8 x S, S a multiple of 8 x lanes: row r of all blocks, one block after the
    other. `block` is scratch, int32 64 x lanes: coefficient (r, k) of each block is at
    (8 r + k) lanes + n, a distance known to the compiler, so that every step is the same
    arithmetic on all lanes.
    """
    for first in range(0, rows.shape[1], _ROW):
        for r in range(8):
            pixels, line = rows[r, first : first + _ROW], block[r * _ROW : (r + 1) * _ROW]
            for n in range(_LANES):
                m = 8 * n
                c = (_less(pixels[m]), _less(pixels[m + 1]), _less(pixels[m + 2]),
                     _less(pixels[m + 3]), _less(pixels[m + 4]), _less(pixels[m + 5]),
                     _less(pixels[m + 6]), _less(pixels[m + 7]))  # fmt: skip
                _put(line, n, _LANES, _forward(c, 2, 11))
        for k in range(8):
            q0, q1, q2, q3 = table[0, k], table[1, k], table[2, k], table[3, k]
            q4, q5, q6, q7 = table[4, k], table[5, k], table[6, k], table[7, k]
            column = block[k * _LANES :]
            for n in range(_LANES):
                c = _forward(_get(column, n, _ROW), 0, 15)
                c = (_quantised(c[0], q0), _quantised(c[1], q1), _quantised(c[2], q2),
                     _quantised(c[3], q3), _quantised(c[4], q4), _quantised(c[5], q5),
                     _quantised(c[6], q6), _quantised(c[7], q7))  # fmt: skip
                _put(column, n, _ROW, _inverse(c, 11))
        for r in range(8):
            pixels, line = rows[r, first : first + _ROW], block[r * _ROW : (r + 1) * _ROW]
            for n in range(_LANES):
                c, m = _inverse(_get(line, n, _LANES), 18), 8 * n
                pixels[m], pixels[m + 1] = _more(c[0]), _more(c[1])
                pixels[m + 2], pixels[m + 3] = _more(c[2]), _more(c[3])
                pixels[m + 4], pixels[m + 5] = _more(c[4]), _more(c[5])
                pixels[m + 6], pixels[m + 7] = _more(c[6]), _more(c[7])


@piece
def _get(line: Array, n: int, step: int) -> Any:
    return (line[n], line[step + n], line[2 * step + n], line[3 * step + n],
            line[4 * step + n], line[5 * step + n], line[6 * step + n], line[7 * step + n])  # fmt: skip


@piece
def _put(line: Array, n: int, step: int, c: Any) -> None:
    line[n], line[step + n], line[2 * step + n], line[3 * step + n] = c[0], c[1], c[2], c[3]
    line[4 * step + n], line[5 * step + n] = c[4], c[5]
    line[6 * step + n], line[7 * step + n] = c[6], c[7]


@piece
def _less(pixel: Any) -> Any:
    return np.int32(np.int32(pixel) - np.int32(128))


@piece
def _more(sample: Any) -> Any:
    return _clip(np.int32(sample + np.int32(128)))


@piece
def _clip(x: Any) -> Any:
    return np.uint8(max(np.int32(0), min(np.int32(255), x)))


@piece
def _quantised(x: Any, q: Any) -> Any:
    """Round x / (8 q) to the nearest whole number and multiply by q again.

    The quotient of whole numbers below 2**22 is exact in single precision with half a unit added.
    """
    size = np.float32(abs(x)) + (np.float32(4) * np.float32(q) + np.float32(0.5))
    times = np.int32(size * (np.float32(0.125) / np.float32(q)))
    return np.int32(times * q) if x >= 0 else np.int32(-np.int32(times * q))


@compiled
def _round_trip(
    images: Array, out: Array, qualities: Array, all_tables: Array, first: int, last: int
) -> None:
    height, width = images.shape[2], images.shape[3]
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    wide, tall = (width + 15) // 16 * 16, (height + 7) // 8
    half_wide, half_tall = wide // 2, (half_height + 7) // 8
    # Row y of a plane is row y % 8 of its blocks; those of Cr follow those of Cb.
    luma = np.zeros((8, (tall * wide + _ROW - 1) // _ROW * _ROW), np.uint8)
    size = half_tall * half_wide
    chroma = np.zeros((8, (2 * size + _ROW - 1) // _ROW * _ROW), np.uint8)
    pair = np.empty((2, 2, wide), np.uint8)  # Cb or Cr, upper or lower row
    mixed = np.empty(half_width + 2, np.uint16)
    line = np.empty((2, wide), np.uint8)
    block = np.empty(64 * _LANES, np.int32)
    for i in range(first, last):
        for y in range(8 * tall):
            source = min(y, height - 1)
            red, green, blue = images[i, 0, source], images[i, 1, source], images[i, 2, source]
            row = luma[y % 8, y // 8 * wide :][:wide]
            for x in range(width):
                row[x] = np.uint8(_weighed(red[x], green[x], blue[x], 19595, 38470, 7471, 32768))
            row[width:] = row[width - 1]
        for y in range(8 * half_tall):
            for below in range(2):
                source = min(2 * min(y, half_height - 1) + below, height - 1)
                red, green, blue = images[i, 0, source], images[i, 1, source], images[i, 2, source]
                blues, reds = pair[0, below], pair[1, below]
                for x in range(width):
                    r, g, b = red[x], green[x], blue[x]
                    blues[x] = np.uint8(_weighed(r, g, b, -11059, -21709, 32768, _HALF))
                    reds[x] = np.uint8(_weighed(r, g, b, 32768, -27439, -5329, _HALF))
                blues[width:] = blues[width - 1]
                reds[width:] = reds[width - 1]
            for p in range(2):
                upper, lower = pair[p, 0], pair[p, 1]
                halved = chroma[y % 8, p * size + y // 8 * half_wide :][:half_wide]
                for x in range(half_wide):
                    total = np.int32(upper[2 * x]) + np.int32(upper[2 * x + 1])
                    total += np.int32(lower[2 * x]) + np.int32(lower[2 * x + 1])
                    halved[x] = np.uint8((total + 1 + (x & 1)) >> 2)
        _code(luma, all_tables[qualities[i], 0], block)
        _code(chroma, all_tables[qualities[i], 1], block)
        for y in range(height):
            near = y // 2
            far = min(max(near + (1 if y & 1 else -1), 0), half_height - 1)
            for p in range(2):
                nearer = chroma[near % 8, p * size + near // 8 * half_wide :][:half_width]
                farther = chroma[far % 8, p * size + far // 8 * half_wide :][:half_width]
                if half_width > 2:
                    _upsample(nearer, farther, mixed, line[p])
                else:
                    _repeat(nearer, line[p])
            row, blues, reds = luma[y % 8, y // 8 * wide :], line[0], line[1]
            red, green, blue = out[i, 0, y], out[i, 1, y], out[i, 2, y]
            for x in range(width):
                v, b, r = np.int32(row[x]), _less(blues[x]), _less(reds[x])
                red[x] = _clip(np.int32(v + _weighed(r, 0, 0, 91881, 0, 0, 32768)))
                green[x] = _clip(np.int32(v + _weighed(r, 0, b, -46802, 0, -22554, 32768)))
                blue[x] = _clip(np.int32(v + _weighed(0, 0, b, 0, 0, 116130, 32768)))


@piece
def _weighed(r: Any, g: Any, b: Any, red: int, green: int, blue: int, plus: int) -> Any:
    """A weighted sum in 16-bit fixed point, all at 32 bits."""
    total = np.int32(np.int32(np.int32(r) * np.int32(red)) + np.int32(plus))
    total = np.int32(total + np.int32(np.int32(g) * np.int32(green)))
    total = np.int32(total + np.int32(np.int32(b) * np.int32(blue)))
    return np.int32(total >> np.int32(16))


@piece
def _upsample(near: Array, far: Array, mixed: Array, line: Array) -> None:
    """One row of chroma at full width."""
    half_width, three = near.size, np.uint16(3)
    for x in range(half_width):
        mixed[x + 1] = np.uint16(three * np.uint16(near[x]) + np.uint16(far[x]))
    mixed[0], mixed[half_width + 1] = mixed[1], mixed[half_width]
    for x in range(half_width):
        middle = np.uint16(three * mixed[x + 1])
        left, right = np.uint16(middle + mixed[x]), np.uint16(middle + mixed[x + 2])
        line[2 * x] = np.uint8(np.uint16(left + np.uint16(8)) >> np.uint16(4))
        line[2 * x + 1] = np.uint8(np.uint16(right + np.uint16(7)) >> np.uint16(4))


@piece
def _repeat(near: Array, line: Array) -> None:
    """One row of chroma at full width, for very narrow images."""
    for x in range(near.size):
        line[2 * x] = line[2 * x + 1] = near[x]


def round_trip(images: Tensor, qualities: Tensor) -> Tensor:
    """The images that Pillow returns after saving each at a quality and loading it.

    Args:
        images: uint8, N x 3 x H x W.
        qualities: Whole numbers from 1 to 100, N.

    Returns:
        uint8, the same shape, on the same device.
    """
    if not on_cpu(images):
        return round_trip_tensor(images, qualities)
    return run(_round_trip, images, qualities.to(torch.int64), _TABLES)


def round_trip_tensor(images: Tensor, qualities: Tensor) -> Tensor:
    """`round_trip` in tensor operations, on any device."""
    height, width = images.shape[2:]
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    x = images.to(torch.int32)
    x = _extend(x, height, (width + 15) // 16 * 16)
    r, g, b = x.unbind(1)
    luma = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
    cb = (-11059 * r - 21709 * g + 32768 * b + _HALF) >> 16
    cr = (32768 * r - 27439 * g - 5329 * b + _HALF) >> 16
    chroma = _extend(torch.stack([cb, cr], 1), 2 * half_height, x.shape[3])
    total = chroma[..., 0::2, :] + chroma[..., 1::2, :]
    bias = torch.arange(x.shape[3] // 2, device=x.device, dtype=torch.int32) % 2 + 1
    halved = (total[..., 0::2] + total[..., 1::2] + bias) >> 2
    quantisers = torch.from_numpy(_TABLES).to(images.device)[qualities.to(images.device).long()]
    luma = _code_tensor(
        _extend(luma[:, None], (height + 7) // 8 * 8, x.shape[3]), quantisers[:, :1]
    )
    halved = _extend(halved, (half_height + 7) // 8 * 8, x.shape[3] // 2)
    halved = _code_tensor(halved, quantisers[:, 1:])[..., :half_height, :half_width]
    chroma = _upsample_tensor(halved)[..., :height, :width] - 128
    luma, cb, cr = luma[:, 0, :height, :width], chroma[:, 0], chroma[:, 1]
    red = luma + ((91881 * cr + 32768) >> 16)
    green = luma + ((-22554 * cb - 46802 * cr + 32768) >> 16)
    blue = luma + ((116130 * cb + 32768) >> 16)
    return torch.stack([red, green, blue], 1).clamp_(0, 255).to(torch.uint8)


def _extend(x: Tensor, height: int, width: int) -> Tensor:
    """Repeat the last row and column up to a size."""
    right, down = width - x.shape[-1], height - x.shape[-2]
    if right:
        x = torch.cat([x, x[..., -1:].expand(*x.shape[:-1], right)], -1)
    if down:
        x = torch.cat([x, x[..., -1:, :].expand(*x.shape[:-2], down, x.shape[-1])], -2)
    return x


def _code_tensor(planes: Tensor, table: Tensor) -> Tensor:
    """Transform, quantise and restore blocks: int32 N x P x H x W, tables N x (1 or P) x 8 x 8."""
    n, p, height, width = planes.shape
    blocks = planes.view(n, p, height // 8, 8, width // 8, 8).transpose(3, 4) - 128
    x = torch.stack(_forward_tensor(blocks.unbind(-1), 2, 11), -1)
    x = torch.stack(_forward_tensor(x.unbind(-2), 0, 15), -2)
    q = table[:, :, None, None]
    x = torch.sign(x) * ((x.abs() + 4 * q) // (8 * q)) * q
    x = torch.stack(_inverse_tensor(x.unbind(-2), 11), -2)
    x = torch.stack(_inverse_tensor(x.unbind(-1), 18), -1)
    return (x + 128).clamp_(0, 255).transpose(3, 4).reshape(n, p, height, width)


def _upsample_tensor(x: Tensor) -> Tensor:
    if x.shape[-1] <= 2:
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)
    above = torch.cat([x[..., :1, :], x[..., :-1, :]], -2)
    below = torch.cat([x[..., 1:, :], x[..., -1:, :]], -2)
    rows = torch.stack([3 * x + above, 3 * x + below], -2).flatten(-3, -2)
    before = torch.cat([rows[..., :1], rows[..., :-1]], -1)
    after = torch.cat([rows[..., 1:], rows[..., -1:]], -1)
    return torch.stack([(3 * rows + before + 8) >> 4, (3 * rows + after + 7) >> 4], -1).flatten(-2)


@corruption(
    "jpeg_compression",
    aliases=("jpeg",),
    group="digital",
    random=False,
    per_image=True,
    native={"unit": "JPEG quality", "low": 1, "high": 100, "integer": True},
    severities={
        "imagenet-c": (25, 18, 15, 10, 7),
        "cifar-c": (80, 65, 58, 50, 40),
        "tiny-imagenet-c": (65, 58, 50, 40, 25),
        "inception-c": (23, 16, 13, 8, 5),
    },
)
def jpeg_compression(images: Tensor, level: float | Tensor, keys: Tensor) -> Tensor:
    """Saved as JPEG at a quality (4:2:0) and loaded again, bit-identical to Pillow."""
    qualities = torch.as_tensor(level).round().expand(len(images))
    return round_trip(images, qualities)
