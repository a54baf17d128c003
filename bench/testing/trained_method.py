"""What the training of a method promises; `robobench.testing.method` tests what it then predicts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from robobench.contracts import Method
from robobench.datasets import open_dataset
from robobench.errors import RobobenchError
from robobench.registry import METHODS
from robobench.training.call import train
from robobench.types import Context, Weights
from robobench.weights.classifiers import default_backbone, load_backbone
from robobench.weights.storage import load

__all__ = ["PROMISES", "Subject", "subject"]

_FOLDER = "ROBOBENCH_WEIGHTS"


@dataclass(frozen=True)
class Subject:
    """A method to be trained.

    Attributes:
        name: Registered name.
        dataset: Data set whose training images are used.
        backbone: Name of the classifier.
        steps: Length of the trainings.
        settings: Further settings of `robobench.train`.
    """

    name: str
    dataset: str
    backbone: str
    steps: int
    settings: dict[str, Any]

    @cached_property
    def first(self) -> Weights:
        """The result of a training, made once."""
        return self.train()

    def train(self) -> Weights:
        """Train for a few steps, away from the user's own weights."""
        with _short_recipes(METHODS[self.name], self.steps), _own_folder():
            (card,) = train(
                self.name,
                backbone=self.backbone,
                dataset=self.dataset,
                keep_anyway=True,  # a few steps may well be worse than none
                precision="fp32",
                **self.settings,
            )
            return load(card)

    def answer(self, weights: Weights) -> torch.Tensor:
        """Probabilities for a few images."""
        classifier = load_backbone(self.backbone, dataset=self.dataset)
        images = open_dataset(self.dataset).read(np.arange(6), classifier.geometry)
        method = METHODS[self.name](classifier, weights)
        known = Context("jpeg_compression", severity=3, level=30.0, indices=torch.arange(6))
        with torch.inference_mode():
            found: torch.Tensor = method.predict(images, known.told(method.needs))
        return found


def subject(
    name: str,
    *,
    dataset: str = "shapes10",
    backbone: str | None = None,
    steps: int = 3,
    limit: int = 200,
    **settings: Any,
) -> Subject:
    """A registered method that can be trained.

    Args:
        name: Registered name.
        dataset: Data set with training images.
        backbone: Classifier; that of the data set if None.
        steps: Length of the trainings.
        limit: Number of training images.
        settings: Further settings of `robobench.train`, such as ``trained_on`` or ``images``.

    Raises:
        RobobenchError: The name is unknown, or the method has nothing to train.
    """
    kind: type[Method] = METHODS[name]
    architecture = backbone or default_backbone(dataset)
    classifier = None
    if kind.weights_of != "classifier":
        classifier = load_backbone(architecture, dataset=dataset)
    if not kind.recipes(classifier):
        raise RobobenchError(f"method {name} has nothing to train: it has no recipes")
    return Subject(name, dataset, architecture, steps, {"limit": limit, **settings})


@contextmanager
def _short_recipes(kind: type[Method], steps: int) -> Iterator[None]:
    """Recipes of a few steps, for as long as this lasts."""
    full, own = kind.recipes, "recipes" in vars(kind)
    declared: Any = vars(kind).get("recipes")

    def recipes(backbone: Any) -> dict[str, Any]:
        return {
            name: replace(recipe.in_one_cycle(steps=steps), evaluations=1)
            for name, recipe in full(backbone).items()
        }

    kind.recipes = staticmethod(recipes)  # type: ignore[method-assign]
    try:
        yield
    finally:
        if own:
            kind.recipes = declared  # type: ignore[method-assign]
        else:
            del kind.recipes


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A new folder of weights, for as long as this lasts."""
    before = os.environ.get(_FOLDER)
    with TemporaryDirectory(prefix="robobench-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = before


def stores_its_weights(it: Subject) -> None:
    """A file of finite tensors, with a card that says what they are."""
    weights = it.first
    card = weights.card
    assert weights.tensors, "weights are expected, the file is empty"
    for name, tensor in weights.tensors.items():
        assert torch.isfinite(tensor.float()).all(), f"{name}: finite numbers are expected"
    expected = (it.name, METHODS[it.name].weights_of)
    found = (card.method, card.belongs_to)
    assert found == expected, f"a card for {expected} is expected, got one for {found}"


def predicts_with_them(it: Subject) -> None:
    """The weights, read from their file, make a method that gives probabilities."""
    found = it.answer(it.first)
    assert torch.isfinite(found).all(), "finite probabilities are expected"
    assert (found.sum(1) - 1).abs().max() < 1e-3, "rows that sum to one are expected"


def trains_the_same_again(it: Subject) -> None:
    """The same seed gives the same weights."""
    again = it.train()
    differ = [
        name
        for name, tensor in it.first.tensors.items()
        if not torch.equal(tensor, again.tensors[name])
    ]
    assert not differ, (
        f"the same seed gives other weights ({', '.join(differ[:3])}): draw random numbers from "
        "the task's generators, or from torch's after the training has begun"
    )


PROMISES: tuple[Callable[[Subject], None], ...] = (
    stores_its_weights,
    predicts_with_them,
    trains_the_same_again,
)
