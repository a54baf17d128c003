"""Names that the shell completes: the last one of a list with commas."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def of_methods(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Names of methods."""

    def names() -> Iterable[str]:
        from robobench.registry import METHODS

        return METHODS

    return _last(typed, names)


def of_corruptions(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Names of corruptions and of groups."""

    def names() -> Iterable[str]:
        from robobench.corruptions.catalogue import GROUPS
        from robobench.registry import CORRUPTIONS

        return [*GROUPS, *CORRUPTIONS]

    return _last(typed, names)


def of_datasets(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Names of data sets."""
    from robobench.registry import DATASETS

    return [name for name in DATASETS if name.startswith(typed)]


def of_compilation(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """What ``--compile`` takes."""
    return [word for word in ("auto", "always", "never") if word.startswith(typed)]


def _last(typed: str, names: Callable[[], Iterable[str]]) -> list[str]:
    before, comma, last = typed.rpartition(",")
    named = set(before.split(","))
    return [
        before + comma + name for name in names() if name.startswith(last) and name not in named
    ]
