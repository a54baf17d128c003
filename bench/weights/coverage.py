"""Which corruptions a training covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.types import CLEAN, MATCHED

_MOST_LINES: Final = 3


def canonical_training(text: str) -> str:
    """The canonical name of what weights are trained on.

    Args:
        text: ``clean``, a corruption, a group, a corruption with its levels (``jpeg:5-40``), or
            several of them joined by ``/``, which make one training.

    Raises:
        RobobenchError: A name is unknown or missing, or levels are not two ascending numbers.
    """
    if text == CLEAN:
        return text
    first, *others = text.split("/")
    if others and not all(map(str.strip, (first, *others))):
        raise RobobenchError(
            f"{text!r}: / joins the corruptions of one training, as in jpeg/noise; expected one on "
            "either side of it"
        )
    if any(map(_is_number, others)):
        raise RobobenchError(
            f"{text}: a training has no steps, it draws from all levels between the lowest and the "
            f"highest: write {'/'.join(p for p in (first, *others) if not _is_number(p))}"
        )
    return "/".join(dict.fromkeys(_canonical_part(part) for part in text.split("/")))


def asked_training(text: str) -> str:
    """The canonical name of what follows ``@``; ``matched``, and nothing, stay as they are.

    Args:
        text: As for `canonical_training`.

    Raises:
        RobobenchError: As there.
    """
    return text if text in ("", MATCHED) else canonical_training(text)


def _is_number(text: str) -> bool:
    return text.strip().replace(".", "", 1).isdecimal()


def _canonical_part(text: str) -> str:
    name, colon, levels = text.partition(":")
    names = catalogue.expand(name)
    name = names[0] if len(names) == 1 else name
    if not colon:
        return name
    low, high = _levels(text, levels)
    if len(names) != 1 or (native := catalogue.native(name)) is None:
        raise RobobenchError(
            f"{text}: {name} has no unit of its own in which levels could be given; leave them out"
        )
    if native.integer and (low % 1 or high % 1):
        raise RobobenchError(f"{text}: levels of {name} are integers, got {levels}")
    for level in (low, high):
        catalogue.at_level(name, level)  # refuses what is out of range
    return f"{name}:{low:g}-{high:g}"


def _levels(text: str, levels: str) -> tuple[float, float]:
    low, dash, high = levels.partition("-")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (math.nan, math.nan)
    if not dash or not found[0] < found[1]:
        raise RobobenchError(
            f"{text}: expected the lowest and the highest level to train on, as in jpeg:5-40"
        )
    return found


def trained_corruptions(trained_on: str) -> tuple[str, ...]:
    """Canonical names of the corruptions seen in a training; what its tag says of images is ignored."""
    corruptions = trained_on.partition("#")[0]
    if corruptions == CLEAN:
        return ()
    parts = (part.partition(":")[0] for part in corruptions.split("/"))
    return tuple(dict.fromkeys(name for part in parts for name in catalogue.expand(part)))


def trained_levels(trained_on: str) -> dict[str, tuple[float, float]]:
    """The levels that a training was confined to, by corruption."""
    found = {}
    for part in trained_on.split("/"):
        name, colon, levels = part.partition(":")
        if colon:
            found[name] = _levels(part, levels)
    return found


def covers(trained_on: str, corruption: str) -> bool:
    """Whether a training covers a corruption; a mixture is covered if all its parts are."""
    known = trained_corruptions(trained_on)
    return corruption in known or ("+" in corruption and set(corruption.split("+")) <= set(known))


def breadth(trained_on: str) -> tuple[int, int, str]:
    """Sorts trainings, the most specific first; whole ranges come before confined levels."""
    return len(trained_corruptions(trained_on)), len(trained_levels(trained_on)), trained_on


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


def blind_training(corruptions: Sequence[str]) -> str:
    """The one training that covers all of these corruptions, as narrow as a group allows."""
    parts = list(dict.fromkeys(part for c in corruptions for part in c.split("+")))
    if len(parts) == 1:
        return parts[0]
    groups = [name for name, inside in catalogue.GROUPS.items() if set(parts) <= set(inside)]
    joined = "/".join(parts)
    narrowest = min(groups, key=lambda name: len(catalogue.GROUPS[name]), default=joined)
    wide = narrowest != joined and len(catalogue.GROUPS[narrowest]) > 2 * len(parts)
    return joined if wide and len(parts) <= _MOST_LINES else narrowest
