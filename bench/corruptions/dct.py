"""JPEG's quantisation tables and integer 8-point transforms.

Sources: ITU-T T.81, Annex K; libjpeg's jcparam, jfdctint and jidctint (Loeffler, Ligtenberg and
Moschytz 1989, constants of 13 bits).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.corruptions.compiled import piece

# Annex K of ITU-T T.81, natural order.
# fmt: off
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
)
# fmt: on


def tables() -> NDArray[np.int32]:
    """Quantisation tables of all qualities: 101 x 2 x 8 x 8 (quality, luma or chroma); 0 is empty.

    libjpeg's rule (jcparam): the base times 5000 / q percent below 50, 200 - 2 q from 50 on.
    """
    base = np.array([_LUMA, _CHROMA]).reshape(2, 8, 8)
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    made = np.clip((base * scale[:, None, None, None] + 50) // 100, 1, 255)
    return np.concatenate([np.zeros((1, 2, 8, 8)), made]).astype(np.int32)


def transforms(i32: Callable[[Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two 8-point transforms; `i32` keeps compiled intermediates at 32 bits."""

    def rotate(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Any, Any, Any]:
        """The odd half, the same in both directions (jfdctint and jidctint, tmp0..3)."""
        z1, z2, z3, z4 = i32(a + d), i32(b + c), i32(a + c), i32(b + d)
        z5 = i32(i32(z3 + z4) * i32(9633))
        z1, z2 = i32(z1 * i32(-7373)), i32(z2 * i32(-20995))
        z3 = i32(i32(z3 * i32(-16069)) + z5)
        z4 = i32(i32(z4 * i32(-3196)) + z5)
        return (
            i32(i32(a * i32(2446)) + i32(z1 + z3)),
            i32(i32(b * i32(16819)) + i32(z2 + z4)),
            i32(i32(c * i32(25172)) + i32(z2 + z3)),
            i32(i32(d * i32(12299)) + i32(z1 + z4)),
        )

    if i32 is np.int32:
        rotate = piece(rotate)

    def forward(x: Any, up: int, down: int) -> tuple[Any, ...]:
        """Eight samples to eight coefficients; sums are shifted up or down, products down."""
        a0, a7 = i32(x[0] + x[7]), i32(x[0] - x[7])
        a1, a6 = i32(x[1] + x[6]), i32(x[1] - x[6])
        a2, a5 = i32(x[2] + x[5]), i32(x[2] - x[5])
        a3, a4 = i32(x[3] + x[4]), i32(x[3] - x[4])
        b0, b3, b1, b2 = i32(a0 + a3), i32(a0 - a3), i32(a1 + a2), i32(a1 - a2)
        z = i32(i32(b2 + b3) * i32(4433))
        half = i32(1 << (down - 1))
        o7, o5, o3, o1 = rotate(a4, a5, a6, a7)
        even = i32(b0 + b1), i32(b0 - b1)
        if up:
            c0, c4 = i32(even[0] << i32(up)), i32(even[1] << i32(up))
        else:
            c0, c4 = i32(i32(even[0] + i32(2)) >> i32(2)), i32(i32(even[1] + i32(2)) >> i32(2))
        return (
            c0,
            i32(i32(o1 + half) >> i32(down)),
            i32(i32(i32(z + i32(b3 * i32(6270))) + half) >> i32(down)),
            i32(i32(o3 + half) >> i32(down)),
            c4,
            i32(i32(o5 + half) >> i32(down)),
            i32(i32(i32(z + i32(b2 * i32(-15137))) + half) >> i32(down)),
            i32(i32(o7 + half) >> i32(down)),
        )

    def inverse(x: Any, down: int) -> tuple[Any, ...]:
        """Eight coefficients to eight samples."""
        z = i32(i32(x[2] + x[6]) * i32(4433))
        t2, t3 = i32(z + i32(x[6] * i32(-15137))), i32(z + i32(x[2] * i32(6270)))
        half = i32(1 << (down - 1))
        t0 = i32(i32(i32(x[0] + x[4]) << i32(13)) + half)
        t1 = i32(i32(i32(x[0] - x[4]) << i32(13)) + half)
        e0, e3, e1, e2 = i32(t0 + t3), i32(t0 - t3), i32(t1 + t2), i32(t1 - t2)
        o0, o1, o2, o3 = rotate(x[7], x[5], x[3], x[1])
        return (
            i32(i32(e0 + o3) >> i32(down)),
            i32(i32(e1 + o2) >> i32(down)),
            i32(i32(e2 + o1) >> i32(down)),
            i32(i32(e3 + o0) >> i32(down)),
            i32(i32(e3 - o0) >> i32(down)),
            i32(i32(e2 - o1) >> i32(down)),
            i32(i32(e1 - o2) >> i32(down)),
            i32(i32(e0 - o3) >> i32(down)),
        )

    return forward, inverse
