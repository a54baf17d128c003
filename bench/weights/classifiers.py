"""Classifiers loaded by name, our own with the weights that were trained for a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from robobench.backbones.backbone import Backbone
from robobench.backbones.networks import (
    Network,
    fit_state,
    network_named,
)
from robobench.errors import MissingWeights, RobobenchError
from robobench.registry import DATASETS
from robobench.types import CLEAN, Weights
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
    split_at: str | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    download: bool = False,
    train_seed: int = 0,
) -> Backbone:
    """Load a classifier by name.

    Args:
        name: One of our own (``vgg-tiny``, ``vgg-small``, ``resnet-20``, ``resnet-56``, ``vgg-tanaka``),
            ``timm:NAME``, ``torchvision:NAME``, ``onnx:FILE`` or ``FILE.py:FACTORY``.
        dataset: The data set on which our own networks were trained.
        weights: Safetensors file, or a PyTorch file of tensors only.
        class_names: In the order of the outputs, where the data set says so; otherwise they come
            from the weights (ImageNet's where there are 1,000).
        resize: Override of its geometry, and likewise the next four.
        crop: Side of the central square.
        interpolation: Of resizing.
        mean: On 0..1.
        std: On 0..1.
        split_at: Name of the module after which it is cut.
        device: Where it runs.
        precision: ``fp32`` or ``bf16``.
        download: Whether pretrained weights may be fetched from the hub.
        train_seed: Which training of our own networks.

    Raises:
        RobobenchError: Unknown, without weights, or weights and network do not fit together.
    """
    network: Network = network_named(name, weights, class_names, download)
    command = f"--backbone {name}"
    if weights is not None:
        command += f" --weights {weights}"
    if network.own and weights is None:
        stored = own_classifier(name, dataset, train_seed)
        names = tuple(stored.card.class_names)
        if class_names is not None and len(class_names) != len(names):
            raise RobobenchError(
                f"{name} for {dataset} was trained on {len(names)} classes, there are "
                f"{len(class_names)}"
            )
        network = network_named(name, None, names, download)
        fit_state(network.module, stored.tensors, stored.card.file, name)
    changes: dict[str, Any] = {
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "mean": mean,
        "std": std,
    }
    geometry = replace(network.geometry, **{k: v for k, v in changes.items() if v is not None})
    return Backbone(
        network.module,
        name=network.name,
        geometry=geometry,
        class_names=network.class_names,
        split_at=split_at,
        device=device,
        precision=precision,
        command=command,
    )


def own_classifier(backbone: str, dataset: str | None, train_seed: int) -> Weights:
    """The clean-trained weights of one of our own networks.

    Raises:
        RobobenchError: There are none; the message says how to make them.
    """
    return load(own_classifier_card(backbone, dataset, train_seed))


def own_classifier_card(backbone: str, dataset: str | None, train_seed: int) -> Path:
    """Path of the card of the clean-trained weights of one of our own networks.

    Raises:
        RobobenchError: There are none; the message says how to make them.
    """
    if dataset is None:
        raise RobobenchError(f"{backbone} needs a data set that it was trained on, or weights")
    dataset = base_dataset(dataset)
    found = [
        path
        for path, card in cards()
        if card.belongs_to == "classifier"
        and (card.dataset, card.backbone) == (dataset, backbone)
        and (card.trained_on, card.train_seed) == (CLEAN, train_seed)
    ]
    if not found:
        seed = f" --seed {train_seed}" if train_seed else ""
        raise MissingWeights(
            f"{backbone} has no weights for {dataset} yet; "
            f"`robobench train --method org --dataset {dataset} --backbone {backbone}{seed}` "
            "makes them",
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
    kind = dataset.partition(":")[0]
    declared = DATASETS.entry(kind).options.get("backbone") if kind in DATASETS else None
    if declared:
        return str(declared)
    raise RobobenchError(
        f"--dataset {dataset} has no backbone of its own: name one, for example "
        "--backbone torchvision:resnet50 --download, or --backbone timm:NAME --weights FILE"
    )
