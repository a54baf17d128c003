"""torchvision and timm, imported where torchvision's compiled part does not fit torch as well.

Beside a CPU build of torch, PyPI's torchvision (built for CUDA) cannot load its operators and then
fails while it describes two of them, used for object detection only. Declaring these two lets the
rest work: networks for classification, transforms, data sets.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_DETECTION_OPERATORS = ("nms", "qnms")
_declared: list[Any] = []  # torch forgets operators whose library object is gone


def import_torchvision() -> ModuleType:
    """Torchvision itself; call it before importing timm, which stands on it, too."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare()
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the first attempt left behind
        import torchvision
    module: ModuleType = torchvision
    return module


def import_timm() -> Any:
    """timm, with `timm.data`."""
    import_torchvision()
    import timm
    import timm.data

    return timm


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch's gap
    for name in _DETECTION_OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _declared.append(library)
