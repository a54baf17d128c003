"""What to say of weights that a method needs and that are not there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from robobench.contracts import Method
from robobench.errors import MissingWeights, RobobenchError
from robobench.registry import DATASETS
from robobench.types import MATCHED
from robobench.weights.candidates import recipe_names
from robobench.weights.samples import Wanted, answers_to, source_named, wanted_by
from robobench.weights.storage import base_dataset, find, is_of, read_card

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone


def has_training_images(dataset: str) -> bool:
    """Whether a data set brings images to train on; of a folder the user has to name some."""
    return bool(DATASETS.declared(dataset.partition(":")[0], "training_images"))


def training_command(
    method: str,
    selection: Sequence[str],
    trained_on: str,
    wanted: Wanted,
    *,
    own_images: bool,
    seed: int,
) -> str:
    """The command that trains weights.

    Args:
        method: Name of the method that owns them.
        selection: Options that select data set and classifier; empty ones are left out.
        trained_on: What to train on; empty if the method says that.
        wanted: What a tag asks for.
        own_images: Whether the data set brings the images to train on.
        seed: Training seed.
    """
    parts = ["robobench train --method", method, *filter(None, selection)]
    if not own_images:
        parts.append(f"--images {'DIR/' if wanted.source else 'DIR'}{wanted.source}")
    if trained_on:
        parts.append(f"--trained-on {trained_on}")
    if wanted.limit is not None:
        parts.append(f"--limit {wanted.limit}")
    if wanted.recipe is not None:
        parts.append(f"--recipe {wanted.recipe}")
    if seed:
        parts.append(f"--seed {seed}")
    return " ".join(parts)


@dataclass(frozen=True)
class MissingTraining:
    """What is needed to say how missing weights can be trained.

    Attributes:
        name: Registered name.
        method: Its class.
        dataset: Name of the data set.
        backbone: The classifier.
        train_seed: Training seed.
        command: Command-line options of the data set; ``--dataset NAME`` if empty.
        tag: What followed ``#``.
        others: Names of the method's trainings that are there.
    """

    name: str
    method: type[Method]
    dataset: str
    backbone: Backbone
    train_seed: int
    command: str
    tag: str = ""
    others: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Name of the method to train."""
        return self.method.trained_as or self.name

    def error(self, trainings: Sequence[str], *, bank: bool = False) -> RobobenchError:
        """What to raise, with the command that makes the weights.

        Args:
            trainings: What they have to be trained on.
            bank: Whether there are weights for each corruption, but none for all of them.
        """
        if not trainings:
            return RobobenchError(
                f"{self.name} has no weights here, and only clean images are evaluated: "
                f"name a training, {self.name}@CORRUPTION"
            )
        what = self.name if self.method.trained_on else f"{self.name}@{','.join(trainings)}"
        if self.tag:
            what += f"#{self.tag}"
        recipes = self.method.recipes(self.backbone)
        minutes = sum(next(iter(recipes.values())).minutes for _ in trainings) if recipes else 0
        lasts = f" (about {max(1, round(minutes))} minutes on two cores)" if recipes else ""
        told = ""
        if bank:
            told = f"; or {self.name}@{MATCHED}: one of those here for each corruption, which it is told"
        return MissingWeights(
            f"{what} has no weights for {self.dataset} and {self.backbone.name} yet"
            f"{self._meant(trainings)}{self._prepared_otherwise(trainings)}; "
            f"`{self.train_command(trainings)}` trains them{lasts}{self._labels()}{told}",
            method=self.owner,
            trainings=tuple(trainings),
            train_seed=self.train_seed,
            tag=self.tag,
        )

    def _meant(self, trainings: Sequence[str]) -> str:
        """The stored training with the most similar name, if one was asked for by its tag."""
        asked = f"{self.owner}@{'/'.join(trainings)}#{self.tag}"
        close = get_close_matches(asked, self.others, n=2, cutoff=0.5) if self.tag else []
        return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""

    def _prepared_otherwise(self, trainings: Sequence[str]) -> str:
        """Which trainings of this classifier there are, if images were resized or normalised otherwise."""
        found = map(read_card, find(self.owner, train_seed=self.train_seed))
        recipes = recipe_names(self.method, self.backbone) if self.tag else ()
        others = {
            card.preparation
            for card in found
            if card.backbone_digest == self.backbone.digest
            and card.trained_on in trainings
            and (not self.tag or answers_to(card, self.tag, recipes))
            and not is_of(card, self.backbone)
        }
        if not others:
            return ""
        seen = self.backbone.geometry.key
        told = {
            f"mean and deviation {numbers}" if key == seen else key
            for key, _, numbers in (other.partition(" ") for other in others)
        }
        return (
            f" (those here learned from images prepared otherwise, {' or '.join(sorted(told))}: "
            "--resize, --crop, --interpolation, --mean and --std must agree)"
        )

    @cached_property
    def _wanted(self) -> Wanted:
        return wanted_by(self.tag, recipe_names(self.method, self.backbone))

    def train_command(self, trainings: Sequence[str]) -> str:
        """The command that trains on all of these."""
        wanted = self._wanted
        data = self.command or f"--dataset {shlex.quote(base_dataset(self.dataset))}"
        own = has_training_images(self.dataset) and wanted.source in (
            "",
            source_named(self.dataset),
        )
        return training_command(
            self.owner,
            [data, self.backbone.command],
            "" if self.method.trained_on else ",".join(trainings),
            wanted,
            own_images=own,
            seed=self.train_seed,
        )

    def _labels(self) -> str:
        if has_training_images(self.dataset) or self._wanted.source:
            return ""
        if self.method.weights_of == "classifier":
            return "; DIR holds labelled training images, one sub-folder per class"
        enough = "ten are enough" if (limit := self._wanted.limit) is None else f"{limit} or more"
        return f"; DIR holds any photographs, {enough}"
