"""What a file made by `robobench export` says about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Final, Literal

from robobench.errors import RobobenchError
from robobench.types import Geometry

PROPERTY: Final = "robobench"  # in the metadata of an ONNX file
FILE: Final = "robobench.json"  # among the extra files of the other formats
_FORMAT: Final = 1


@dataclass(frozen=True)
class ExportCard:
    """The facts about an exported classifier; stored inside its file as JSON.

    Attributes:
        method: Registered name of the method, with its argument.
        backbone: Name of the classifier.
        layer: Layer after which a module is plugged in; empty if there is none.
        trained_on: ``clean``, a corruption, a group, or empty for untrained methods.
        train_seed: Seed of the training.
        weights: SHA-256 of all trained weights, hexadecimal: `Cell.weights`.
        input: ``uint8`` for pixels on 0..255, ``float`` for pixels on 0..1.
        output: ``probabilities`` or ``logits``.
        height: Height of the images, in pixels.
        width: Their width.
        resize: See `Geometry`, as the next two.
        crop: See `Geometry`.
        interpolation: See `Geometry`.
        mean: What the file itself subtracts from pixels on 0..1, per channel.
        std: What it then divides by.
        class_names: The classes, in the order of the outputs.
        versions: Versions of robobench, Python and torch.
        batch: How many images the file takes at a time; None for any number.
        format: Format version of the card.
    """

    method: str
    backbone: str
    layer: str
    trained_on: str
    train_seed: int
    weights: str
    input: Literal["uint8", "float"]
    output: Literal["probabilities", "logits"]
    height: int
    width: int
    resize: int | None
    crop: int | None
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    class_names: tuple[str, ...]
    versions: Mapping[str, str]
    batch: int | None = None
    format: int = _FORMAT

    def to_json(self) -> str:
        """The card as text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str, source: str) -> ExportCard:
        """The card in a text.

        Args:
            text: What `to_json` returned.
            source: Where it comes from, for messages.

        Raises:
            RobobenchError: It is no card of this version.
        """
        try:
            values: Any = json.loads(text)
        except ValueError:
            values = None
        names = {f.name for f in fields(cls)}
        needed = {f.name for f in fields(cls) if f.default is MISSING}
        fits = isinstance(values, dict) and needed <= set(values) <= names
        if not fits or values.get("format") != _FORMAT:
            raise RobobenchError(
                f"{source}: its robobench metadata cannot be read: it was exported by another "
                "version of robobench; export it again"
            )
        lists = {k: tuple(values[k]) for k in ("mean", "std", "class_names")}
        return cls(**{**values, **lists})

    @property
    def geometry(self) -> Geometry:
        """How images are brought to size for the file, which normalises them itself."""
        return unnormalised(self.resize, self.crop, self.interpolation)


def unnormalised(resize: int | None, crop: int | None, interpolation: str = "bilinear") -> Geometry:
    """The geometry of a network that takes pixels on 0..1 as they are."""
    return Geometry(resize, crop, interpolation, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
