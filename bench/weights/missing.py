"""What to say of weights that a method needs and that are not there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robobench.contracts import Method
from robobench.errors import MissingWeights, RobobenchError
from robobench.registry import DATASETS
from robobench.types import MATCHED
from robobench.weights.samples import SHORT
from robobench.weights.storage import base_dataset

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone


@dataclass(frozen=True)
class MissingTraining:
    """What is needed to say how missing weights can be trained."""

    name: str
    method: type[Method]
    dataset: str
    backbone: Backbone
    train_seed: int
    command: str
    tag: str = ""

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
            f"{what} has no weights for {self.dataset} and {self.backbone.name} yet; "
            f"`{self.train_command(trainings)}` trains them{lasts}{self._labels()}{told}",
            method=self.owner,
            trainings=tuple(trainings),
            train_seed=self.train_seed,
        )

    def train_command(self, trainings: Sequence[str]) -> str:
        """The command that trains on all of these."""
        parts = ["robobench train --method", self.owner]
        parts.append(self.command or f"--dataset {shlex.quote(base_dataset(self.dataset))}")
        parts.append(self.backbone.command)
        if not self._has_training_images:
            parts.append("--images DIR")
        if not self.method.trained_on:
            parts.append(f"--trained-on {','.join(trainings)}")
        for part in self.tag.split("-"):
            if part.isdecimal() and len(part) < SHORT:
                parts.append(f"--limit {part}")
            elif part in self.method.recipes(self.backbone):
                parts.append(f"--recipe {part}")
        if self.train_seed:
            parts.append(f"--seed {self.train_seed}")
        return " ".join(parts)

    @property
    def _has_training_images(self) -> bool:
        return bool(DATASETS.declared(self.dataset.partition(":")[0], "training_images"))

    def _labels(self) -> str:
        if self._has_training_images:
            return ""
        if self.method.weights_of == "classifier":
            return "; DIR holds labelled training images, one sub-folder per class"
        return "; DIR holds any photographs, ten are enough"
