"""From a request for weights to training: which methods, what exists already, and on which images."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from robobench.backbones.backbone import Backbone
from robobench.backbones.networks import network_named
from robobench.backbones.overrides import as_options, check_normalisation, overrides
from robobench.backbones.own import own_names
from robobench.corruptions import catalogue
from robobench.datasets.files import image_files
from robobench.environment import choose_device
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import METHODS, STUDIES
from robobench.training.pools import TrainingImages, open_pools
from robobench.training.recipes import default_trainings, recipe_named
from robobench.training.task import TrainingTask
from robobench.types import CLEAN, MATCHED, Geometry
from robobench.weights import storage
from robobench.weights.classifiers import (
    backbone_in_memory,
    check_constant,
    check_finite,
    default_backbone,
    load_backbone,
    own_classifier_card,
)
from robobench.weights.coverage import canonical_training
from robobench.weights.selection import bare_name, check_applicable

if TYPE_CHECKING:
    from robobench.contracts import Method


@dataclass(frozen=True)
class TrainingRequest:
    """What a user asks for, apart from the method; the arguments of ``robobench train``.

    Attributes:
        dataset: Name of the data set, or ``folder:PATH``.
        backbone: Name of the classifier; that of the data set if None.
        weights: File with the classifier's weights.
        images: Folder of training images; the training split of the data set if None.
        limit: Number of training images.
        seed: Training seed.
        recipe: Named settings; the first ones of each method if None.
        data_root: Folder of the data sets.
        download: Whether downloads are allowed.
        layer: Layer after which a module is plugged in.
        device: ``auto`` or a torch device.
        precision: ``auto``, ``fp32`` or ``bf16``.
        deadline: In the time of `time.monotonic`.
        start: File of weights from which the classifier itself starts.
        start_dataset: Data set whose `org` it starts from instead.
        classes: File that maps folders of training images to classes.
        keep_anyway: Whether a module that is worse than none is stored.
        resize: Shorter side to resize to. This and the next four override the classifier's geometry.
        crop: Side of the central square.
        interpolation: Resampling filter of the resize.
        mean: Mean that inputs are normalised by, three numbers on 0..1.
        std: Standard deviation that inputs are normalised by, three numbers on 0..1.
        module: A classifier in memory, which `backbone` then only names; it is left as it is.

    Raises:
        RobobenchError: Pixels cannot have this mean or standard deviation.
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
    layer: str | None = None
    device: str = "auto"
    precision: str = "auto"
    deadline: float = float("inf")
    start: str | None = None
    start_dataset: str = ""
    classes: str | None = None
    keep_anyway: bool = False
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    module: nn.Module | None = None

    def __post_init__(self) -> None:
        check_normalisation(self.mean, self.std)

    @property
    def architecture(self) -> str:
        """Name of the classifier."""
        return self.backbone or default_backbone(storage.base_dataset(self.dataset))

    @property
    def dataset_name(self) -> str:
        """The name of the data set without a path, as in cards and cells."""
        kind, colon, path = self.dataset.partition(":")
        return f"{kind}:{Path(path).resolve().name}" if colon else storage.base_dataset(kind)


@dataclass(frozen=True)
class TrainingResult:
    """The weights of one training.

    Attributes:
        card: Path of their card.
        trained: False if they existed already.
    """

    card: Path
    trained: bool


