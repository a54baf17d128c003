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

from robobench.backbones.export_card import FILE, ExportCard, unnormalised
from robobench.backbones.networks import Network, class_names_for
from robobench.backbones.outputs import logits_in
from robobench.errors import RobobenchError
from robobench.registry import backbone
from robobench.types import Geometry

_SIDE = 224  # of a file that takes any size, and of one that does not tell


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


class ProgramNetwork(nn.Module):
    """A program as a classifier: normalised images to logits.

    Args:
        path: Path of the file.
        kind: ``pt2`` or ``ts``.

    Attributes:
        opaque: What it is, for messages: its parts can be neither accessed nor trained.
        card: What `robobench export` wrote into the file; None for other files.
        takes_pixels: Whether it normalises images itself, so that it is to get them on 0..1.
        fixed_side: The side of images that the file takes alone; None where it takes any or does not
            tell.
        classes: Number of classes that the card tells; None without one.

    Raises:
        RobobenchError: The file is missing, is none of these, or has other inputs.
    """

    program: Tensor

    def __init__(self, path: str, kind: str) -> None:
        super().__init__()
        self._called = f"--backbone {kind}:{path}"
        self._name = f"{kind}:{Path(path).name}"
        self.opaque, read = _KINDS[kind]
        if not Path(path).is_file():
            raise RobobenchError(f"{self._called}: no such file")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = read(path)
        except Exception as error:  # zip, JSON, schema and operators each have their own
            reason = " ".join(str(error).split())[:160]
            raise RobobenchError(
                f"{self._called} cannot be read as {self.opaque} ({type(error).__name__}: {reason})"
            ) from error
        self.card = ExportCard.from_json(found.card, self._called) if found.card else None
        card = self.card
        shape = found.shape
        if card is not None:
            shape = (shape[0] if shape else None, 3, card.height, card.width)
        if shape and (len(shape) != 4 or shape[1] not in (3, None) or shape[2] != shape[3]):
            raise RobobenchError(
                f"{self._called}: expected one input N x 3 x H x W with H = W, got "
                f"{' x '.join('any' if n is None else str(n) for n in shape)}"
            )
        self._bytes = found.takes_bytes if card is None else card.input == "uint8"
        self._probabilities = (
            found.probabilities if card is None else card.output == "probabilities"
        )
        self.takes_pixels = self._bytes or card is not None
        self._batch, self.fixed_side = (shape[0], shape[2]) if shape else (None, None)
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

    def forward(self, images: Tensor) -> Tensor:
        """Logits for normalised images (on 0..1 if it takes pixels).

        Raises:
            RobobenchError: The images have another size than the file was made for.
        """
        side = self.fixed_side
        height, width = images.shape[2:]
        if side is not None and {side} != {height, width}:
            raise RobobenchError(
                f"{self._name} was made for images of {side} x {side} pixels, these are {width} x "
                f"{height}: give --resize {side} --crop {side}"
            )
        images = images.contiguous()
        if self._bytes:
            images = (images * 255).round().clamp(0, 255).to(torch.uint8)
        parts = []
        for part in torch.split(images, self._batch or max(len(images), 1)):
            missing = (self._batch or len(part)) - len(part)
            padded = torch.cat([part, part[:1].expand(missing, -1, -1, -1)]) if missing else part
            parts.append(logits_in(self._module(padded))[: len(part)])
        output = torch.cat(parts)
        return output.float().clamp_min(1e-30).log() if self._probabilities else output


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
    return _loaded("pt2", argument, weights, class_names)


@backbone("ts", argument="FILE")
def load_torchscript(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    """A classifier in a TorchScript file (.ts, .pt); not for methods that need its internals."""
    return _loaded("ts", argument, weights, class_names)


def _loaded(
    kind: str, argument: str, weights: str | Path | None, class_names: Sequence[str] | None
) -> Network:
    module = ProgramNetwork(argument, kind)
    if weights is not None:
        raise RobobenchError(f"{module.opaque} contains its own weights: leave --weights out")
    side, card = module.fixed_side or _SIDE, module.card
    geometry = Geometry(resize=round(side / 0.875), crop=side)
    if card is not None:
        geometry = card.geometry
        class_names = card.class_names if class_names is None else class_names
    elif module.takes_pixels:
        geometry = unnormalised(geometry.resize, geometry.crop)
    names = class_names_for(module.classes or 0, class_names)
    return Network(
        *(module, f"{kind}:{Path(argument).name}", geometry, names),
        normalises=module.takes_pixels,
    )
