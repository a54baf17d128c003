"""What a user replaces of a classifier's geometry."""

from __future__ import annotations

from typing import Any, Final

_OVERRIDDEN: Final = ("resize", "crop", "interpolation", "mean", "std")


def overrides(settings: object) -> dict[str, Any]:
    """What settings replace, as arguments of `Geometry`.

    Args:
        settings: Has the attributes resize, crop, interpolation, mean and std; None leaves one alone.
    """
    values = ((name, getattr(settings, name)) for name in _OVERRIDDEN)
    return {name: value for name, value in values if value is not None}
