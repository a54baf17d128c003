"""Classifiers in files of torch.export and TorchScript, which can be run but neither split nor trained.

Unlike a file of weights such a file is a program: it is run as it is.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robobench.backbones.export_card import FILE, ExportCard
from robobench.backbones.networks import Network
from robobench.backbones.opaque import OpaqueNetwork, opened
from robobench.backbones.outputs import logits_in
from robobench.errors import RobobenchError
from robobench.registry import backbone


@dataclass(frozen=True)
class Program:
    """What a file holds.

    Attributes:
        module: Maps images to outputs.
        card: Text of what `robobench export` wrote into it; empty for other files.
        shape: Of its input, None for an axis of any length; empty if the file does not tell.
        takes_bytes: Whether its input is uint8.
        probabilities: Whether its last operation is a softmax.
    """

    module: nn.Module
    card: str
    shape: tuple[int | None, ...] = ()
    takes_bytes: bool = False
    probabilities: bool = False


class ProgramNetwork(OpaqueNetwork):
    """A file of torch.export or TorchScript as a classifier.

    Args:
        path: Path of the file.
        kind: ``pt2`` or ``ts``.

    Raises:
        RobobenchError: The file is missing, is none of these, or has other inputs.
    """

    program: Tensor

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(path, kind)
        self.opaque, read = _KINDS[kind]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = read(path)
        except Exception as error:  # zip, JSON, schema and operators each have their own
            reason = " ".join(str(error).split())[:160]
            raise RobobenchError(
                f"{self.called} cannot be read as {self.opaque} ({type(error).__name__}: {reason})"
            ) from error
        self.card = ExportCard.from_json(found.card, self.called) if found.card else None
        card = self.card
        shape = found.shape
        if card is not None:
            shape = (shape[0] if shape else None, 3, card.height, card.width)
        if shape and (len(shape) != 4 or shape[1] not in (3, None) or shape[2] != shape[3]):
            raise RobobenchError(
                f"{self.called}: expected one input N x 3 x H x W with H = W, got "
                f"{' x '.join('any' if n is None else str(n) for n in shape)}"
            )
        self.takes_bytes = found.takes_bytes if card is None else card.input == "uint8"
        self.probabilities = found.probabilities if card is None else card.output == "probabilities"
        self.takes_pixels = self.takes_bytes or card is not None
        self.batch, self.fixed_side = (shape[0], shape[2]) if shape else (None, None)
        self.classes = None if card is None else len(card.class_names)
        self._module = found.module
        digest = hashlib.sha256(Path(path).read_bytes()).digest()
        # Two files with the same weights may compute different things.
        self.register_buffer("program", torch.from_numpy(np.frombuffer(digest, np.uint8).copy()))

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move to a device; the memory layout is left alone, since programs may rely on it."""
        kwargs.pop("memory_format", None)
        return super().to(*args, **kwargs)

    def train(self, mode: bool = True) -> ProgramNetwork:
        """Nothing: a program has one mode, that in which it was exported."""
        self.training = mode
        return self

    def run_program(self, images: Tensor) -> Tensor:
        """What it returns for images."""
        output: Tensor = logits_in(self._module(images))
        return output


def _read_exported(path: str) -> Program:
    extra: dict[str, Any] = {FILE: ""}
    program = torch.export.load(path, extra_files=extra)
    inputs = [
        node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor):
        raise RobobenchError(f"it has {len(inputs)} inputs, expected images alone")
    shape = tuple(n if isinstance(n, int) else None for n in inputs[0].shape)
    outputs = program.graph_signature.user_outputs
    last = {node.name: str(node.target) for node in program.graph.nodes}
    probabilities = bool(outputs) and "softmax" in last.get(str(outputs[0]), "")
    probabilities = probabilities and "log_softmax" not in last[str(outputs[0])]
    return Program(
        program.module(), extra[FILE], shape, inputs[0].dtype == torch.uint8, probabilities
    )


def _read_torchscript(path: str) -> Program:
    extra = {FILE: ""}
    jit: Any = torch.jit  # which has no types
    module = jit.load(path, map_location="cpu", _extra_files=extra)
    card: Any = extra[FILE]  # bytes or text
    return Program(module, card.decode() if isinstance(card, bytes) else card)


_KINDS: dict[str, tuple[str, Callable[[str], Program]]] = {
    "pt2": ("a torch.export file", _read_exported),
    "ts": ("a TorchScript file", _read_torchscript),
}


@backbone("pt2", argument="FILE")
def load_exported(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    """A classifier written by torch.export (.pt2); not for methods that need its internals."""
    return opened(ProgramNetwork(argument, "pt2"), weights, class_names)


@backbone("ts", argument="FILE")
def load_torchscript(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    """A classifier in a TorchScript file (.ts, .pt); not for methods that need its internals."""
    return opened(ProgramNetwork(argument, "ts"), weights, class_names)
