"""What classifiers in program files (ONNX, torch.export, TorchScript) have in common.

Such a file is run as it is: it can be neither split nor trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from robobench.backbones.export_card import ExportCard, unnormalised
from robobench.backbones.networks import Network, class_names_for
from robobench.errors import RobobenchError
from robobench.types import Geometry

ANY_SIDE: Final = 224
"""Side of the images, in pixels, for a file that takes any, and for one that does not tell."""


class OpaqueNetwork(nn.Module):
    """A program as a classifier: normalised images to logits.

    Subclasses open the file and implement `run_program`.

    Attributes:
        kind: Prefix of its name on the command line: ``onnx``, ``pt2``, ``ts``.
        opaque: What it is, for messages.
        card: What `robobench export` wrote into the file; None for other files.
        takes_bytes: Whether its input is uint8.
        takes_pixels: Whether it normalises images itself, so that it is to get them on 0..1.
        fixed_side: The side of images that the file takes alone; None where it takes any or does not
            tell.
        batch: The number of images that it takes alone; None where it takes any.
        probabilities: Whether it returns probabilities.
        classes: Number of classes; None where the file does not tell.

    Raises:
        RobobenchError: There is no such file.
    """

    opaque: str

    def __init__(self, path: str, kind: str) -> None:
        super().__init__()
        self.called = f"--backbone {kind}:{path}"
        self.file_name = f"{kind}:{Path(path).name}"
        if not Path(path).is_file():
            raise RobobenchError(f"{self.called}: no such file")
        self.card: ExportCard | None = None
        self.takes_bytes = self.takes_pixels = self.probabilities = False
        self.fixed_side: int | None = None
        self.batch: int | None = None
        self.classes: int | None = None

    def run_program(self, images: Tensor) -> Tensor:
        """Its outputs for images of the type and number that it takes."""
        raise NotImplementedError(f"{type(self).__name__} has no run_program")

    def forward(self, images: Tensor) -> Tensor:
        """Logits for normalised images (on 0..1 if it takes pixels), on the images' device.

        Raises:
            RobobenchError: The images have another size than the file was made for.
        """
        side, (height, width) = self.fixed_side, images.shape[2:]
        if side is not None and {side} != {height, width}:
            raise RobobenchError(
                f"{self.file_name} was made for images of {side} x {side} pixels, these are {width} x "
                f"{height}: give --resize {side} --crop {side}"
            )
        images = images.detach().float().contiguous()
        if self.takes_bytes:
            images = (images * 255).round().clamp(0, 255).to(torch.uint8)
        parts = []
        for part in torch.split(images, self.batch or max(len(images), 1)):
            missing = (self.batch or len(part)) - len(part)
            padded = torch.cat([part, part[:1].expand(missing, -1, -1, -1)]) if missing else part
            parts.append(self.run_program(padded)[: len(part)])
        output = torch.cat(parts)
        return output.float().clamp_min(1e-30).log() if self.probabilities else output


def opened(
    module: OpaqueNetwork, weights: str | Path | None, class_names: Sequence[str] | None
) -> Network:
    """The network with the geometry and the classes that its file tells.

    Args:
        module: The opened file.
        weights: What the user gave as weights: there may be none.
        class_names: Names of the classes; the card's by default.

    Raises:
        RobobenchError: There are weights, or not as many names as classes.
    """
    if weights is not None:
        raise RobobenchError(f"{module.opaque} contains its own weights: leave --weights out")
    side, card = module.fixed_side or ANY_SIDE, module.card
    geometry = Geometry(resize=round(side / 0.875), crop=side)
    if card is not None:
        geometry = card.geometry
        class_names = card.class_names if class_names is None else class_names
    elif module.takes_pixels:
        geometry = unnormalised(geometry.resize, geometry.crop)
    names = class_names_for(module.classes or 0, class_names)
    return Network(module, module.file_name, geometry, names, normalises=module.takes_pixels)
