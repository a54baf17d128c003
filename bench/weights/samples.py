"""What tells apart trainings that differ only in their images or recipe."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from robobench.types import Card

SHORT: Final = 6
"""Digits of a digest in names."""
STANDARD: Final = "standard"
"""What a tag calls a method's default recipe."""


def sample_of(card: Card) -> str:
    """Number and digest of the images and the recipe, as far as named: ``10-3f2a1c-paper``."""
    parts = [str(card.images_count or ""), card.images_digest[:SHORT], card.recipe_name]
    return "-".join(part for part in parts if part)


def source_named(dataset: str) -> str:
    """The name of a source of images as tags spell it: ``cub100`` for ``images:cub100``.

    Args:
        dataset: As in `Card.dataset`: a folder of images or a data set.

    Returns:
        Letters, digits, ``_``, ``.``, ``+`` and ``-``; empty for a name that reads as a number.
    """
    kind, colon, folder = dataset.partition(":")
    name = re.sub(r"[^\w.+]+", "-", folder if colon else kind).strip("-")
    return "" if name.isdecimal() else name


def source_of(card: Card) -> str:
    """Where a plug-in module's images come from, as tags spell it; empty for other weights.

    Classifiers and restorers are found by their data set anyway.
    """
    return source_named(card.dataset) if card.belongs_to == "plugin" else ""


def tag_of(card: Card, *, digest: bool = False) -> str:
    """The tag that names a training: ``10-cub100``, ``cifar10``, ``100-cub100-paper``.

    Args:
        card: That of the weights.
        digest: Whether to give the first digits of the images' digest as well.
    """
    digits = card.images_digest[:SHORT] if digest else ""
    parts = [str(card.images_count or ""), source_of(card), digits, card.recipe_name]
    return "-".join(part for part in parts if part)


def matched_tag(card: Card, tag: str, recipes: Collection[str] = ()) -> str | None:
    """A tag, as after ``#`` in ``afd@jpeg#10-cub100``, in the order of `tag_of`.

    Args:
        card: That of the weights.
        tag: A number of images, the name of their folder or data set, the first six or more digits of
            their digest, the name of a recipe, or several of them joined by ``-``.
        recipes: Names that are recipes: a folder of such a name is known by its digest alone.

    Returns:
        The tag; None if it does not name this training.
    """
    source = source_of(card)
    if source in recipes:
        source = ""
    found = []
    for part in _parts(tag, source):
        if part == str(card.images_count):
            place = 0
        elif part == source:
            place = 1
        elif part == (card.recipe_name or STANDARD):
            place = 3
        elif len(part) >= SHORT and card.images_digest.startswith(part):
            place = 2
        else:
            return None
        found.append((place, part))
    return "-".join(part for _, part in sorted(found))


def answers_to(card: Card, tag: str, recipes: Collection[str] = ()) -> bool:
    """Whether a tag names a training; see `matched_tag`."""
    return matched_tag(card, tag, recipes) is not None


def _parts(tag: str, source: str) -> list[str]:
    """What hyphens separate, except within the name of the source."""
    named = source and f"{tag}-".startswith(f"{source}-")
    head = source if named else tag.partition("-")[0]
    rest = tag[len(head) :]
    return [head, *_parts(rest[1:], source)] if rest else [head]


@dataclass(frozen=True)
class Wanted:
    """What a tag asks of a training that is not there yet.

    Attributes:
        limit: Number of images; None if the tag names none.
        recipe: Name of the recipe; None for the default.
        source: Name of the folder or data set; empty if the tag names none.
        digest: Digits of a digest, which no training can be made to have; empty if there are none.
    """

    limit: int | None = None
    recipe: str | None = None
    source: str = ""
    digest: str = ""


def wanted_by(tag: str, recipes: Collection[str]) -> Wanted:
    """What a tag asks for.

    Args:
        tag: As for `matched_tag`.
        recipes: Names of the method's recipes.
    """
    limit: int | None = None
    recipe: str | None = None
    source, digest = [], ""
    for part in filter(None, tag.split("-")):
        if part.isdecimal() and len(part) < SHORT:
            limit = int(part)
        elif part in recipes:
            recipe = None if part == STANDARD else part
        elif re.fullmatch(f"[0-9a-f]{{{SHORT},}}", part):
            digest = part
        else:
            source.append(part)
    return Wanted(limit, recipe, "-".join(source), digest)
