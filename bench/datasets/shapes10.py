"""`shapes10`: a data set of rendered scenes, generated from a seed and never downloaded.

Each image shows one object in front of clutter. Three cues reveal its class, as in photographs: an
outline (disc, ring, ...), a fine, faint texture that fills it (stripes, dots, ...) and a weak
bias towards some hue. A network trained on clean images relies on the texture, which JPEG and noise
weaken first; one trained on degraded images learns to use what is left. Backgrounds, distractors
and lighting give the images the spectrum of photographs, about one over the frequency.

Scenes are described in fractions of the image's side: 32 and 224 pixels show the same scene in
less or more detail.

The bytes are meant to be equal on every machine: only operations that IEEE 754 rounds exactly
(`+ - * /`, square root, comparison) touch a pixel, nothing is summed by a library that may
reorder, and cosines come from a rounded table.
"""

import hashlib
import math
import operator
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASS_NAMES", "SPLIT_SIZES", "digest", "render"]

Floats: TypeAlias = NDArray[np.float64]

CLASS_NAMES: Final[tuple[str, ...]] = (
    "disc",
    "ring",
    "square",
    "triangle",
    "cross",
    "star",
    "crescent",
    "bar",
    "hourglass",
    "heart",
)
SPLIT_SIZES: Final[dict[str, int]] = {"train": 20000, "validation": 2000, "test": 2000}

# Changing any number below changes every image: bump the version so that stored results cannot
# be mixed up.
_VERSION: Final = 1
_STREAMS: Final = {"train": 1, "validation": 2, "test": 3}

# Texture of each class, in the order of the names: pattern and cycles across the image's side.
# Outlines that look alike when blurred (disc and heart, square and cross) carry patterns that do
# not, so each cue helps where the other fails. No class is another's mirror image: flips are safe.
_FINE: Final = 12.0
_COARSE: Final = 8.0
_TEXTURES: Final[tuple[tuple[str, float], ...]] = (
    ("rows", _FINE),
    ("columns", _COARSE),
    ("dots", _FINE),
    ("rings", _COARSE),
    ("columns", _FINE),
    ("chequer", _COARSE),
    ("rings", _FINE),
    ("dots", _COARSE),
    ("rows", _COARSE),
    ("chequer", _FINE),
)
# Hue that objects of a class weakly tend to, in tenths of the colour circle: blobs (disc, square,
# heart) and spiky outlines (triangle, cross, star) are spread around it.
_HUES: Final = (5, 8, 2, 6, 3, 0, 1, 4, 7, 9)
_HUE_PULL: Final = 0.13
_HUE_SPREAD: Final = 0.20
_TEXTURE_AMPLITUDE: Final = (0.01, 0.08)
_OBJECT_CONTRAST: Final = (0.20, 0.44)
_OBJECT_RADIUS: Final = (0.28, 0.40)
_OCCLUDED: Final = 0.45

# Lattice points per side of each octave of noise; octaves finer than the pixels are left out.
_OCTAVES: Final = (2, 4, 8, 16, 32, 64, 128)
_NOISE_AMPLITUDE: Final = 0.14
_CHROMA_OCTAVES: Final = 3
_CHROMA_AMPLITUDE: Final = 0.10
_SENSOR_NOISE: Final = 0.05  # peak value, of the noisiest image
# Products, not powers: the rounding of powers differs between maths libraries.
_GAINS: Final = tuple(accumulate([0.82] * (len(_OCTAVES) - 1), operator.mul, initial=1.0))

_LEAVES: Final = 6  # distractor ellipses behind the object
_LEAF_NUMBERS: Final = 12
_SCENE_NUMBERS: Final = 32

_TURN: Final = 3600
_COSINES: Final[Floats] = np.array(
    [round(math.cos(2 * math.pi * k / _TURN), 9) for k in range(_TURN)]
)

# Two opponent colour axes, orange-blue and green-magenta, with next to no effect on luminance.
_COLOUR_AXES: Final = ((0.60, -0.15, -0.80), (-0.60, 0.40, -0.49))


