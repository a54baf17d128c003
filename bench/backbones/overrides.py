"""What a user replaces of a classifier's geometry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_OVERRIDDEN: Final = ("resize", "crop", "interpolation", "mean", "std")


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