def requested_trainings(
    request: TrainingRequest, method: str | None, trained_on: str | None
) -> list[tuple[str, str]]:
    """Pairs of method and what to train it on, in the order of training.

    Args:
        request: What all of them share.
        method: ``NAME`` or ``NAME@TRAINED_ON``; everything that can be trained if None.
        trained_on: What to train on, as `canonical_training` reads it, one training each where commas
            separate them, or ``matched``; what the method says if None.

    Raises:
        RobobenchError: An unknown name, or a method that cannot be trained on that.
    """
    if method is None:
        if trained_on is not None:
            raise RobobenchError("--trained-on needs --method: name the method to train")
        trainings = default_trainings()
        known = {r for name, _ in trainings for r in METHODS[name].recipes(None)}
        if request.recipe is not None and request.recipe not in known:
            raise unknown_name("recipe", request.recipe, [*known, *STUDIES])
        own = request.architecture in own_names() and request.weights is None
        return trainings if own else [t for t in trainings if METHODS[t[0]].weights_of == "plugin"]
    bare_name(method)  # refuses one that begins with @ or #
    name, at, on = method.partition("@")
    name = METHODS.canonical(name)
    if at and trained_on:
        raise RobobenchError(
            f"--method {method} and --trained-on {trained_on}: give only one of the two"
        )
    kind: type[Method] = METHODS[name]
    if not kind.recipes(None) and kind.weights_of == "none":
        raise RobobenchError(f"{name} has nothing to train: run it as it is")
    names = _trainings_named(on or trained_on or "")
    if kind.trained_on:
        if names not in ([], [kind.trained_on]):
            raise RobobenchError(
                f"{name} is trained on {kind.trained_on}, not on {', '.join(names)}"
            )
        return [(name, kind.trained_on)]
    if CLEAN in names:
        raise RobobenchError(
            f"{name} is trained on degraded images: --trained-on clean does not apply"
        )
    return [(name, t) for t in names or METHODS.entry(name).options.get("trainings", ())]


def _trainings_named(text: str) -> list[str]:
    """What commas separate; ``matched`` stands for one training on each common corruption."""
    names: list[str] = []
    for one in filter(None, map(str.strip, text.split(","))):
        names += catalogue.expand("common") if one == MATCHED else [canonical_training(one)]
    return list(dict.fromkeys(names))


def train_one(
    request: TrainingRequest,
    name: str,
    trained_on: str,
    *,
    again: bool = False,
    progress: Callable[[str, float, Mapping[str, float]], None] = lambda *_: None,
    tell: Callable[[str], None] = lambda line: None,
) -> TrainingResult:
    """Train one method on one corruption or group, unless its weights exist and are whole.

    Args:
        request: What to train for, and with which settings.
        name: Registered name of the method.
        trained_on: ``clean``, a corruption or a group.
        again: Train even if the weights exist.
        progress: Called with the stage, the share done and the latest figures.
        tell: Called with a line on weights that exist but are lost or damaged.

    Raises:
        RobobenchError: It cannot be trained; the message says why.
        TimeLimitReached: The deadline passed; the same call resumes the training.
    """
    method: type[Method] = METHODS[name]
    trained_on = canonical_training(trained_on)
    classifier = method.weights_of == "none"  # the backbone itself
    own = request.architecture in own_names() and request.module is None
    if classifier and (not own or request.weights):
        raise RobobenchError(
            f"{name} is {request.architecture} as it is: there is nothing to train"
        )
    if request.start and not classifier:
        raise RobobenchError(
            f"--start is for the classifier itself (--method org): {name} starts from the classifier"
        )
    if request.images is not None and not image_files(Path(request.images))[0]:
        raise RobobenchError(
            f"--images {request.images}: expected a folder with images, there are none"
        )
    device = choose_device(request.device)
    backbone = None if classifier else _backbone(request, device)
    if backbone is not None:
        check_finite(backbone)
        if ".py:" in request.architecture and request.module is None and request.weights is None:
            check_constant(backbone, _backbone(request, device))
        check_applicable(name, method, backbone)
    recipe_name = _recipe_name(request, name, backbone)
    whole = request.images is None and request.limit is None  # a training split as it is
    if whole and not again:
        found = _found(request, name, trained_on, backbone, recipe_name)
        if found and _is_whole(found[0], tell):
            return TrainingResult(found[0], trained=False)
    if again or whole or not _any_stored_by_user(name, trained_on):
        storage.check_folder()
    images = open_pools(
        request.dataset,
        _geometry(request) if backbone is None else backbone.geometry,
        images=request.images,
        limit=request.limit,
        root=request.data_root,
        download=request.download,
        class_names=None if backbone is None else backbone.class_names,
        labelled=method.weights_of in ("none", "classifier"),
        seed=request.seed,
        classes=request.classes,
    )
    if not whole and not again:
        found = _found(request, name, trained_on, backbone, recipe_name, images)
        if found and _is_whole(found[0], tell):
            return TrainingResult(found[0], trained=False)
        storage.check_folder()
    named = request.images is not None and method.weights_of == "plugin"
    task = TrainingTask(
        method=name,
        dataset=images.train.dataset.name if named else request.dataset_name,
        architecture=request.architecture if backbone is None else backbone.name,
        backbone=backbone,
        trained_on=trained_on,
        train_seed=request.seed,
        recipe=recipe_named(name, backbone, request.recipe),
        recipe_name=recipe_name,
        images=images,
        class_names=(
            tuple(images.train.dataset.class_names) if backbone is None else backbone.class_names
        ),
        command=_command(request, name, trained_on),
        device=device,
        precision=request.precision,
        deadline=request.deadline,
        progress=progress,
        start=_start(request) if classifier else None,
        keep_anyway=request.keep_anyway,
    )
    method.fit(task)
    if task.saved is None:
        raise RobobenchError(f"{name}: its fit stored no weights: it must call task.save")
    return TrainingResult(task.saved, trained=True)


