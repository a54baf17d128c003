"""Measure which of several ways to run a network is faster on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from robobench.backbones.backbone import Backbone

_IMAGES: Final = 32
_ROUNDS: Final = 5
_HOPELESS: Final = 4.0  # some processors only emulate bf16: stop after two rounds


def timed_in_turns(ways: Sequence[str], run: Callable[[str], object]) -> dict[str, float]:
    """Seconds that each way takes at its best.

    Args:
        ways: Names of the ways.
        run: Function to time; runs once in the way of this name and returns when the work is done.
    """
    durations: dict[str, list[float]] = {way: [] for way in ways}
    # Alternating, so that other load on the machine affects all alike; the first round warms up.
    for turn in range(_ROUNDS):
        for way, past in durations.items():
            start = time.perf_counter()
            run(way)
            past.append(time.perf_counter() - start)
        latest = [past[-1] for past in durations.values()]
        if turn and max(latest) > _HOPELESS * min(latest):
            break
    return {way: min(past[1:]) for way, past in durations.items()}


def faster_precision(run: Callable[[str], None]) -> str:
    """``bf16`` or ``fp32``, measured in a second or two.

    On some processors bf16 is three times as fast as fp32, on others sixty times slower.

    Args:
        run: Function to time; runs once in the given precision and returns when the work is done.
    """
    durations = timed_in_turns(("fp32", "bf16"), run)
    return min(durations, key=lambda precision: durations[precision])


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
