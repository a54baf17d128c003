"""The stored weights that a method could use, and what each is called."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.contracts import Method
from robobench.errors import SeveralTrainings
from robobench.types import Card
from robobench.weights.samples import STANDARD, answers_to, tag_of
from robobench.weights.storage import find, read_card

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone


@dataclass(frozen=True)
class Candidate:
    """Stored weights.

    Attributes:
        card: Their card.
        path: Path of the card.
    """

    card: Card
    path: Path


def candidates(
    name: str, method: type[Method], dataset: str, backbone: Backbone, train_seed: int, tag: str
) -> dict[str, list[Candidate]]:
    """What it was trained on -> such weights, those that the tag names if there is one.

    Args:
        name: Registered name of the method that the weights are of.
        method: The method that uses them.
        dataset: Name of the data set.
        backbone: The classifier.
        train_seed: Training seed.
        tag: As for `robobench.weights.samples.matched_tag`; empty for all.
    """
    paths = find(
        name,
        dataset=dataset,
        backbone_name=backbone.name,
        backbone=backbone,
        train_seed=train_seed,
        layer=backbone.layer if method.weights_of == "plugin" else None,
    )
    recipes = recipe_names(method, backbone) if tag else ()
    found: dict[str, list[Candidate]] = {}
    for path in paths:
        card = read_card(path)
        if card.belongs_to == method.weights_of and (not tag or answers_to(card, tag, recipes)):
            found.setdefault(card.trained_on, []).append(Candidate(card, path))
    return found


def recipe_names(method: type[Method], backbone: Backbone | None) -> list[str]:
    """The names of a method's recipes, with the one that the default always has."""
    return [*dict.fromkeys([STANDARD, *method.recipes(backbone)])]


def first_choice(spec: str, several: list[Candidate]) -> Candidate:
    """The weights that a specification means where several fit.

    The first folder of the search path counts; in it the default recipe comes first, then the
    training with most images.

    Args:
        spec: The specification, for messages.
        several: At least one.

    Raises:
        SeveralTrainings: The images of several come from different places, and nothing decides.
    """
    folder = several[0].path.parent

    def rank(one: Candidate) -> tuple[bool, float]:
        return one.card.recipe_name != "", -(one.card.images_count or math.inf)

    here = [one for one in several if one.path.parent == folder]
    best = min(map(rank, here))
    found = [one for one in here if rank(one) == best]
    if len(found) > 1:
        raise SeveralTrainings(spec, names_of(found).values())
    return found[0]


def names_of(several: Iterable[Candidate]) -> Mapping[Path, str]:
    """Path of the card -> ``afd@jpeg_compression#10-cub100``, a name that only this training has.

    Where number and source of the images and the recipe do not tell two of a classifier apart, the
    name has digits of the images' digest.
    """
    found = list(several)
    short = Counter(_key(one, _name(one.card)) for one in found)
    return {
        one.path: _name(one.card, digest=short[_key(one, _name(one.card))] > 1) for one in found
    }


def _name(card: Card, *, digest: bool = False) -> str:
    tag = tag_of(card, digest=digest)
    return f"{card.method}@{card.trained_on}{f'#{tag}' if tag else ''}"


def _key(one: Candidate, name: str) -> tuple[object, ...]:
    """What weights of one name must differ in, to be found by it."""
    card = one.card
    classifier = card.backbone_digest if card.belongs_to == "plugin" else card.dataset
    prepared = card.layer, card.preparation
    return name, card.backbone, classifier, *prepared, card.train_seed, one.path.parent
