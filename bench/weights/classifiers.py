"""Load classifiers by name, the built-in ones with the weights trained for a data set."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robobench.backbones.backbone import Backbone
from robobench.backbones.networks import (
    Network,
    fit_state,
    network_named,
)
from robobench.backbones.overrides import as_options, check_normalisation, overrides
from robobench.errors import MissingWeights, RobobenchError
from robobench.registry import DATASETS
from robobench.types import CLEAN, Geometry, Weights
from robobench.weights.storage import base_dataset, cards, load


def load_backbone(
    name: str,
    *,
    dataset: str | None = None,
    weights: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    resize: int | None = None,
    crop: int | None = None,
    interpolation: str | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    layer: str | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    download: bool = False,
    train_seed: int = 0,
    options: str = "",
) -> Backbone:
    """Load a classifier by name.

    Args:
        name: A built-in one (``vgg-tiny``, ``vgg-small``, ``resnet-20``, ``resnet-56``, ``vgg-tanaka``),
            ``timm:NAME``, ``torchvision:NAME``, ``hf:NAME``, ``onnx:FILE``, ``pt2:FILE``, ``ts:FILE``
            or ``FILE.py:FACTORY``.
        dataset: Data set that the built-in networks were trained on.
        weights: Safetensors file, or a PyTorch file of tensors only.
        class_names: Names of the classes in the order of the outputs, if the data set defines them;
            otherwise they come from the weights (ImageNet's if there are 1,000).
        resize: Shorter side to resize to. This and the next four override the network's geometry.
        crop: Side of the central square.
        interpolation: Resampling filter of the resize.
        mean: Mean that inputs are normalised by, three numbers on 0..1.
        std: Standard deviation that inputs are normalised by, three numbers on 0..1.
        layer: Name of the module after which the network is split.
        device: Where it runs.
        precision: ``fp32`` or ``bf16``.
        download: Whether pretrained weights may be downloaded from the hub.
        train_seed: Training seed of the built-in networks.
        options: Command-line options of the data set, for messages; ``--dataset NAME`` if empty.

    Raises:
        RobobenchError: The name is unknown, weights are missing, or do not fit the network; or it
            normalises images itself and other numbers are given; see also `check_normalisation`.
    """
    network: Network = network_named(name, weights, class_names, download)
    command = f"--backbone {shlex.quote(name)}"
    if weights is not None:
        command += f" --weights {shlex.quote(str(weights))}"
    if layer is not None:
        command += f" --layer {layer}"
    given = {
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "mean": mean,
        "std": std,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    command = " ".join([command, *(f"{o} {v}" for o, v in as_options(changes).items())])
    if network.own and weights is None:
        stored = own_classifier(name, dataset, train_seed, options)
        names = tuple(stored.card.class_names)
        if class_names is not None and len(class_names) != len(names):
            raise RobobenchError(
                f"{name} for {dataset} was trained on {len(names)} classes, the data set has "
                f"{len(class_names)}"
            )
        network = network_named(name, None, names, download)
        fit_state(network.module, stored.tensors, stored.card.file, name)
    return Backbone(
        network.module,
        name=network.name,
        geometry=changed_geometry(network, changes),
        class_names=network.class_names,
        layer=layer,
        version=network.version,
        device=device,
        precision=precision,
        command=command,
    )


def changed_geometry(network: Network, changes: Mapping[str, Any]) -> Geometry:
    """A network's geometry with what the user replaces of it.

    Args:
        network: The network.
        changes: As from `robobench.backbones.overrides.overrides`.

    Raises:
        RobobenchError: The network takes images of another size, or it normalises images itself and
            other numbers are given.
    """
    only, crop = getattr(network.module, "fixed_side", None), changes.get("crop")
    if only is not None and crop not in (None, only):
        raise RobobenchError(
            f"--crop {crop}: {network.name} was made for images of {only} x {only} pixels; leave "
            "--crop out"
        )
    if network.normalises:
        _refuse_normalisation(network, mean=changes.get("mean"), std=changes.get("std"))
    check_normalisation(changes.get("mean"), changes.get("std"))
    return replace(network.geometry, **changes)


def backbone_in_memory(module: nn.Module, settings: object, **arguments: Any) -> Backbone:
    """A classifier that the caller holds, copied: theirs keeps its mode, device and gradients.

    Args:
        module: Maps normalised images to logits.
        settings: What replaces parts of the geometry, see `robobench.backbones.overrides`.
        arguments: Further arguments of `Backbone`.

    Raises:
        RobobenchError: See `Backbone`.
    """
    return Backbone(copy.deepcopy(module), geometry=Geometry(**overrides(settings)), **arguments)


def check_finite(backbone: Backbone) -> None:
    """Refuse a classifier that has no answer to ordinary images: nothing can be learned from it.

    Args:
        backbone: The classifier.

    Raises:
        RobobenchError: Its logits for a grey image, or for one of noise, are NaN or infinite.
    """
    grey = backbone.example
    noise = torch.rand(grey.shape, generator=torch.Generator().manual_seed(0)) * 255
    for image, called in ((grey, "a grey image"), (noise.to(torch.uint8), "an image of noise")):
        with torch.inference_mode():
            logits = backbone.logits(image)
        if not logits.isfinite().all():
            told = "NaN" if logits.isnan().any() else "infinite"
            raise RobobenchError(
                f"backbone {backbone.name}: its logits for {called} are {told}; expected finite numbers: "
                "check its weights, --mean and --std"
            )


def check_constant(backbone: Backbone, again: Backbone) -> None:
    """Refuse a classifier that is another one each time it is loaded: its module would never be found.

    Args:
        backbone: The classifier.
        again: The same, loaded a second time.

    Raises:
        RobobenchError: They have different weights.
    """
    if backbone.digest != again.digest:
        raise RobobenchError(
            f"backbone {backbone.name}: it has other weights each time it is loaded, so what is trained "
            "for it would not be found again; let the factory load its weights, or name --weights"
        )


def dataset_options(settings: Any, dataset: str | None) -> str:
    """The command-line options that select a data set, for commands in messages.

    Args:
        settings: Has the attributes classes, data_root and download.
        dataset: As for ``--dataset``; None leaves the option out.
    """
    options = (
        ("--dataset", dataset and base_dataset(dataset)),
        ("--classes", settings.classes),
        ("--data-root", settings.data_root),
    )
    words = [f"{option} {shlex.quote(value)}" for option, value in options if value]
    return " ".join([*words, *(["--download"] if settings.download else [])])


def _refuse_normalisation(network: Network, **given: tuple[float, float, float] | None) -> None:
    """Refuse mean and deviation for a network that normalises images itself.

    Raises:
        RobobenchError: They would be applied twice.
    """
    for option, value in given.items():
        if value is not None and tuple(value) != getattr(network.geometry, option):
            raise RobobenchError(
                f"--{option} {','.join(f'{v:g}' for v in value)}: {network.name} takes pixels and "
                "normalises them itself; leave --mean and --std out"
            )


def own_classifier(
    backbone: str, dataset: str | None, train_seed: int, options: str = ""
) -> Weights:
    """The clean-trained weights of a built-in network.

    Raises:
        RobobenchError: There are no such weights; the message says how to train them.
    """
    return load(own_classifier_card(backbone, dataset, train_seed, options))


def own_classifier_card(
    backbone: str, dataset: str | None, train_seed: int, options: str = ""
) -> Path:
    """Path of the card of a built-in network's clean-trained weights.

    Raises:
        RobobenchError: There are no such weights; the message says how to train them.
    """
    if dataset is None:
        raise RobobenchError(f"{backbone} needs the data set that it was trained on, or weights")
    dataset = base_dataset(dataset)
    found = [
        path
        for path, card in cards("org")
        if card.belongs_to == "classifier"
        and (card.dataset, card.backbone) == (dataset, backbone)
        and (card.trained_on, card.train_seed) == (CLEAN, train_seed)
    ]
    if not found:
        seed = f" --seed {train_seed}" if train_seed else ""
        raise MissingWeights(
            f"{backbone} has no weights for {dataset} yet; "
            f"`robobench train --method org {options or f'--dataset {shlex.quote(dataset)}'} "
            f"--backbone {shlex.quote(backbone)}{seed}` trains them",
            method="org",
            trainings=(CLEAN,),
            train_seed=train_seed,
        )
    return found[0]


def default_backbone(dataset: str) -> str:
    """The classifier that a data set declares for runs that name none.

    Args:
        dataset: As ``--dataset`` takes it.

    Raises:
        RobobenchError: The data set declares none.
    """
    declared = DATASETS.declared(dataset.partition(":")[0], "backbone")
    if declared:
        return str(declared)
    raise RobobenchError(
        f"--dataset {dataset} has no default backbone: name one, for example "
        "--backbone torchvision:resnet50 --download, or --backbone timm:NAME --weights FILE"
    )
