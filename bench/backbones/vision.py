"""Import torchvision and timm, even where torchvision's compiled part does not match torch.

With a CPU build of torch, PyPI's torchvision (built for CUDA) cannot load its operators and then
fails when it registers fake kernels for two of them, which only object detection uses. Declaring
these two makes the rest work: classification networks, transforms, data sets.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_DETECTION_OPERATORS = ("nms", "qnms")
_declared: list[Any] = []  # torch drops operators whose library object is deleted


def import_torchvision() -> ModuleType:
    """Import torchvision; call this before importing timm, which depends on it."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare()
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # left over from the first attempt
        import torchvision
    module: ModuleType = torchvision
    return module


def import_timm() -> Any:
    """Import timm with `timm.data`."""
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
