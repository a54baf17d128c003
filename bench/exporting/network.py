"""The network that is exported: a method from the caller's pixels to the caller's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from robobench.backbones.backbone import Backbone
from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.registry import METHODS
from robobench.types import ORACLE_NEEDS
from robobench.weights.coverage import covers, trained_corruptions
from robobench.weights.selection import SelectedMethod, bare_name, select, stored_trainings

Input = Literal["uint8", "float"]
Output = Literal["probabilities", "logits"]


class ExportedNetwork(nn.Module):
    """A method's network around which input and output are as a caller wants them.

    Args:
        network: See `Method.as_module`.
        takes: ``uint8`` for pixels on 0..255, ``float`` for pixels on 0..1.
        returns: ``probabilities`` or ``logits``.

    Attributes:
        batch: How many images it takes at a time; None for any number.
    """

    def __init__(self, network: nn.Module, takes: Input, returns: Output) -> None:
        super().__init__()
        self.network = network
        self._takes, self._returns = takes, returns
        self.batch = 1 if getattr(network, "one_image", False) else None

    def forward(self, images: Tensor) -> Tensor:
        """Float32 N x classes for images N x 3 x H x W."""
        pixels = images.to(torch.float32) if self._takes == "uint8" else images * 255
        logits: Tensor = self.network(pixels)
        return logits.softmax(1) if self._returns == "probabilities" else logits


def exported_method(
    spec: str, *, dataset: str, backbone: Backbone, train_seed: int, command: str
) -> SelectedMethod:
    """A method with the weights that are to be exported.

    A plain name takes the one training that is stored, or the one that covers all others: the file
    will see all kinds of images, and is not told which.

    Args:
        spec: As `robobench run --methods` takes it.
        dataset: Name of the data set that the weights belong to.
        backbone: The classifier.
        train_seed: Training seed of the weights.
        command: Command-line options of the data set, for messages.

    Raises:
        RobobenchError: The method cannot be exported, or its weights are missing or several.
    """
    name = METHODS.canonical(bare_name(spec))
    kind: type[Method] = METHODS[name]
    if reason := _why_not(kind):
        raise RobobenchError(f"{name} cannot be exported: {reason}; {_can_be()}")
    trainings = stored_trainings(spec, dataset=dataset, backbone=backbone, train_seed=train_seed)
    wanted = trainings or METHODS.entry(name).options.get("trainings", ())
    corruptions = dict.fromkeys(c for on in wanted for c in trained_corruptions(on))
    choices = " or ".join(f"{name}@{on}" for on in trainings)
    whole = any(all(covers(on, c) for c in corruptions) for on in trainings)
    if trainings and not whole and "@" not in spec:
        raise RobobenchError(
            f"{spec} has several trainings here, none for all: name one, {choices}"
        )
    selected = select(
        spec,
        dataset=dataset,
        backbone=backbone,
        corruptions=corruptions,
        train_seed=train_seed,
        command=command,
    )
    if selected.is_bank:
        raise RobobenchError(
            f"{spec} is a bank, which is told the corruption; an exported file is not: name one "
            f"training, {choices}"
        )
    return selected


def _why_not(kind: type[Method]) -> str:
    """Why a method cannot be one network; empty if it can."""
    if kind.adapts:
        return "it adapts to the images it sees"
    if told := sorted(kind.needs & ORACLE_NEEDS):
        return f"it is told the {' and '.join(told)} of the degradation, which no deployment knows"
    if "header_quality" in kind.needs:
        return "it reads the file's JPEG header, which no network sees"
    if kind.as_module is Method.as_module:
        return "it is not one network of tensor operations (Method.as_module)"
    return ""


def _can_be() -> str:
    names: Sequence[str] = [name for name in METHODS.names() if not _why_not(METHODS[name])]
    return f"these can: {', '.join(names)}"


def exported_network(selected: SelectedMethod, takes: Input, returns: Output) -> ExportedNetwork:
    """The network to export.

    Raises:
        RobobenchError: A file of weights is damaged, or the classifier is an ONNX file.
    """
    network = selected.method.as_module()
    if network is None:
        raise RobobenchError(f"{selected.name} cannot be exported with these weights; {_can_be()}")
    return ExportedNetwork(network, takes, returns).eval().requires_grad_(False)
