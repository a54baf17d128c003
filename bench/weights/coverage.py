"""Which corruptions a training covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from robobench.corruptions import catalogue
from robobench.types import CLEAN

_MOST_LINES: Final = 3


def canonical_training(text: str) -> str:
    """The canonical name of a training set: ``clean``, a corruption or a group.

    Raises:
        RobobenchError: The name is unknown.
    """
    if text == CLEAN:
        return text
    names = catalogue.expand(text)
    return names[0] if len(names) == 1 else text


def trained_corruptions(trained_on: str) -> tuple[str, ...]:
    """Canonical names of the corruptions seen in a training."""
    return () if trained_on == CLEAN else tuple(catalogue.expand(trained_on))


def covers(trained_on: str, corruption: str) -> bool:
    """Whether a training covers a corruption; a mixture is covered if all its parts are."""
    known = trained_corruptions(trained_on)
    return corruption in known or ("+" in corruption and set(corruption.split("+")) <= set(known))


def suggest_trainings(corruptions: Sequence[str]) -> list[str]:
    """A few trainings that together cover these corruptions."""
    left = [part for corruption in corruptions for part in corruption.split("+")]
    names = []
    for group in ("noise", "blur", "weather", "digital", "extra"):
        inside = [c for c in left if c in catalogue.GROUPS[group]]
        if len(set(inside)) > 1:
            names.append(group)
            left = [c for c in left if c not in inside]
    names = list(dict.fromkeys([*left, *names]))
    if len(names) > _MOST_LINES:
        covered = set(corruptions) <= set(catalogue.GROUPS["common"])
        return ["common" if covered else "all"]
    return names
