"""What a user replaces of a classifier's geometry, and which numbers can normalise pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from robobench.errors import RobobenchError

_OVERRIDDEN: Final = ("resize", "crop", "interpolation", "mean", "std")

# The least standard deviation: below it float32 overflows.
_LEAST: Final = 1e-6


def overrides(settings: object) -> dict[str, Any]:
    """What settings replace, as arguments of `Geometry`.

    Args:
        settings: Has the attributes resize, crop, interpolation, mean and std; None leaves one alone.
    """
    values = ((name, getattr(settings, name)) for name in _OVERRIDDEN)
    return {name: value for name, value in values if value is not None}


def as_options(changes: Mapping[str, Any]) -> dict[str, str]:
    """Command-line options with their values: ``--crop`` -> ``32``, ``--mean`` -> ``0.5,0.5,0.5``.

    Args:
        changes: As from `overrides`.
    """
    return {
        f"--{name}": ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in changes.items()
    }


def check_normalisation(
    mean: Sequence[float] | None, std: Sequence[float] | None, written: str = "--{}"
) -> None:
    """Refuse mean and standard deviation that pixels on 0..1 cannot have.

    Args:
        mean: Mean per channel; None is not given, nor is it for `std`.
        std: Standard deviation per channel.
        written: How the user writes a setting of this name, for the message.

    Raises:
        RobobenchError: They are not three numbers each, a mean is outside of 0..1, or a deviation is not
            above 0 and at most 1. For numbers on 0..255 it shows them divided.
    """
    given = {"mean": mean, "std": std}
    expected = {
        "mean": (0.0, "three means from 0 to 1"),
        "std": (_LEAST, f"three standard deviations above 0 (at least {_LEAST:g}) and at most 1"),
    }
    wrong = [
        name
        for name, three in given.items()
        if three is not None
        and not (len(three) == 3 and all(expected[name][0] <= x <= 1 for x in three))  # nor NaN
    ]
    if not wrong:
        return
    first = wrong[0]
    hint = ""
    divided = {
        name: ",".join(f"{x / 255:.4g}" for x in three)
        for name, three in given.items()
        if three is not None and max(three) >= 1 and all(0 <= x <= 255 for x in three)
    }
    if first in divided:
        shown = " ".join(f"{written.format(name)} {three}" for name, three in divided.items())
        hint = f"; numbers for pixels on 0..255 are divided by 255: {shown}"
    got = ",".join(f"{x:g}" for x in given[first] or ())
    raise RobobenchError(
        f"{written.format(first)}: expected {expected[first][1]}, for pixels on 0..1, got {got}{hint}"
    )
