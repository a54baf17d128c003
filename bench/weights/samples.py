"""What tells apart trainings that differ only in their images or recipe."""

from __future__ import annotations

from typing import Final

from robobench.types import Card

SHORT: Final = 6
"""Digits of a digest in names."""


def sample_of(card: Card) -> str:
    """Number and digest of the images and the recipe, as far as named: ``10-3f2a1c-paper``."""
    parts = [str(card.images_count or ""), card.images_digest[:SHORT], card.recipe_name]
    return "-".join(part for part in parts if part)


def answers_to(card: Card, tag: str) -> bool:
    """Whether a tag, as after ``#`` in ``afd@jpeg#10``, names a training.

    Args:
        card: That of the weights.
        tag: A number of images, the name of a recipe, the first six or more digits of the images'
            digest, or several of them joined by ``-``.
    """
    known = {str(card.images_count), card.recipe_name or "standard"}
    return all(
        part in known or (len(part) >= SHORT and card.images_digest.startswith(part))
        for part in tag.split("-")
    )
