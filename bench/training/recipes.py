"""The default trainings and their order, and the recipes of a method."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from robobench.backbones.backbone import Backbone
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import METHODS
from robobench.types import Recipe

if TYPE_CHECKING:
    from robobench.contracts import Method


_ALONE: Final = ("averaged", 1)  # a recipe's default, which a card need not state


def recorded(recipe: Recipe) -> dict[str, Any]:
    """The settings that the card of a training records."""
    values = {k: v for k, v in asdict(recipe).items() if k != "minutes"}
    return {k: v for k, v in values.items() if v not in (math.inf, ()) and (k, v) != _ALONE}


def default_trainings() -> list[tuple[str, str]]:
    """Pairs of method and what it is trained on, for all default trainings, the most valuable first.

    They come from the registration of each method: ``trainings`` names what it is trained on by
    default, ``worth`` orders the methods (small first).
    """
    found = []
    for name in METHODS:
        options = METHODS.entry(name).options
        for place, trained_on in enumerate(options.get("trainings", ())):
            found.append((options.get("worth", 50) + 40 * place, name, trained_on))
    return [(name, trained_on) for _, name, trained_on in sorted(found)]


def recipe_named(method: str, backbone: Backbone | None, name: str | None) -> Recipe:
    """A recipe of a method; its first one if no name is given.

    Raises:
        RobobenchError: The method has no recipe, or none of that name.
    """
    kind: type[Method] = METHODS[method]
    recipes = kind.recipes(backbone)
    if not recipes:
        raise RobobenchError(f"{method} has nothing to train")
    if name is None:
        return next(iter(recipes.values()))
    if name not in recipes:
        raise unknown_name(f"recipe of {method}", name, recipes)
    return recipes[name]
