"""The nouns that every other room speaks in. Nothing here computes; torch is only named.

Images are uint8 tensors N x 3 x H x W (RGB, 0..255) from the data set to the method: a degradation
happens to pixels, and each method owns what it does to them afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from robobench.errors import RobobenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from robobench.backbones.backbone import Backbone
    from robobench.training.recipe import Recipe
    from robobench.training.task import TrainingTask

CLEAN = "clean"
MATCHED = "matched"


@dataclass(frozen=True, order=True)
class Degradation:
    """One corruption at one strength: what a cell evaluates on.

    Attributes:
        corruption: A registered name, several joined by ``+`` (applied from left to right), or
            ``clean``.
        level: The strength in the corruption's own unit (JPEG quality, noise sigma on 0..255), or
            the severity where a corruption has no such unit, or 0 for ``clean``.
        profile: The severity table, empty where the level alone says everything.
    """

    corruption: str
    level: float = 0.0
    profile: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether the images are left alone."""
        return self.corruption == CLEAN

    @property
    def label(self) -> str:
        """For people: ``jpeg_compression 25``."""
        return CLEAN if self.is_clean else f"{self.corruption} {self.level:g}"


@dataclass(frozen=True, order=True)
class Cell:
    """One number of the grid: everything its predictions depend on, but the machine.

    Attributes:
        dataset: Name of the data set, without a path.
        split: ``test``, ``validation``, ...
        geometry: `Geometry.key`.
        corrupt_at: ``crop`` or ``native``.
        profile: Severity table, and ``+jpeg85`` where images were saved so after the corruption.
        corruption: `Degradation.corruption`.
        level: `Degradation.level`.
        seed: Of the corruption; 0 for what is not random.
        method: Registered name (with its argument: ``restore:FILE``).
        backbone: Name of the classifier.
        weights: Digest of everything trained that makes the prediction.
        trained_on: ``clean``, a corruption, a group, ``matched``, or empty for untrained remedies.
        train_seed: Seed of the training.
    """

    dataset: str
    split: str
    geometry: str
    corrupt_at: str
    profile: str
    corruption: str
    level: float
    seed: int
    method: str
    backbone: str
    weights: str
    trained_on: str
    train_seed: int

    @property
    def degradation(self) -> Degradation:
        """What was done to the images."""
        return Degradation(self.corruption, self.level, self.profile)

    @property
    def digest(self) -> str:
        """SHA-256 of all fields, hexadecimal: the identity of a cell on disk."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cell:
        """The cell that `dataclasses.asdict` took apart; unknown fields are refused."""
        names = {f.name for f in fields(cls)}
        if set(values) != names:
            raise RobobenchError(
                f"a cell has the fields {sorted(names)}, this one has {sorted(values)}: "
                "it was written by another version of robobench"
            )
        return cls(**values)


@dataclass
class Predictions:
    """What one method said about the images of one cell, in data-set order.

    Attributes:
        index: int64, each image's place in its data set, rising.
        label: int64, the true class.
        predicted: int64, the class with the largest probability; -1 where the method returned
            something that is no probability (NaN).
        confidence: float32, the largest probability (NaN likewise).
        true_probability: float32, the probability of the true class.
        extra: Further columns that the method has (psnr, ssim, estimated_level), float32 each.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    extra: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each image was classified rightly."""
        correct: NDArray[np.bool_] = self.predicted == self.label
        return correct

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Geometry:
    """How an image becomes the square of pixels that a network sees.

    Attributes:
        resize: Shorter side after resizing, in pixels; None leaves the size alone.
        crop: Side of the central square that is cut out; None takes the image as it is.
        interpolation: ``bilinear``, ``bicubic``, ``lanczos``, ``nearest`` or ``box``.
        mean: Per channel, on 0..1, subtracted by the classifier.
        std: Per channel, on 0..1, by which it divides.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def key(self) -> str:
        """The part that decides which pixels are seen (the normalisation belongs to weights)."""
        if self.resize is None and self.crop is None:
            return "as-is"
        resize = f"resize{self.resize}-{self.interpolation}" if self.resize else "no-resize"
        return f"{resize}-crop{self.crop}" if self.crop else resize


# What no method knows of a stranger's image: one that must be told any of it is an oracle.
ORACLE_NEEDS: Final = frozenset({"corruption", "severity", "level"})


@dataclass(frozen=True)
class Context:
    """What a method is told beside the pixels; only what it declared in `Method.needs` is set.

    Attributes:
        corruption: Name, when the method needs ``corruption``.
        severity: 1 to 5 where the grid has severities, when it needs ``severity``.
        level: True level in the corruption's own unit, when it needs ``level``.
        header_quality: int tensor N, JPEG quality read from the file's header (0 where the image
            did not come from a JPEG file), when it needs ``header_quality``.
        indices: int64 tensor N, each image's place in its data set: for methods that draw random
            numbers, so that the same image meets the same ones.
    """

    corruption: str | None = None
    severity: int | None = None
    level: float | None = None
    header_quality: Tensor | None = None
    indices: Tensor | None = None


