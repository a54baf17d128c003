"""Evidence of a decoded image's blocks for each JPEG quality: the kernels of the search.

A decoder preserves more than it seems. Its luma and its upsampled chroma are integers, and an RGB
pixel that is not clipped determines them exactly: the three rounding errors, weighted by the colour
conversion, stay below a half. Undoing the upsampling (two taps per direction, so tridiagonal)
recovers the coded chroma planes. In each plane only the final rounding to integer grey levels then
separates the pixels from multiples of the quantisation steps: in the transform domain it is noise
of variance 1/12. Where pixels were clipped, or a block is so smooth that its rounding errors are
all alike, the noise is larger; wider noise is tried for every block.

The evidence of a coefficient c for a step T, against "never quantised", is the log of
p(c | multiple of T, plus noise) / p(c). A multiple other than 0 is worth log T; 0 is worth
no more than the coefficient's own scale, or every smooth image would look compressed. A block that
fits no quality costs a constant, so that one odd block cannot outvote the others.
"""

import math
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from robobench.corruptions.compiled import Array, fused, fused_piece
from robobench.corruptions.dct import tables

GROUP: Final = 48  # blocks evaluated together
FEW, DECIDED, LEAD = (
    5.0,
    15.0,
    8.0,
)  # nats: to answer at all; to stop early; lead over the second
MISFITS: Final = 4  # this many detailed blocks that fit no quality, and none that does: not a JPEG
BASIS: Final = np.array(
    [
        [
            math.sqrt((1 if u == 0 else 2) / 8) * math.cos((2 * x + 1) * u * math.pi / 16)
            for x in range(8)
        ]
        for u in range(8)
    ],
    np.float32,
)
# Standard deviations of the noise tried, and the highest quality at which each is informative.
NOISE: Final = np.array([1 / math.sqrt(12), 1, 3, 10], np.float32)
UP_TO: Final = np.array([100, 95, 85, 60], np.int32)
# A coefficient closer to 0 is due to a block's symmetry (e.g. equal rows), not to a fine step.
EXACT: Final = np.float32(0.01)
POINTS: Final = 64  # of each tabulated curve


class SearchTables(NamedTuple):
    """Lookup tables of the kernels; luma first, chroma second.

    Attributes:
        steps: int32 2 x most x 2, the different (frequency, step) pairs, by rising quality.
        place: int32 2 x 100 x 64, positions of a quality's 64 pairs among them.
        used: int32 2 x 100, how many pairs the qualities up to this one use.
        small: float32 noise x 256 x points, evidence by step and distance from the next multiple
            (0 to half a step), for steps that the noise blurs.
    """

    steps: Array
    place: Array
    used: Array
    small: Array


@cache
def search_tables() -> SearchTables:
    """Build the tables, once; takes a few milliseconds."""
    all_tables = tables()[1:].reshape(100, 2, 64)
    place = np.empty((2, 100, 64), np.int32)
    used = np.empty((2, 100), np.int32)
    pairs: list[list[tuple[int, int]]] = []
    for plane in range(2):
        seen: dict[tuple[int, int], int] = {}
        for q in range(100):
            for f, step in enumerate(all_tables[q, plane].tolist()):
                place[plane, q, f] = seen.setdefault((f, step), len(seen))
            used[plane, q] = len(seen)
        pairs.append(list(seen))
    steps = np.zeros((2, max(map(len, pairs)), 2), np.int32)
    for plane in range(2):
        steps[plane, : len(pairs[plane])] = pairs[plane]
    small = np.zeros((len(NOISE), 256, POINTS), np.float32)
    for s, noise in enumerate(NOISE.tolist()):
        for step in range(1, int(8 * noise) + 1):
            away = np.linspace(0, step / 2, POINTS) - step * np.arange(-40, 41)[:, None]
            density = np.exp(-((away / noise) ** 2) / 2).sum(0)
            small[s, step] = np.log(density * step / (noise * math.sqrt(2 * math.pi)))
    return SearchTables(steps, place, used, small)


