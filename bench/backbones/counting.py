"""What a method does for one image, counted while it does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.flop_counter import FlopCounterMode

from robobench.backbones.backbone import Backbone
from robobench.types import Cost

__all__ = ["cost_of_predicting"]


def cost_of_predicting(predict: Callable[[Tensor], object], backbone: Backbone) -> Cost:
    """Parameters of every network that runs, and the multiply-adds of all passes.

    Args:
        predict: Predicts uint8 images.
        backbone: The classifier; if any of it runs, all its parameters count, as in `Backbone.cost`.

    Returns:
        The cost, 0 where no network runs. Filters and searches on pixels have no multiply-adds here;
        they show in the time that a run measures.
    """
    parameters: dict[int, int] = {}
    known = [0]  # multiply-adds of networks that torch does not run

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        parameters.update({id(p): p.numel() for p in module.parameters(recurse=False)})
        told = getattr(module, "cost", None)
        if isinstance(told, Cost) and isinstance(inputs[0], Tensor):
            known[0] += told.macs * len(inputs[0])
            parameters[id(module)] = told.parameters

    # A program may take a fixed number of images alone.
    count = getattr(backbone.module, "batch", None) or 1
    images = backbone.example.expand(count, -1, -1, -1)
    predict(
        images
    )  # what is prepared once, such as the split into stem and rest, is no cost of an image
    counter = FlopCounterMode(display=False)
    hook = register_module_forward_pre_hook(note)
    try:
        with counter:
            predict(images)
    finally:
        hook.remove()
    macs = (counter.get_total_flops() // 2 + known[0]) // count
    own = backbone.own_parameters
    if own & parameters.keys():
        others = sum(size for key, size in parameters.items() if key not in own)
        return Cost(backbone.cost().parameters + others, macs)
    return Cost(sum(parameters.values()), macs)