@dataclass(frozen=True)
class Cost:
    """What a method costs beside nothing.

    Attributes:
        parameters: Trained numbers, of everything that runs.
        macs: Multiply-adds for one image.
    """

    parameters: int
    macs: int


@dataclass(frozen=True)
class Card:
    """What there is to know about a file of trained weights; stored beside it as JSON.

    Attributes:
        method: Registered name of the method it is for.
        belongs_to: ``classifier``, ``plugin`` or ``restorer``: see `Method.weights_of`.
        dataset: The data set whose labels (classifier) or images it learned from.
        backbone: Architecture it is for; empty for restorers.
        backbone_digest: Digest of the frozen classifier's weights, for plug-ins.
        trained_on: ``clean``, a corruption or a group.
        train_seed: Seed of its training.
        digest: SHA-256 of the safetensors file, hexadecimal.
        file: Its file name.
        command: The command that made it.
        recipe: Settings of the training, for people.
        images: How many images it learned from, and which.
        accuracy: Validation figures, fractions, by condition.
        parameters: Numbers in the file.
        minutes: How long the training took.
        versions: Of robobench, Python, torch.
        class_names: For classifiers, in the order of the outputs.
        format: Of this card.
    """

    method: str
    belongs_to: str
    dataset: str
    backbone: str
    backbone_digest: str
    trained_on: str
    train_seed: int
    digest: str
    file: str
    command: str
    recipe: Mapping[str, Any]
    images: str
    accuracy: Mapping[str, float]
    parameters: int
    minutes: float
    versions: Mapping[str, str]
    class_names: Sequence[str] = ()
    format: int = 1


@dataclass(frozen=True)
class Weights:
    """Trained numbers and the card that says what they are.

    Attributes:
        card: See `Card`.
        tensors: Name to float tensor.
    """

    card: Card
    tensors: Mapping[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without it: one of several networks in a file."""
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}


class Method:
    """A classifier with or without a remedy: uint8 images to class probabilities.

    Subclass it, write `predict`, register it with ``@robobench.method(name)``: that is all. What a
    method declares about itself stands in class attributes, so that a run can be planned, refused
    or explained before anything is loaded.

    Attributes:
        needs: What of `Context` it must be told: any of ``corruption``, ``severity``, ``level``,
            ``header_quality``. Reports mark a method that needs any of the first three *oracle*.
        adapts: Whether a prediction depends on the other images of the batch.
        weights_of: What its trained weights belong to: ``none`` (nothing is trained),
            ``classifier`` (to a data set's classes and an architecture), ``plugin`` (to the digest
            of one frozen classifier's weights) or ``restorer`` (image to image, to no classifier).
        trained_on: The one corruption or ``clean`` that defines the method (``jpg`` is trained on
            JPEG); None where weights for several can be made and chosen with ``NAME@TRAINED_ON``.
        trained_as: Name of the method whose weights it takes; None where it has its own.
        argument_digest: SHA-256 of what `with_argument` was given (a file's content), hexadecimal;
            empty for methods that take no argument.
        backbone: The frozen classifier it stands on.
        weights: Its own trained weights, or None.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    adapts: ClassVar[bool] = False
    weights_of: ClassVar[Literal["none", "classifier", "plugin", "restorer"]] = "none"
    trained_on: ClassVar[str | None] = None
    trained_as: ClassVar[str | None] = None
    argument_digest: ClassVar[str] = ""

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        self.backbone = backbone
        self.weights = weights

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Class probabilities.

        Args:
            images: uint8, N x 3 x H x W, on the backbone's device.
            context: What the method declared that it needs.

        Returns:
            float32, N x classes; rows sum to one.
        """
        raise NotImplementedError(f"{type(self).__name__} has no predict")

    def from_stem(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Like `predict`, given the features of the backbone's stem, which several methods share.

        A method that overrides it is called this way whenever its backbone can be split.
        """
        raise NotImplementedError(f"{type(self).__name__} has no from_stem")

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """Named extra columns, float32 N each (psnr, estimated_level); `clean` has the originals."""
        return {}

    @classmethod
    def applies_to(cls, corruption: str) -> bool:
        """Whether the method means anything on this corruption; else the cell is not applicable."""
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of the results should be told."""
        return ()

    @classmethod
    def with_argument(cls, argument: str) -> tuple[str, type[Method]]:
        """The method that ``NAME:ARGUMENT`` on the command line means.

        For methods that are registered with ``argument="FILE"``, or what else it is called.

        Args:
            argument: What stands after the colon.

        Returns:
            What stands after the colon in cells and tables: short, without folders; and the method,
            whose `argument_digest` tells one argument from another.

        Raises:
            RobobenchError: The argument means nothing.
        """
        raise RobobenchError("this method takes no argument")

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train the weights and store them through the task; for methods that have any."""
        raise RobobenchError("this method has nothing to train")

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> Mapping[str, Recipe]:
        """Named settings of `fit`, the first being the default; none where nothing is trained.

        Args:
            backbone: The classifier that it will stand on; None where that is what is trained.
        """
        return {}

    def cost(self) -> Cost:
        """Parameters and multiply-adds for one image."""
        return self.backbone.cost()
