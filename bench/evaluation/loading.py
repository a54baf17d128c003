"""The classifiers of a run, one for each training."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from robobench.backbones.backbone import Backbone
from robobench.backbones.overrides import overrides
from robobench.contracts import Dataset
from robobench.evaluation.configuration import Configuration
from robobench.weights.classifiers import (
    backbone_in_memory,
    dataset_options,
    default_backbone,
    load_backbone,
)


def dataset_selection(configuration: Configuration) -> str:
    """The options that select data set and plug-ins, for commands suggested in messages."""
    plugins = [f"--plugin {shlex.quote(file)}" for file in configuration.plugin]
    return " ".join([*plugins, dataset_options(configuration, configuration.dataset)])


def load_all(
    configuration: Configuration,
    module: Any,
    dataset: Dataset | None,
    device: str,
    seeds: Sequence[int],
) -> list[Backbone]:
    """The classifier of each training; of those that are the same, one in memory."""
    if module is not None or configuration.weights is not None:  # whatever the seed
        return [_load(configuration, module, dataset, device, seeds[0])] * len(seeds)
    known: dict[str, Backbone] = {}
    loaded = (_load(configuration, module, dataset, device, seed) for seed in seeds)
    return [known.setdefault(backbone.digest, backbone) for backbone in loaded]


def _load(
    configuration: Configuration, module: Any, dataset: Dataset | None, device: str, seed: int
) -> Backbone:
    class_names = None if dataset is None else dataset.class_names
    precision = "fp32" if configuration.precision == "auto" else configuration.precision
    if module is not None:
        return backbone_in_memory(
            module,
            configuration,
            name=configuration.backbone,
            class_names=class_names,
            device=device,
            precision=precision,
            layer=configuration.layer,
        )
    return load_backbone(
        configuration.backbone or default_backbone(configuration.dataset),
        dataset=configuration.dataset if dataset is None else dataset.name,
        weights=configuration.weights,
        class_names=class_names,
        device=device,
        precision=precision,
        download=configuration.download,
        train_seed=seed,
        layer=configuration.layer,
        options="" if dataset is not None else dataset_selection(configuration),
        **overrides(configuration),
    )
