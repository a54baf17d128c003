"""Which methods are ready, trainable or not applicable for one data set and classifier."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.registry import METHODS
from robobench.weights.classifiers import default_backbone, load_backbone
from robobench.weights.selection import check_applicable, is_optional
from robobench.weights.storage import find, read_card


def readiness(
    dataset: str,
    backbone_name: str | None = None,
    weights: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> list[tuple[str, str]]:
    """Name and state of each registered method.

    Args:
        dataset: Registered name, or ``folder:PATH``.
        backbone_name: As for ``--backbone``; None takes the data set's own.
        weights: File of the classifier's weights.
        changes: What replaces parts of its geometry, see `robobench.backbones.overrides`.

    Raises:
        RobobenchError: The classifier cannot be loaded.
    """
    name = backbone_name or default_backbone(dataset)
    backbone = load_backbone(name, dataset=dataset, weights=weights, **(changes or {}))
    rows = []
    for method_name in METHODS:
        method: type[Method] = METHODS[method_name]
        try:
            check_applicable(method_name, method, backbone)
        except RobobenchError as error:
            rows.append((method_name, f"not applicable: {error}"))
            continue
        argument = METHODS.entry(method_name).options.get("argument", "")
        if argument and not is_optional(argument):
            rows.append((f"{method_name}:{argument}", f"ready: with a {argument} of your own"))
            continue
        if method.weights_of == "none":
            rows.append((method_name, "ready: nothing to train"))
            continue
        owner = method.trained_as or method_name
        try:
            found = find(
                owner,
                dataset=dataset,
                backbone_name=backbone.name,
                backbone=backbone,
                layer=backbone.layer if method.weights_of == "plugin" else None,
            )
        except RobobenchError as error:
            rows.append((method_name, f"not ready: {error}"))
            continue
        trained = list(dict.fromkeys(read_card(path).trained_on for path in found))
        line = (
            f"robobench train --method {owner} --dataset {shlex.quote(dataset)} {backbone.command}"
        )
        state = f"ready: trained on {', '.join(trained)}" if trained else f"trainable: `{line}`"
        rows.append((method_name, state))
    return rows
