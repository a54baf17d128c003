"""Which precision a classifier runs faster in here."""

from __future__ import annotations

import time
from typing import Final

from robobench.backbones.backbone import Backbone

_IMAGES: Final = 32
_ROUNDS: Final = 4
_HOPELESS: Final = 4.0  # some processors only emulate bf16: one round of it is enough then


def faster_precision(backbone: Backbone) -> str:
    """``bf16`` or ``fp32``, measured in a second or two; the backbone's own stays as it was.

    On one processor bf16 is three times as fast as fp32, on another sixty times slower.

    Args:
        backbone: Where it will run.
    """
    images = backbone.example.expand(_IMAGES, -1, -1, -1).contiguous()
    own = backbone.precision
    durations: dict[str, list[float]] = {"fp32": [], "bf16": []}
    try:
        # In turns, so that what else the machine does meets both alike; the first round warms up.
        for turn in range(_ROUNDS):
            for precision, past in durations.items():
                backbone.precision = precision
                start = time.perf_counter()
                backbone(images).sum().item()  # waits for the device
                past.append(time.perf_counter() - start)
            if turn and durations["bf16"][-1] > _HOPELESS * durations["fp32"][-1]:
                break
    finally:
        backbone.precision = own
    return min(durations, key=lambda precision: min(durations[precision][1:]))
