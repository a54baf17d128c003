"""Which trainings there are, in what order, and by which settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robobench.backbones.backbone import Backbone
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import METHODS
from robobench.types import Recipe

if TYPE_CHECKING:
    from robobench.contracts import Method


def planned() -> list[tuple[str, str]]:
    """Method and training of everything that ``robobench train`` makes, the most valuable first.

    A method says so where it is registered: ``trainings`` names what it is trained on by default,
    ``worth`` orders them (small first).
    """
    found = []
    for name in METHODS:
        options = METHODS.entry(name).options
        for place, trained_on in enumerate(options.get("trainings", ())):
            found.append((options.get("worth", 50) + 40 * place, name, trained_on))
    return [(name, trained_on) for _, name, trained_on in sorted(found)]


def recipe_named(method: str, backbone: Backbone | None, name: str | None) -> Recipe:
    """A recipe of a method; its first one by default.

    Raises:
        RobobenchError: It has none, or none of that name.
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
