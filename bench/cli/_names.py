"""Names that the shell completes: the last one of a list with commas."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def of_methods(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Names of methods; of one that is written out up to its ``@``, the stored trainings."""
    if "@" in typed.rpartition(",")[2]:
        return _last(typed, _trainings)

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


def _trainings() -> Iterable[str]:
    """The stored trainings as `run` takes them: ``afd@jpeg_compression#10-cub100``."""
    from robobench.errors import RobobenchError
    from robobench.weights.listing import listed_weights

    try:
        return [name for name, _ in listed_weights()]
    except RobobenchError:  # a shell that completes says nothing
        return []


def _last(typed: str, names: Callable[[], Iterable[str]]) -> list[str]:
    before, comma, last = typed.rpartition(",")
    named = set(before.split(","))
    return [
        before + comma + name for name in names() if name.startswith(last) and name not in named
    ]