@fused
def search(
    images: Array,
    _: Array,
    found: Array,
    steps: Array,
    place: Array,
    used: Array,
    small: Array,
    first: int,
    last: int,
) -> None:
    """Quality of each image of a share into `found`, float32 N; NaN where none is likely."""
    height, width = images.shape[2], images.shape[3]
    tall, wide = (height + 1) // 2, (width + 1) // 2
    luma = np.empty((1, height, width), np.float32)
    chroma = np.empty((2, height, width), np.float32)
    clipped = np.empty((height, width), np.bool_)
    half = np.empty((2, tall, wide), np.float32)
    half_clipped = np.empty((tall, wide), np.bool_)
    scratch = np.empty((3, max(tall, wide)), np.float32)
    coefficients = np.empty((64, GROUP), np.float32)
    bad = np.empty(GROUP, np.int32)
    gains = np.empty((steps.shape[1], GROUP), np.float32)
    best = np.empty((100, GROUP), np.float32)
    scale = np.empty((15, GROUP), np.float32)
    evidence = np.empty(100, np.float32)
    for i in range(first, last):
        _planes(images[i], luma[0], chroma, clipped)
        halved = False
        found[i] = np.nan
        for widths in (1, len(NOISE)):
            evidence[:] = 0
            fits, misfits = 0, 0
            done = False
            for plane in range(2):
                if plane == 1 and not halved:
                    for p in range(2):
                        _halve(chroma[p], clipped, half[p], half_clipped, scratch)
                    halved = True
                here, marks = (luma, clipped) if plane == 0 else (half, half_clipped)
                total = here.shape[0] * (here.shape[1] // 8) * (here.shape[2] // 8)
                groups = (total + GROUP - 1) // GROUP
                for g in range(groups):
                    # Every groups-th block, so that a group samples the whole image.
                    n = _transform(here, marks, g, groups, coefficients, bad)
                    if not n:
                        continue
                    a, b = _weigh(
                        coefficients, bad, n, steps[plane], place[plane], used[plane], small,
                        widths, gains, best, scale, evidence,
                    )  # fmt: skip
                    fits += a
                    misfits += b
                    done = _decided(evidence) or (widths == 1 and not fits and misfits >= MISFITS)
                    if done:
                        break
                if done:
                    break
            if done or widths > 1:
                q = np.argmax(evidence)
                if evidence[q] > FEW:
                    found[i] = q + 1
                break


@fused_piece
def _decided(evidence: Array) -> bool:
    """Whether one quality is far ahead of all others."""
    q = np.argmax(evidence)
    near = 0
    for other in range(100):
        near += evidence[other] > evidence[q] - LEAD
    return evidence[q] > DECIDED and near == 1


@fused_piece
def _planes(image: Array, luma: Array, chroma: Array, clipped: Array) -> None:
    """Convert RGB back to the integers that the decoder converted, less 128."""
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            r, g, b = np.int32(image[0, y, x]), np.int32(image[1, y, x]), np.int32(image[2, y, x])
            v = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
            luma[y, x] = v - 128
            chroma[0, y, x] = np.rint((b - v) * np.float32(1 / 1.772))
            chroma[1, y, x] = np.rint((r - v) * np.float32(1 / 1.402))
            clipped[y, x] = min(r, g, b) == 0 or max(r, g, b) == 255


@fused_piece
def _halve(full: Array, clipped: Array, half: Array, marks: Array, scratch: Array) -> None:
    """Invert "fancy" upsampling: 2 x 2 means, then undo both directions.

    A mean of two pixels is 3/4 of their own sample and 1/8 of each neighbour.
    """
    height, width = full.shape
    tall, wide = half.shape
    for y in range(tall):
        a, b = 2 * y, min(2 * y + 1, height - 1)
        for x in range(wide):
            c, d = 2 * x, min(2 * x + 1, width - 1)
            half[y, x] = (full[a, c] + full[a, d] + full[b, c] + full[b, d]) * np.float32(0.25)
            marks[y, x] = clipped[a, c] or clipped[a, d] or clipped[b, c] or clipped[b, d]
    if wide <= 2:  # libjpeg repeats such a narrow plane
        return
    for y in range(tall):
        _unmix(half[y], width % 2 == 1, scratch)
    column = scratch[2]
    for x in range(wide):
        for y in range(tall):
            column[y] = half[y, x]
        _unmix(column[:tall], height % 2 == 1, scratch)
        for y in range(tall):
            half[y, x] = np.rint(column[y])


@fused_piece
def _unmix(line: Array, odd: bool, scratch: Array) -> None:
    """Solve the tridiagonal system in place; the outermost samples are their own neighbours."""
    last = len(line) - 1
    upper, right = scratch[0], scratch[1]
    for j in range(last + 1):
        below, own, above = np.float32(0.125), np.float32(0.75), np.float32(0.125)
        if j == 0:
            own += below
            below = np.float32(0)
        if j == last:
            if odd:  # only the left pixel of the last sample is in the image
                below = np.float32(0.25) if last else np.float32(0)
                own = np.float32(0.75) if last else np.float32(1)
            else:
                own += above
            above = np.float32(0)
        before = upper[j - 1] if j else np.float32(0)
        known = right[j - 1] if j else np.float32(0)
        factor = np.float32(1) / (own - below * before)
        upper[j] = above * factor
        right[j] = (line[j] - below * known) * factor
    line[last] = right[last]
    for j in range(last - 1, -1, -1):
        line[j] = right[j] - upper[j] * line[j + 1]


@fused_piece
def _transform(
    planes: Array, clipped: Array, first: int, stride: int, coefficients: Array, bad: Array
) -> int:
    """DCT of every stride-th whole block that is not constant; returns how many there are.

    `bad` counts their clipped pixels. A constant block is only informative about the first step,
    and its rounding errors are all the same.
    """
    down, across = planes.shape[1] // 8, planes.shape[2] // 8
    rows = np.empty((8, 8), np.float32)
    n = 0
    for number in range(first, planes.shape[0] * down * across, stride):
        plane = planes[number // (down * across)]
        y0, x0 = number % (down * across) // across * 8, number % across * 8
        flat, marks = True, 0
        for y in range(y0, y0 + 8):
            for x in range(x0, x0 + 8):
                flat = flat and plane[y, x] == plane[y0, x0]
                marks += clipped[y, x]
        if flat:
            continue
        bad[n] = marks
        for y in range(8):
            for u in range(8):
                total = np.float32(0)
                for x in range(8):
                    total += plane[y0 + y, x0 + x] * BASIS[u, x]
                rows[y, u] = total
        for v in range(8):
            for u in range(8):
                total = np.float32(0)
                for y in range(8):
                    total += rows[y, u] * BASIS[v, y]
                coefficients[8 * v + u, n] = total
        n += 1
    return n


@fused_piece
def _weigh(
    coefficients: Array,
    bad: Array,
    n: int,
    steps: Array,
    place: Array,
    used: Array,
    small: Array,
    widths: int,
    gains: Array,
    best: Array,
    scale: Array,
    evidence: Array,
) -> tuple[int, int]:
    """Add n blocks' evidence for each quality, trying the first `widths` noise levels.

    Returns:
        How many blocks fit some quality well, and how many fit none although they should.
    """
    _scales(coefficients, n, scale)
    row_of = np.empty(GROUP, np.float32)
    for s in range(widths):
        noise = NOISE[s]
        level = -np.float32(math.log(math.sqrt(2 * math.pi) * noise))
        precision = np.float32(0.5) / (noise * noise)
        least = np.float32(math.log(np.float32(2.5) * noise))
        limit = UP_TO[s]
        for p in range(used[limit - 1]):
            f, whole = steps[p, 0], steps[p, 1]
            step = np.float32(whole)
            inverse, worth = np.float32(1) / step, np.float32(math.log(step))
            row, own = coefficients[f], scale[f // 8 + f % 8]
            if step <= 8 * noise:
                for i in range(n):
                    k = np.float32(np.rint(row[i] * inverse))
                    away = abs(row[i] - k * step) * inverse
                    gain = small[s, whole, int(away * (2 * POINTS - 2) + np.float32(0.5))]
                    if k == 0:
                        gain += min(max(own[i], least) - worth, np.float32(0))
                        if abs(row[i]) < EXACT:
                            gain = min(gain, np.float32(0))
                    gains[p, i] = max(gain, np.float32(-4))
            else:
                for i in range(n):
                    k = np.float32(np.rint(row[i] * inverse))
                    away = row[i] - k * step
                    gain = min(max(own[i], least), worth) if k == 0 else worth
                    gain += level - precision * away * away
                    gains[p, i] = max(gain, np.float32(-4))
        for q in range(limit):
            row_of[:n] = 0
            for f in range(64):
                row = gains[place[q, f]]
                for i in range(n):
                    row_of[i] += row[i]
            for i in range(n):  # wider noise is less likely a priori
                gain = row_of[i] - np.float32(0.7 * s)
                best[q, i] = gain if s == 0 else max(best[q, i], gain)
    fits, misfits = 0, 0
    for i in range(n):
        floor = np.float32(-1) if bad[i] else np.float32(-3)
        top = floor
        for q in range(100):
            evidence[q] += max(best[q, i], floor)
            top = max(top, best[q, i])
        fits += int(top > 3)
        if not bad[i] and top <= floor:
            large = 0
            for f in range(1, 64):
                large += int(abs(coefficients[f, i]) > 2)
            misfits += large >= 8
    return fits, misfits


@fused_piece
def _scales(coefficients: Array, n: int, scale: Array) -> None:
    """Log of twice the expected size, by diagonal (u + v) and block.

    The mean size on a diagonal over all blocks, times the block's activity.
    """
    mean = np.zeros(15, np.float32)
    for f in range(1, 64):
        for i in range(n):
            mean[f // 8 + f % 8] += abs(coefficients[f, i])
    for d in range(1, 15):
        mean[d] = max(mean[d] / np.float32(n * min(d + 1, 15 - d)), np.float32(0.1))
    for i in range(n):
        lively = np.float32(0)
        for f in range(1, 64):
            lively += abs(coefficients[f, i]) / mean[f // 8 + f % 8]
        lively = min(lively / np.float32(63), np.float32(10))
        scale[0, i] = 7.0  # the mean grey level: anything
        for d in range(1, 15):
            scale[d, i] = math.log(np.float32(2) * mean[d] * lively)
