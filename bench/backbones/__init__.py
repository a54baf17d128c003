"""Classifiers: our own, timm's, torchvision's, ONNX files and functions of yours, frozen and split."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone, load_backbone

__all__ = ["Backbone", "load_backbone"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("robobench.backbones.backbone"), name)
    raise AttributeError(f"module 'robobench.backbones' has no attribute {name!r}")
