"""What networks return: logits as one tensor, however a library wraps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robobench.errors import RobobenchError

__all__ = ["count_classes", "logits_in"]


def logits_in(output: Any) -> Any:
    """The logits in what a network returned.

    Args:
        output: A tensor; an object with ``logits`` (as in transformers and torchvision's GoogLeNet), a
            mapping with that key, or a tuple or list, whose first tensor they are.

    Returns:
        The logits; the output itself if there are none in it.
    """
    if isinstance(output, Tensor):
        return output
    named = output.get("logits") if isinstance(output, Mapping) else None
    named = getattr(output, "logits", named)
    if isinstance(named, Tensor):
        return named
    if isinstance(output, tuple | list):
        return next((one for one in output if isinstance(one, Tensor)), output)
    return output


def count_classes(network: nn.Module, images: Tensor, name: str) -> int:
    """The number of a classifier's outputs, from one pass.

    A network that wraps its logits returns them as a tensor from then on: by a hook, so that names of
    its layers and weights stay as they are.

    Args:
        network: The network, in evaluation mode.
        images: Normalised images 1 x 3 x H x W.
        name: Name of the backbone, for messages.

    Raises:
        RobobenchError: The network fails, or returns no logits 1 x classes.
    """
    try:
        with torch.inference_mode():
            output = network(images)
    except Exception as error:  # whatever a user's network raises
        said = str(error).partition("\n")[0].rstrip(".")
        side = "if it takes another size, give it with --resize and --crop"
        raise RobobenchError(
            f"backbone {name} fails on one {tuple(images.shape)} image: "
            f"{type(error).__name__}: {said}; {side}"
        ) from error
    logits = logits_in(output)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise RobobenchError(
            f"backbone {name} returned {shape} for one image, expected 1 x classes, or an object "
            "with .logits or a tuple of these"
        )
    if logits is not output:
        network.register_forward_hook(_unwrap)
    return int(logits.shape[1])


def _unwrap(_: nn.Module, __: Any, output: Any) -> Any:
    return logits_in(output)
