"""What a method is given to train itself.

The `fit` of a method gets a `TrainingTask`: images, degradation, the frozen classifier, the training
loop, and where to store the result. The method adds its network and its loss.
"""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from robobench.backbones.backbone import Backbone, placed
from robobench.backbones.networks import start_from
from robobench.backbones.own import own_names, own_network
from robobench.backbones.staged import StagedNetwork
from robobench.errors import MissingWeights, RobobenchError
from robobench.registry import METHODS
from robobench.training.augmentation import rescaled_crops
from robobench.training.degrader import Degrader, degrade_all, validation_conditions
from robobench.training.fitting import (
    Fit,
    LoopSettings,
    Objective,
    Validation,
    batch_positions,
    fit_network,
)
from robobench.training.origin import origin
from robobench.training.pools import ImagePool, TrainingImages
from robobench.training.recipes import recorded
from robobench.training.views import Views
from robobench.types import CLEAN, Card, Degradation, Recipe, Weights
from robobench.weights import storage
from robobench.weights.coverage import trained_corruptions, trained_levels
from robobench.weights.selection import select

if TYPE_CHECKING:
    from robobench.contracts import Method

_VALIDATION_IMAGES: Final = 1000
_VIEWS_SEED: Final = 11


@dataclass
class TrainingTask:
    """Everything needed for one training of one method.

    Attributes:
        method: Registered name.
        dataset: Name of the data set that the weights are for.
        architecture: Name of the backbone.
        backbone: The frozen classifier; None if it is what is trained.
        trained_on: ``clean``, a corruption or a group.
        train_seed: Seed of all random numbers.
        recipe: Training settings.
        images: Training images, with labels or without, and those on which everything is chosen.
        class_names: Classes of the data set.
        command: Command that starts this training, for the card.
        device: Torch device.
        precision: ``fp32``, ``bf16``, or ``auto``, which measures the faster one.
        deadline: In the time of `time.monotonic`.
        folder: Folder of the weights.
        progress: Called with the stage, the share done and the latest figures.
        start: File of weights from which one of our own classifiers starts.
        recipe_name: Name of the recipe in the card; empty for the method's default.
        keep_anyway: Whether a module that is worse than none is stored.
        saved: Path of the card, set by `save`.
    """

    method: str
    dataset: str
    architecture: str
    backbone: Backbone | None
    trained_on: str
    train_seed: int
    recipe: Recipe
    images: TrainingImages
    class_names: tuple[str, ...]
    command: str
    device: str = "cpu"
    precision: str = "auto"
    deadline: float = math.inf
    folder: Path = field(default_factory=storage.user_folder)
    progress: Callable[[str, float, Mapping[str, float]], None] = lambda stage, share, figures: None
    start: Path | None = None
    recipe_name: str = ""
    keep_anyway: bool = False
    saved: Path | None = None

    @property
    def frozen(self) -> Backbone:
        """The frozen classifier.

        Raises:
            RobobenchError: There is none: it is what is trained.
        """
        if self.backbone is None:
            raise RobobenchError(
                f"{self.method} needs a trained {self.architecture}: "
                f"`robobench train --method org --dataset {shlex.quote(self.dataset)}` trains it"
            )
        return self.backbone

    @property
    def train(self) -> ImagePool:
        """Training images."""
        return self.images.train

    @property
    def validation(self) -> ImagePool:
        """Images held out, on which everything is chosen."""
        return self.images.validation

    @property
    def profile(self) -> str:
        """Severity table."""
        return self.images.profile

    @property
    def labelled(self) -> bool:
        """Whether every training image has a label."""
        return bool((self.train.labels >= 0).all())

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Corruption -> lowest and highest level: of `trained_on`, else of the recipe."""
        return {**self.recipe.options.get("ranges", {}), **trained_levels(self.trained_on)}

    @cached_property
    def degrader(self) -> Degrader:
        """Degrades training batches according to `trained_on` and the recipe."""
        options = self.recipe.options
        return Degrader(
            trained_corruptions(self.trained_on),
            self.profile,
            ranges=self.ranges,
            seed=self.train_seed,
            clean_share=options.get("clean_share", 0.0),
            emphasis=options.get("emphasis"),
            logarithmic=options.get("logarithmic", False),
        )

    @cached_property
    def conditions(self) -> list[tuple[Degradation, Tensor]]:
        """The conditions of validation with the images under each; only clean if there are no others."""
        images, _ = self.clean
        names = trained_corruptions(self.trained_on)
        found = validation_conditions(names, self.profile, self.ranges)
        return [(d, degrade_all(images, d)) for d in found or [Degradation(CLEAN)]]

    @cached_property
    def clean(self) -> tuple[Tensor, Tensor]:
        """Validation images without degradation, and their labels, on the device.

        With the recipe's option ``views`` they are random crops like those of the training, several
        per image where there are fewer images.
        """
        count = min(len(self.validation), _VALIDATION_IMAGES)
        places = np.arange(count)
        views = self.recipe.options.get("views", 0)
        if count < views:
            places = np.resize(places, views)
        images = self.validation.batch(places)
        if (crop := self.views.crop) and views:
            generator = np.random.default_rng(_VIEWS_SEED)
            images = rescaled_crops(images, crop, self.recipe.options["smallest"], generator)
        return images.to(self.device), self.validation.labels[places].to(self.device)

    @cached_property
    def views(self) -> Views:
        """Takes the random views of training images that the recipe asks for."""
        return Views(self.train, self.recipe.options, self.train_seed)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Clean training images of a step, augmented, and their labels."""
        recipe = self.recipe
        positions = batch_positions(len(self.train), recipe.batch, self.train_seed, step)
        generator = np.random.default_rng([self.train_seed, step, 0])
        moved = self.views(self.train.batch(positions), generator)
        return moved, self.train.labels[torch.from_numpy(positions)]

    def degraded_batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Clean images, degraded images, native levels and labels of a step, on the device."""
        clean, labels = self.batch(step)
        degraded, levels = self.degrader(clean, step)
        clean, degraded, levels, labels = (
            t.to(self.device) for t in (clean, degraded, levels, labels)
        )
        return clean, degraded, levels, labels

    def fit(
        self,
        network: nn.Module,
        objective: Objective,
        validate: Validation,
        stage: str = "network",
        recipe: Recipe | None = None,
    ) -> Fit:
        """Train a network, and leave in it the weights that the recipe keeps; see `fit_network`.

        Args:
            network: Network to train, on the device.
            objective: Maps the number of a step to its loss.
            validate: Returns figures of the network; the first one decides.
            stage: Name of the checkpoint, for methods that train several networks.
            recipe: Training settings; those of the task if None.
        """
        settings = LoopSettings(
            seed=self.train_seed,
            checkpoint=self.checkpoint(stage),
            device=torch.device(self.device),
            precision=self.precision,
            deadline=self.deadline,
            progress=lambda share, figures: self.progress(stage, share, figures),
        )
        return fit_network(
            network, objective, validate, recipe or self.recipe, settings, self._use_precision
        )

    def _use_precision(self, precision: str) -> None:
        if self.backbone is not None:  # the frozen classifier runs in the same precision
            self.backbone.precision = precision

    def checkpoint(self, stage: str) -> Path:
        """Path of the checkpoint of a stage."""
        return (
            self.folder / "unfinished" / f"{storage.file_stem(self._card({}, {}, 0.0))}-{stage}.pt"
        )

    def fresh_network(self) -> nn.Module:
        """A network of the backbone's architecture, from which the training of a classifier starts.

        It is a copy of the backbone; or untrained, if the backbone itself is what is trained or the
        recipe has the option ``from_scratch``.

        Raises:
            RobobenchError: It must be untrained, and the architecture is not one of our own.
        """
        torch.manual_seed(self.train_seed)
        if self.backbone is not None and not self.recipe.options.get("from_scratch"):
            return self.backbone.twin()
        if self.architecture not in own_names():
            raise RobobenchError(
                f"{self.architecture} is not trained here: give its --weights, or train one of "
                f"{', '.join(own_names())}"
            )
        dropout = self.recipe.options.get("dropout", 0.0)
        network = own_network(self.architecture, len(self.class_names), dropout)
        if self.start is not None:
            start_from(network, self.start, self.architecture)
        return placed(network, self.device)

    def fresh_own_network(self) -> StagedNetwork:
        """The same, for methods that modify the network.

        Raises:
            RobobenchError: The architecture is not one of our own.
        """
        network = self.fresh_network()
        if not isinstance(network, StagedNetwork):
            raise RobobenchError(
                f"{self.method} is built on our own networks ({', '.join(own_names())}), not on "
                f"{self.architecture}"
            )
        return network

    @property
    def start_of_arm(self) -> str:
        """What `fresh_network` starts from, for the card."""
        if self.recipe.options.get("from_scratch"):
            return "random"
        return f"org, tensors sha256 {self.frozen.digest}"

    def trained(self, method: str, trained_on: str) -> Weights:
        """The weights of another method that this one is built on.

        Args:
            method: Registered name.
            trained_on: ``clean``, a corruption or a group.

        Raises:
            MissingWeights: There are none; the message has the command that trains them.
        """
        spec = method if METHODS[method].trained_on else f"{method}@{trained_on}"
        try:
            found = select(
                spec, dataset=self.dataset, backbone=self.frozen, corruptions=(),
                train_seed=self.train_seed,
            )  # fmt: skip
        except MissingWeights as error:
            raise MissingWeights(
                f"{self.method} is built on {method}: {error}",
                method=error.method,
                trainings=error.trainings,
                train_seed=error.train_seed,
            ) from None
        (card,) = found.cards.values()
        return storage.load(card)

    def require_labels(self) -> None:
        """Check that every training image has a label.

        Raises:
            RobobenchError: Some image has none.
        """
        if not self.labelled:
            raise RobobenchError(
                f"{self.method} on {self.dataset} needs labelled training images: give --images DIR "
                "with one sub-folder per class"
            )

    def save(
        self,
        tensors: Mapping[str, Tensor],
        fit: Fit,
        network: Mapping[str, Any],
        minutes: float = 0,
    ) -> Path:
        """Store the weights with their card and training curves, and delete the checkpoints.

        With the recipe's option ``stored_as="float16"``, filters and matrices are rounded to half
        precision, which halves the size of the file; biases and statistics are not.

        Args:
            tensors: Name -> tensor.
            fit: Outcome of the last stage.
            network: What is needed to build the network again; part of the recipe in the card.
            minutes: Duration of the other stages.

        Returns:
            Path of the card.
        """
        recipe = {**recorded(self.recipe), "network": dict(network), "precision": fit.precision}
        license_, source = origin(network, self.start, self.dataset, self.architecture)
        card = self._card(recipe, fit.figures, fit.minutes + minutes)
        card = replace(card, license=license_, source=source)
        if self.recipe.options.get("stored_as") == "float16":
            tensors = {k: t.half() if t.ndim > 1 else t for k, t in tensors.items()}
        self.saved = storage.save(card, tensors, self.folder)
        stem = storage.file_stem(card)
        curves = self.folder / "curves"
        curves.mkdir(exist_ok=True)
        for path in (self.folder / "unfinished").glob(f"{stem}-*.*"):
            if path.suffix == ".jsonl":
                path.replace(curves / path.name)
            else:
                path.unlink()
        return self.saved

    def _card(
        self, recipe: Mapping[str, Any], figures: Mapping[str, float], minutes: float
    ) -> Card:
        method: type[Method] = METHODS[self.method]
        belongs_to = "classifier" if method.weights_of == "none" else method.weights_of
        plugin = belongs_to == "plugin"
        return Card(
            method=self.method,
            belongs_to=belongs_to,
            dataset=self.dataset,
            backbone="" if belongs_to == "restorer" else self.architecture,
            backbone_digest=self.frozen.digest if plugin else "",
            trained_on=self.trained_on,
            train_seed=self.train_seed,
            digest="",
            file="",
            command=self.command,
            recipe=recipe,
            images=self.images.description,
            images_count=self.images.count,
            images_digest=self.images.digest,
            recipe_name=self.recipe_name,
            accuracy={k: round(v, 5) for k, v in figures.items()},
            parameters=0,
            minutes=round(minutes, 2),
            versions={
                "robobench": version("robobench"),
                "python": platform.python_version(),
                "torch": torch.__version__,
            },
            class_names=self.class_names if belongs_to == "classifier" else (),
            layer=self.frozen.layer if plugin else "",
            preparation=storage.preparation_of(self.frozen.geometry) if plugin else "",
        )
