"""From an order for weights to `TrainingTask`s: what is wanted, what is there, and what it learns from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.backbones.backbone import Backbone
from robobench.backbones.networks import network_named
from robobench.backbones.own import own_names
from robobench.environment import choose_device
from robobench.errors import RobobenchError
from robobench.registry import METHODS
from robobench.training.pools import open_pools
from robobench.training.recipes import planned, recipe_named
from robobench.training.task import TrainingTask
from robobench.types import CLEAN, Geometry
from robobench.weights import storage
from robobench.weights.classifiers import default_backbone, load_backbone, own_classifier_card
from robobench.weights.coverage import canonical_training
from robobench.weights.selection import check_applicable

if TYPE_CHECKING:
    from robobench.contracts import Method


@dataclass(frozen=True)
class Order:
    """What all trainings of one command share; the arguments of ``robobench train``.

    Attributes:
        dataset: As the user wrote it.
        backbone: Name of the classifier; the data set's own if None.
        weights: File of its weights.
        images: Folder of images to learn from.
        limit: How many images.
        seed: Of the training.
        recipe: Named settings; each method's first if None.
        data_root: Where data lies.
        download: Whether downloads are allowed.
        split_at: Layer after which a module is plugged in.
        device: ``auto`` or a torch device.
        precision: ``auto``, ``fp32`` or ``bf16``.
        deadline: In the time of `time.monotonic`.
        start: File of weights that the classifier itself starts from.
        start_dataset: Or the data set whose `org` it starts from.
    """

    dataset: str = "shapes10"
    backbone: str | None = None
    weights: str | None = None
    images: str | None = None
    limit: int | None = None
    seed: int = 0
    recipe: str | None = None
    data_root: str | None = None
    download: bool = False
    split_at: str | None = None
    device: str = "auto"
    precision: str = "auto"
    deadline: float = float("inf")
    start: str | None = None
    start_dataset: str = ""

    @property
    def architecture(self) -> str:
        """Name of the classifier."""
        return self.backbone or default_backbone(storage.base_dataset(self.dataset))

    @property
    def dataset_name(self) -> str:
        """The data set's name without a path, as cards and cells have it."""
        kind, colon, path = self.dataset.partition(":")
        return f"{kind}:{Path(path).resolve().name}" if colon else storage.base_dataset(kind)


@dataclass(frozen=True)
class Made:
    """Where weights are, and whether they were trained just now."""

    card: Path
    trained: bool


def wanted(order: Order, method: str | None, trained_on: str | None) -> list[tuple[str, str]]:
    """Methods and what to train each on, in the order of training.

    Raises:
        RobobenchError: An unknown name, or a method that cannot be trained so.
    """
    if method is None:
        if trained_on is not None:
            raise RobobenchError("--trained-on needs --method: which method is to be trained so?")
        plan = planned()
        own = order.architecture in own_names() and order.weights is None
        return plan if own else [job for job in plan if METHODS[job[0]].weights_of == "plugin"]
    name, at, on = method.partition("@")
    name = METHODS.canonical(name)
    if at and trained_on:
        raise RobobenchError(f"--method {method} and --trained-on {trained_on}: give one of both")
    kind: type[Method] = METHODS[name]
    if not kind.recipes(None) and kind.weights_of == "none":
        raise RobobenchError(f"{name} has nothing to train: it can be run as it is")
    texts = (on or trained_on or "").split(",")
    names = [canonical_training(text.strip()) for text in texts if text.strip()]
    if kind.trained_on:
        if names not in ([], [kind.trained_on]):
            raise RobobenchError(
                f"{name} is trained on {kind.trained_on}, not on {', '.join(names)}"
            )
        return [(name, kind.trained_on)]
    if CLEAN in names:
        raise RobobenchError(
            f"{name} is trained on degraded images; --trained-on clean means nothing"
        )
    return [(name, t) for t in names or METHODS.entry(name).options.get("trainings", ())]


def train_one(
    order: Order,
    name: str,
    trained_on: str,
    *,
    again: bool = False,
    progress: Callable[[str, float, Mapping[str, float]], None] = lambda *_: None,
) -> Made:
    """Train one method on one corruption or group, unless its weights are there.

    Raises:
        RobobenchError: It cannot be trained; the message says why.
        TimeLimitReached: The deadline came; the same call goes on from there.
    """
    method: type[Method] = METHODS[name]
    classifier = method.weights_of == "none"  # the backbone itself
    if classifier and (order.architecture not in own_names() or order.weights):
        raise RobobenchError(
            f"{name} of {order.architecture} is that network as it is: nothing is trained"
        )
    if order.start and not classifier:
        raise RobobenchError(
            f"--start is for the classifier itself (--method org): {name} starts from that"
        )
    device = choose_device(order.device)
    backbone = None if classifier else _backbone(order, device)
    if backbone is not None:
        check_applicable(name, method, backbone)
    if not again:
        found = storage.find(
            name,
            dataset=order.dataset_name,
            backbone_name=order.architecture if backbone is None else backbone.name,
            backbone_digest=None if backbone is None else backbone.digest,
            trained_on=trained_on,
            train_seed=order.seed,
        )
        if found:
            return Made(found[0], trained=False)
    geometry = _geometry(order) if backbone is None else backbone.geometry
    train, validation, profile, text = open_pools(
        order.dataset,
        geometry,
        images=order.images,
        limit=order.limit,
        root=order.data_root,
        download=order.download,
        class_names=None if backbone is None else backbone.class_names,
        labelled=method.weights_of in ("none", "classifier"),
        seed=order.seed,
    )
    task = TrainingTask(
        method=name,
        dataset=order.dataset_name,
        architecture=order.architecture if backbone is None else backbone.name,
        backbone=backbone,
        trained_on=trained_on,
        train_seed=order.seed,
        recipe=recipe_named(name, backbone, order.recipe),
        train=train,
        validation=validation,
        class_names=tuple(train.dataset.class_names) if backbone is None else backbone.class_names,
        profile=profile,
        command=_command(order, name, trained_on),
        images=text,
        device=device,
        precision=order.precision,
        deadline=order.deadline,
        progress=progress,
        start=_start(order) if classifier else None,
    )
    method.fit(task)
    if task.saved is None:
        raise RobobenchError(f"{name}: its fit stored no weights (task.save was not called)")
    return Made(task.saved, trained=True)


def _backbone(order: Order, device: str) -> Backbone:
    return load_backbone(
        order.architecture,
        dataset=order.dataset_name,
        weights=order.weights,
        split_at=order.split_at,
        device=device,
        download=order.download,
        train_seed=order.seed,
    )


def _start(order: Order) -> Path | None:
    if order.start:
        return Path(order.start)
    if not order.start_dataset:
        return None
    card = own_classifier_card(order.architecture, order.start_dataset, 0)
    return card.with_name(storage.read_card(card).file)


def _geometry(order: Order) -> Geometry:
    return network_named(order.architecture, None, None).geometry


def _command(order: Order, name: str, trained_on: str) -> str:
    parts = [f"robobench train --method {name} --dataset {order.dataset_name}"]
    parts.append(f"--backbone {order.architecture}")
    for option, value in (
        ("--weights", order.weights and Path(order.weights).name),
        ("--images", order.images and Path(order.images).name),
        ("--limit", order.limit),
        ("--start", order.start and Path(order.start).name),
        ("--recipe", order.recipe),
    ):
        if value:
            parts.append(f"{option} {value}")
    if METHODS[name].trained_on is None:
        parts.append(f"--trained-on {trained_on}")
    parts.append(f"--seed {order.seed}")
    return " ".join(parts)