def render(
    split: str, indices: NDArray[np.int64] | Sequence[int], size: int = 32
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Render images of a split.

    An image depends on `(split, index, size)` alone, not on the others asked for. Ten neighbours
    that start at a multiple of ten hold every class once.

    Args:
        split: A key of `SPLIT_SIZES`.
        indices: Which images; any number from zero up, even beyond the split's usual size.
        size: Pixels per side.

    Returns:
        Images, `uint8`, N x size x size x 3, and labels, `int64`.

    Raises:
        ValueError: Unknown split, negative index or size below 8.
    """
    if split not in _STREAMS:
        raise ValueError(f"unknown split {split!r}, expected one of {', '.join(SPLIT_SIZES)}")
    if size < 8:
        raise ValueError(f"size {size} is too small, expected at least 8 pixels")
    numbers = np.asarray(indices, dtype=np.int64).reshape(-1)
    if numbers.size and numbers.min() < 0:
        raise ValueError(f"index {numbers.min()} is negative")
    labels = _labels(split, numbers)
    images = np.empty((numbers.size, size, size, 3), dtype=np.uint8)
    chunk = max(1, 65536 // (size * size))  # keeps the working arrays in the CPU cache
    for start in range(0, numbers.size, chunk):
        part = slice(start, start + chunk)
        images[part] = _draw(split, numbers[part], labels[part], size)
    return images, labels


def digest(split: str, count: int, size: int = 32) -> str:
    """Fingerprint the first images of a split.

    Args:
        split: A key of `SPLIT_SIZES`.
        count: How many images.
        size: Pixels per side.

    Returns:
        SHA-256, in hexadecimal, of the images' bytes and then the labels', little-endian `int64`.
    """
    images, labels = render(split, np.arange(count), size)
    return hashlib.sha256(images.tobytes() + labels.astype("<i8").tobytes()).hexdigest()


def _stream(split: str, purpose: int, index: int) -> np.random.Generator:
    """Open the random stream of one image (purpose 0) or of ten labels (purpose 1)."""
    key = np.array([_VERSION * 256 + _STREAMS[split] * 16 + purpose, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _labels(split: str, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each block of ten images all ten classes, in a random order."""
    blocks, where = np.unique(indices // 10, return_inverse=True)
    draws = np.array([_stream(split, 1, block).random(10) for block in blocks]).reshape(-1, 10)
    orders = np.argsort(draws, axis=1, kind="stable")
    return orders[where.reshape(-1), indices % 10].astype(np.int64)


def _draw(
    split: str, indices: NDArray[np.int64], labels: NDArray[np.int64], size: int
) -> NDArray[np.uint8]:
    """Paint a handful of scenes: far background, leaves, object, occluder, fine grain, light."""
    octaves = [n for n in _OCTAVES if n <= size]
    leaf_numbers = (_LEAVES + 1) * _LEAF_NUMBERS
    counts = [_SCENE_NUMBERS, leaf_numbers]
    counts += [(n + 3) ** 2 for n in _OCTAVES[:_CHROMA_OCTAVES] for _ in range(2)]
    # Coarse octaves come first in the stream, so that they are the same in a larger image.
    counts += [(n + 3) ** 2 for n in octaves]
    counts += [size * size]
    draws = np.stack([_stream(split, 0, i).random(sum(counts)) for i in indices])
    scene, leaves, *lattices = np.split(draws, np.cumsum(counts)[:-1], axis=1)
    leaves = leaves.reshape(len(indices), _LEAVES + 1, _LEAF_NUMBERS)

    centres = (np.arange(size) + 0.5) / size
    y, x = centres[None, :, None], centres[None, None, :]
    planes = [0.30 + 0.40 * _column(scene, 0) + np.zeros((1, size, size))]
    planes += [0.24 * (_column(scene, k) - 0.5) + np.zeros((1, size, size)) for k in (1, 2)]
    for k, n in enumerate(_OCTAVES[:_CHROMA_OCTAVES]):
        for axis in (1, 2):
            planes[axis] += _CHROMA_AMPLITUDE * _GAINS[k] * _octave(lattices.pop(0), n, size)
    grain = [
        _NOISE_AMPLITUDE * _GAINS[k] * _octave(lattices[k], n, size) for k, n in enumerate(octaves)
    ]
    planes[0] += grain[0]
    planes[0] += grain[1]

    for k in range(_LEAVES):
        _paint_leaf(planes, leaves[:, k], x, y, size)
    _paint_object(planes, scene, labels, x, y, size)
    _paint_occluder(planes, scene, leaves[:, _LEAVES], x, y, size)
    for layer in grain[2:]:
        planes[0] += layer
    sensor = 2.0 * lattices[-1].reshape(-1, size, size) - 1.0
    planes[0] += _SENSOR_NOISE * _column(scene, 19) * sensor

    slope_x, slope_y = 0.5 * (_column(scene, 3) - 0.5), 0.5 * (_column(scene, 4) - 0.5)
    light = 1.0 + slope_x * (x - 0.5) + slope_y * (y - 0.5)
    image = np.empty((len(indices), size, size, 3))
    for channel in range(3):
        colour = planes[1] * _COLOUR_AXES[0][channel] + planes[2] * _COLOUR_AXES[1][channel]
        image[..., channel] = (planes[0] + colour) * light
    return np.floor(np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _column(numbers: Floats, k: int) -> Floats:
    """Take one number per image, shaped to broadcast with N x height x width."""
    return numbers[:, k, None, None]


def _between(numbers: Floats, k: int, limits: tuple[float, float]) -> Floats:
    """Scale a uniform number to a range."""
    return limits[0] + (limits[1] - limits[0]) * _column(numbers, k)


def _octave(lattice: Floats, n: int, size: int) -> Floats:
    """Upsample a lattice of random numbers to the image by cubic B-splines, contrast near 1."""
    values = (lattice.reshape(-1, n + 3, n + 3) - 0.5) * 6.0
    position = (np.arange(size) + 0.5) / size * n
    cell = np.minimum(np.floor(position), n - 1).astype(np.int64)
    t = position - cell
    weights = (
        (1 - t) * (1 - t) * (1 - t) / 6,
        (4 - 6 * t * t + 3 * t * t * t) / 6,
        (1 + 3 * t + 3 * t * t - 3 * t * t * t) / 6,
        t * t * t / 6,
    )
    rows = values[:, cell] * weights[0][:, None]
    for k in (1, 2, 3):
        rows += values[:, cell + k] * weights[k][:, None]
    noise = rows[:, :, cell] * weights[0]
    for k in (1, 2, 3):
        noise += rows[:, :, cell + k] * weights[k]
    return noise


def _direction(turns: Floats) -> tuple[Floats, Floats]:
    """Look up cosine and sine of an angle given in turns."""
    step = np.floor(turns * _TURN).astype(np.int64)
    return _COSINES[step % _TURN], _COSINES[(step - _TURN // 4) % _TURN]


def _wave(phase: Floats) -> Floats:
    """Oscillate between -1 and 1 with period 1: close to a cosine, but from exact operations."""
    t = np.abs(2.0 * (phase - np.floor(phase)) - 1.0)
    return 2.0 * (t * t * (3.0 - 2.0 * t)) - 1.0


def _blend(planes: list[Floats], alpha: Floats, paint: Sequence[Floats]) -> None:
    for plane, colour in zip(planes, paint, strict=True):
        plane += alpha * (colour - plane)


def _coverage(distance: Floats, size: int) -> Floats:
    """Convert a distance from an outline (negative inside) to the covered share of each pixel."""
    return np.clip(0.5 - distance * size, 0.0, 1.0)


def _ellipse(
    numbers: Floats, radius: Floats, cx: Floats, cy: Floats, x: Floats, y: Floats
) -> Floats:
    """Measure roughly how far each pixel is from a rotated ellipse."""
    cos, sin = _direction(_column(numbers, 3))
    squeeze = 0.35 + 0.65 * _column(numbers, 4)
    dx, dy = x - cx, y - cy
    u, v = (cos * dx + sin * dy) / squeeze, cos * dy - sin * dx
    return (np.sqrt(u * u + v * v) - radius) * squeeze


def _leaf_paint(numbers: Floats) -> list[Floats]:
    return [0.15 + 0.7 * _column(numbers, 5)] + [0.4 * (_column(numbers, k) - 0.5) for k in (6, 7)]


def _paint_leaf(planes: list[Floats], numbers: Floats, x: Floats, y: Floats, size: int) -> None:
    """Put one distractor down; some have stripes, at angles no class uses."""
    # Small ones are most common, as in the dead-leaves model of natural images.
    radius = 0.06 / (0.15 + 0.85 * _column(numbers, 2))
    distance = _ellipse(numbers, radius, _column(numbers, 0), _column(numbers, 1), x, y)
    cos, sin = _direction(
        0.08 + 0.09 * _column(numbers, 8) + 0.25 * np.floor(4 * _column(numbers, 11))
    )
    frequency = 6.0 + 6.0 * _column(numbers, 9)
    strength = 0.12 * np.maximum(_column(numbers, 10) - 0.4, 0.0)
    luminance, *chroma = _leaf_paint(numbers)
    luminance = luminance + strength * _wave(frequency * (cos * x + sin * y))
    _blend(planes, _coverage(distance, size), [luminance, *chroma])


def _paint_occluder(
    planes: list[Floats], scene: Floats, numbers: Floats, x: Floats, y: Floats, size: int
) -> None:
    """Hide a piece of some objects behind a leaf that sits on their rim."""
    cos, sin = _direction(_column(numbers, 8))
    reach = _between(scene, 7, _OBJECT_RADIUS)
    cx = _between(scene, 5, (0.38, 0.62)) + reach * cos
    cy = _between(scene, 6, (0.38, 0.62)) + reach * sin
    # Few are large, but those leave little of the object, as in a badly composed photograph.
    distance = _ellipse(numbers, 0.07 / (0.18 + 0.82 * _column(numbers, 2)), cx, cy, x, y)
    shown = (_column(scene, 8) < _OCCLUDED).astype(np.float64)
    _blend(planes, _coverage(distance, size) * shown, _leaf_paint(numbers))


def _paint_object(
    planes: list[Floats], scene: Floats, labels: NDArray[np.int64], x: Floats, y: Floats, size: int
) -> None:
    """Paint each image's object: outline, a colour that stands out, texture."""
    radius = _between(scene, 7, _OBJECT_RADIUS)
    dx = x - _between(scene, 5, (0.38, 0.62))
    dy = y - _between(scene, 6, (0.38, 0.62))
    cos, sin = _direction(0.16 * (_column(scene, 9) - 0.5))
    u, v = (cos * dx + sin * dy) / radius, (cos * dy - sin * dx) / radius
    outline, pattern = np.empty_like(u), np.empty_like(u)
    tilt = _direction(0.05 * (_column(scene, 10) - 0.5))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        outline[rows] = _OUTLINES[label](u[rows], v[rows])
        kind, frequency = _TEXTURES[label]
        cycles = frequency * _between(scene[rows], 11, (0.92, 1.08))
        along = cycles * (tilt[0][rows] * dx[rows] + tilt[1][rows] * dy[rows]) + _column(
            scene[rows], 12
        )
        across = cycles * (tilt[0][rows] * dy[rows] - tilt[1][rows] * dx[rows]) + _column(
            scene[rows], 13
        )
        pattern[rows] = _PATTERNS[kind](along, across)

    # Against a dark background the object is mostly brighter, and vice versa.
    behind = 0.30 + 0.40 * _column(scene, 0)
    sign = np.where(_column(scene, 14) < 0.5 + 1.5 * (0.5 - behind), 1.0, -1.0)
    luminance = behind + sign * _between(scene, 15, _OBJECT_CONTRAST)
    luminance = luminance + _between(scene, 16, _TEXTURE_AMPLITUDE) * pattern
    hue = _direction(np.array(_HUES)[labels][:, None, None] / 10)
    chroma = [
        _HUE_PULL * lean + _between(scene, k, (-_HUE_SPREAD, _HUE_SPREAD))
        for lean, k in zip(hue, (17, 18), strict=True)
    ]
    _blend(planes, _coverage(outline * radius, size), [luminance, *chroma])


def _length(u: Floats, v: Floats) -> Floats:
    return np.sqrt(u * u + v * v)


def _cross(u: Floats, v: Floats) -> Floats:
    a, b = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(a - 0.30, b - 0.95), np.maximum(b - 0.30, a - 0.95))


def _star(u: Floats, v: Floats) -> Floats:
    # A pentagram is what lies in at least four of five half-planes: the second largest distance.
    first = second = np.full_like(u, -9.0)
    for k in range(5):
        cos, sin = _COSINES[k * _TURN // 5], _COSINES[(k * _TURN // 5 - _TURN // 4) % _TURN]
        distance = sin * u + cos * v - 0.36
        second = np.maximum(second, np.minimum(first, distance))
        first = np.maximum(first, distance)
    return second


def _heart(u: Floats, v: Floats) -> Floats:
    a, w = np.abs(u), 0.1 - v  # rows count downwards
    return np.minimum((a + np.abs(w) - 0.8) * 0.7071, _length(a - 0.4, w - 0.4) - 0.5657)


# Distance from each outline in units of the object's radius, negative inside, in the names' order.
_OUTLINES: Final[tuple[Callable[[Floats, Floats], Floats], ...]] = (
    lambda u, v: _length(u, v) - 0.9,
    lambda u, v: np.abs(_length(u, v) - 0.70) - 0.26,
    lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 0.78,
    lambda u, v: np.maximum(v - 0.65, 0.894 * np.abs(u) - 0.447 * v - 0.42),
    _cross,
    _star,
    lambda u, v: np.maximum(_length(u, v) - 0.95, 0.75 - _length(u - 0.5, v)),
    lambda u, v: np.maximum(np.abs(u) - 0.32, np.abs(v) - 1.05),
    lambda u, v: np.maximum(np.abs(v) - 0.85, (np.abs(u) - 0.8 * np.abs(v) - 0.1) * 0.78),
    _heart,
)

# The brightness of each pattern, about -1 to 1, given cycles along and across from its origin.
_PATTERNS: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "rows": lambda along, across: _wave(across),
    "columns": lambda along, across: _wave(along),
    "dots": lambda along, across: 0.7 * (_wave(along) + _wave(across)),
    "chequer": lambda along, across: 1.3 * _wave(along) * _wave(across),
    "rings": lambda along, across: _wave(np.sqrt(along * along + across * across)),
}