def _found(
    request: TrainingRequest,
    name: str,
    trained_on: str,
    backbone: Backbone | None,
    recipe_name: str,
    images: TrainingImages | None = None,
) -> list[Path]:
    """Cards of what is asked for: trained on these images with this recipe."""
    paths = storage.find(
        name,
        dataset=request.dataset_name,
        backbone_name=request.architecture if backbone is None else backbone.name,
        backbone=backbone,
        trained_on=trained_on,
        train_seed=request.seed,
        layer=None if backbone is None else backbone.layer or None,
    )
    wanted = recipe_name, images.digest if images else ""
    cards = ((path, storage.read_card(path)) for path in paths)
    return [path for path, card in cards if (card.recipe_name, card.images_digest) == wanted]


def _is_whole(card: Path, tell: Callable[[str], None]) -> bool:
    """Whether the weights of a card can be used; a line says why not."""
    wrong = storage.damage(card)
    if wrong:
        tell(f"{wrong}; training again")
    return not wrong


def _any_stored_by_user(name: str, trained_on: str) -> bool:
    """Whether the images have to be opened to know if there is something to train."""
    folder = storage.user_folder()
    return any(path.parent == folder for path in storage.find(name, trained_on=trained_on))


def _recipe_name(request: TrainingRequest, name: str, backbone: Backbone | None) -> str:
    """The recipe, if it is neither the method's default nor that of a study."""
    first = next(iter(METHODS[name].recipes(backbone)), None)
    named = request.recipe
    return "" if named is None or named == first or named in STUDIES else named


def _backbone(request: TrainingRequest, device: str) -> Backbone:
    if request.module is not None:
        return backbone_in_memory(
            request.module, request, name=request.architecture, layer=request.layer, device=device
        )
    return load_backbone(
        request.architecture,
        dataset=request.dataset_name,
        weights=request.weights,
        layer=request.layer,
        device=device,
        download=request.download,
        train_seed=request.seed,
        **overrides(request),
    )


def _start(request: TrainingRequest) -> Path | None:
    if request.start:
        return Path(request.start)
    if not request.start_dataset:
        return None
    card = own_classifier_card(request.architecture, request.start_dataset, 0)
    return card.with_name(storage.read_card(card).file)


def _geometry(request: TrainingRequest) -> Geometry:
    return network_named(request.architecture, None, None).geometry


def _command(request: TrainingRequest, name: str, trained_on: str) -> str:
    parts = [f"robobench train --method {name} --dataset {shlex.quote(request.dataset_name)}"]
    parts.append(f"--backbone {shlex.quote(request.architecture)}")
    for option, value in (
        ("--weights", request.weights and Path(request.weights).name),
        ("--images", request.images and Path(request.images).name),
        ("--limit", request.limit),
        ("--classes", request.classes and Path(request.classes).name),
        ("--start", request.start and Path(request.start).name),
        ("--recipe", request.recipe),
        ("--layer", request.layer),
        *as_options(overrides(request)).items(),
    ):
        if value:
            parts.append(f"{option} {shlex.quote(str(value))}")
    if METHODS[name].trained_on is None:
        parts.append(f"--trained-on {trained_on}")
    parts.append(f"--seed {request.seed}")
    return " ".join(parts)
