"""Measure which precision is faster on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from robobench.backbones.backbone import Backbone

_IMAGES: Final = 32
_ROUNDS: Final = 5
_HOPELESS: Final = 4.0  # some processors only emulate bf16: stop after two rounds


def faster_precision(run: Callable[[str], None]) -> str:
    """``bf16`` or ``fp32``, measured in a second or two.

    On some processors bf16 is three times as fast as fp32, on others sixty times slower.

    Args:
        run: Function to time; runs once in the given precision and returns when the work is done.
    """
    durations: dict[str, list[float]] = {"fp32": [], "bf16": []}
    # Alternating, so that other load on the machine affects both alike; the first round warms up.
    for turn in range(_ROUNDS):
        for precision, past in durations.items():
            start = time.perf_counter()
            run(precision)
            past.append(time.perf_counter() - start)
        if turn and durations["bf16"][-1] > _HOPELESS * durations["fp32"][-1]:
            break
    return min(durations, key=lambda precision: min(durations[precision][1:]))


def faster_precision_of(backbone: Backbone) -> str:
    """The precision that a classifier is faster in; its own setting is left unchanged."""
    images = backbone.example.expand(_IMAGES, -1, -1, -1).contiguous()
    own = backbone.precision

    def run(precision: str) -> None:
        backbone.precision = precision
        backbone(images).sum().item()  # waits for the device

    try:
        return faster_precision(run)
    finally:
        backbone.precision = own
