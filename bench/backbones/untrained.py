"""Networks without their weights, for what does not depend on them: their layers."""

from __future__ import annotations

from pathlib import Path

from robobench.backbones.networks import (
    Network,
    check_torchvision_name,
    network_named,
    torchvision_geometry,
)
from robobench.backbones.timm_networks import check_timm_name, is_repository, timm_geometry
from robobench.backbones.vision import import_timm, import_torchvision


def architecture(name: str, weights: str | Path | None = None, download: bool = False) -> Network:
    """A network by name, with random weights where none are given.

    Args:
        name: Name as for ``--backbone``.
        weights: File of weights, or None.
        download: Whether pretrained weights may be downloaded from the hub.

    Raises:
        RobobenchError: The name is unknown, or the weights do not fit.
    """
    kind, _, argument = name.partition(":")
    if (
        weights is not None
        or download
        or kind not in ("timm", "torchvision")
        or is_repository(argument)
    ):
        return network_named(name, weights, None, download)
    if kind == "timm":
        check_timm_name(argument)
        made = import_timm().create_model(argument, pretrained=False)
        return Network(made, name, timm_geometry(made), None)
    check_torchvision_name(argument)
    models = import_torchvision().models
    options = {"init_weights": False} if argument in ("googlenet", "inception_v3") else {}
    made = models.get_model(argument, weights=None, **options)
    geometry = torchvision_geometry(models.get_model_weights(argument).DEFAULT)
    return Network(made, name, geometry, None)
