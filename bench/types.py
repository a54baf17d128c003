"""The types that all other modules share; importing them does not import torch.

Images are uint8 tensors N x 3 x H x W (RGB, 0..255) from the data set to the method: a degradation
is applied to pixels; what happens to them afterwards, each method decides.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from robobench.errors import RobobenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

CLEAN = "clean"
MATCHED = "matched"
_IF_ANY: Final = ("compiled", "sweep")  # fields that files have only where there is one


def is_matched(trained_on: str) -> bool:
    """Whether `Cell.trained_on` says that the corruption selects the weights."""
    return trained_on.partition("#")[0] == MATCHED


def method_label(method: str, trained_on: str) -> str:
    """A method as on the command line: ``afd`` or ``afd@jpeg_compression``."""
    return f"{method}@{trained_on}" if trained_on else method


@dataclass(frozen=True, order=True)
class Degradation:
    """One corruption at one strength: the condition a cell is evaluated under.

    Attributes:
        corruption: A registered name, several joined by ``+`` (left to right), or ``clean``.
        level: The strength in the corruption's own unit (JPEG quality, noise sigma on 0..255), the
            severity where it has no such unit, 0 for ``clean``.
        profile: The severity table; empty where the level alone defines the strength.
    """

    corruption: str
    level: float = 0.0
    profile: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether the images are left unchanged."""
        return self.corruption == CLEAN

    @property
    def label(self) -> str:
        """A readable name: ``jpeg_compression 25``."""
        return CLEAN if self.is_clean else f"{self.corruption} {self.level:g}"


@dataclass(frozen=True, order=True)
class Cell:
    """One cell of the grid: everything its predictions depend on except the machine.

    Attributes:
        dataset: Name of the data set, without a path.
        split: ``test``, ``validation``, ...
        geometry: `Geometry.key`.
        corrupt_at: ``crop`` or ``native``.
        profile: Severity table, with ``+jpeg85`` where images were then saved as JPEG 85.
        corruption: `Degradation.corruption`.
        level: `Degradation.level`.
        seed: Seed of the corruption; 0 for deterministic ones.
        method: Registered name (with its argument: ``restore:FILE``).
        backbone: Name of the classifier.
        weights: Digest of all trained weights behind the prediction.
        trained_on: ``clean``, a corruption, a group, ``matched``, or empty for untrained methods.
        train_seed: Seed of the training.
        normalisation: `Geometry.normalisation` of the classifier.
        layer: Layer after which the classifier is split, for methods that use its stem.
        method_version: Version of the method, see `robobench.registry.versions`.
        corruption_version: Version of the corruption; of the parts of a mixture, joined by ``+``.
        dataset_version: Version of what reads and resizes the images.
        backbone_version: Version of the classifier's code, unless built in or a library's.
        compiled: What compiled the method's network (``inductor``), which changes the last digits.
        sweep: The levels that the images are divided among (``1-100``), if any, not how many for each.
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
    normalisation: str = ""
    layer: str = ""
    method_version: str = ""
    corruption_version: str = ""
    dataset_version: str = ""
    backbone_version: str = ""
    compiled: str = ""
    sweep: str = ""

    @property
    def degradation(self) -> Degradation:
        """The degradation of the images."""
        return Degradation(self.corruption, self.level, self.profile)

    @property
    def label(self) -> str:
        """Its method as on the command line: ``afd`` or ``afd@jpeg_compression``."""
        return method_label(self.method, self.trained_on)

    @property
    def title(self) -> str:
        """What it is, in a sentence: ``afd@jpeg_compression on fog 3``."""
        return f"{self.label} on {self.degradation.label}"

    @property
    def digest(self) -> str:
        """SHA-256 of all fields, hexadecimal: the identity of a cell on disk."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """All fields, as files have them: `compiled` and `sweep` only where there is one."""
        return {n: value for n, value in asdict(self).items() if n not in _IF_ANY or value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cell:
        """The inverse of `as_dict`; unknown or missing fields are refused."""
        names = {f.name for f in fields(cls)}
        if {*values, *_IF_ANY} != names:
            told = f"a cell has the fields {sorted(names)}, this one has {sorted(values)}"
            raise RobobenchError(f"{told}: it was written by another version of robobench")
        return cls(**values)


@dataclass
class Predictions:
    """One method's predictions for the images of one cell, in data-set order.

    Attributes:
        index: int64, each image's index in its data set, ascending.
        label: int64, the true classes.
        predicted: int64, the class with the largest probability; -1 if not valid (NaN).
        confidence: float32, the largest probability; NaN likewise, as the next.
        true_probability: float32, the probability of the true class.
        extra: Further per-image columns of the method (psnr, ssim, estimated_level), float32 each.
        true_rank: int32, place of the true class by probability, from 1; 0 if not valid. This and
            the next three are None where they were not stored (by earlier versions).
        second: int32, the class of the second-largest probability; -1 if not valid, or no other.
        second_probability: float32, its probability; NaN likewise.
        logits: float16 N x outputs, natural logarithms of the probabilities (``--keep logits``).
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    extra: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    true_rank: NDArray[np.int32] | None = None
    second: NDArray[np.int32] | None = None
    second_probability: NDArray[np.float32] | None = None
    logits: NDArray[np.float16] | None = None

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each image was classified correctly."""
        correct: NDArray[np.bool_] = self.predicted == self.label
        return correct

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Geometry:
    """How an image becomes the square of pixels that a network sees.

    Attributes:
        resize: Shorter side after resizing, in pixels; None leaves the size unchanged.
        crop: Side of the centre crop, in pixels; None takes the whole image.
        interpolation: ``bilinear``, ``bicubic``, ``lanczos``, ``nearest`` or ``box``.
        mean: Mean per channel, on 0..1, that the classifier subtracts.
        std: Standard deviation per channel, on 0..1, that it divides by.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def normalisation(self) -> str:
        """Mean and standard deviation as text, exactly: what the classifier does to pixels."""
        return "/".join(",".join(map(repr, numbers)) for numbers in (self.mean, self.std))

    @property
    def key(self) -> str:
        """Which pixels are seen; see `normalisation` for what is done to them."""
        resize = f"resize{self.resize}-{self.interpolation}" if self.resize else "no-resize"
        whole = resize if self.resize else "as-is"
        return f"{resize}-crop{self.crop}" if self.crop else whole


# What no method knows of a stranger's image: one that must be told any of it is an oracle.
ORACLE_NEEDS: Final = frozenset({"corruption", "severity", "level"})


@dataclass(frozen=True)
class Context:
    """What a method knows besides the pixels; only what it declared in `Method.needs` is set.

    Attributes:
        corruption: Name, when the method needs ``corruption``.
        severity: 1 to 5 where the grid has severities, when it needs ``severity``.
        level: True level in the corruption's own unit, when it needs ``level``.
        header_quality: int tensor N, JPEG quality in the file's header (0 where there is none),
            when it needs ``header_quality``.
        indices: int64 tensor N, each image's index in its data set, for its random numbers.
    """

    corruption: str | None = None
    severity: int | None = None
    level: float | None = None
    header_quality: Tensor | None = None
    indices: Tensor | None = None

    def told(self, needs: Collection[str]) -> Context:
        """What a method with these `Method.needs` gets of it."""
        return Context(**{k: v for k, v in vars(self).items() if k in (*needs, "indices")})


@dataclass(frozen=True)
class Cost:
    """The inference cost of a method.

    Attributes:
        parameters: Number of trained parameters of everything that runs.
        macs: Multiply-adds per image.
    """

    parameters: int
    macs: int


@dataclass(frozen=True)
class Card:
    """The facts about a file of trained weights; stored next to it as JSON.

    Attributes:
        method: Registered name of the method that the weights are for.
        belongs_to: ``classifier``, ``plugin`` or ``restorer``: see `Method.weights_of`.
        dataset: The data set whose labels (classifier) or images were trained on.
        backbone: Architecture that the weights are for; empty for restorers.
        backbone_digest: Digest of the frozen classifier's weights, for plug-in modules.
        trained_on: As `robobench.weights.coverage.canonical_training` writes it.
        train_seed: Seed of the training.
        digest: SHA-256 of the safetensors file, hexadecimal.
        file: Name of that file.
        command: The command that trained them.
        recipe: Settings of the training, for the record.
        images: How many training images, and which.
        accuracy: Validation accuracies, fractions, by condition.
        parameters: Number of parameters in the file.
        minutes: Duration of the training.
        versions: Versions of robobench, Python and torch.
        class_names: For classifiers, the classes in the order of the outputs.
        layer: For plug-in modules, the classifier's layer after which they are plugged in.
        preparation: For them, how images are prepared for the classifier; empty in older cards.
        images_count: Number of training images if they were named or limited; 0 for a whole split.
        images_digest: SHA-256 of what identifies them, hexadecimal; likewise.
        recipe_name: Name of the settings; empty for the method's default.
        license: SPDX expression of the weights' licence; empty where it is not known.
        source: Who trained them, and what they started from.
        format: Format version of the card.
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
    layer: str = ""
    preparation: str = ""
    images_count: int = 0
    images_digest: str = ""
    recipe_name: str = ""
    license: str = ""
    source: str = ""
    format: int = 1


@dataclass(frozen=True)
class Weights:
    """Trained weights and the card that describes them.

    Attributes:
        card: See `Card`.
        tensors: Float tensors by name.
    """

    card: Card
    tensors: Mapping[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under a prefix, which is stripped: one of several networks in a file."""
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}


@dataclass(frozen=True)
class Recipe:
    """Settings of one training.

    Attributes:
        steps: Number of batches.
        batch: Images per batch.
        rate: Peak learning rate.
        minutes: Rough duration on two ordinary CPU cores; for messages.
        optimizer: Name of the optimizer.
        weight_decay: Weight decay, on matrices and filters only.
        warmup: Share of the steps in which the rate rises; then it decays along a half cosine.
        evaluations: How often the network is validated.
        clip: Maximum gradient norm; infinite for no clipping.
        restarts: First step and peak rate of each cycle after the first (Loshchilov and Hutter 2017).
        keep: ``best`` in validation, or ``last`` where its images were trained on.
        averaged: Of how many of the last cycles the ends are averaged, with ``last`` (Izmailov et al. 2018).
        options: Further settings of the method.
    """

    steps: int
    batch: int
    rate: float
    minutes: float
    optimizer: Literal["adam", "adamax", "sgd"] = "adam"
    weight_decay: float = 0.0
    warmup: float = 0.1
    evaluations: int = 8
    clip: float = math.inf
    restarts: tuple[tuple[int, float], ...] = ()
    keep: Literal["best", "last"] = "best"
    averaged: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse cycles that cannot be run.

        Raises:
            ValueError: Restarts that do not ascend within the steps, or too many averaged cycles.
        """
        firsts = [0, *(first for first, _ in self.restarts), self.steps]
        if firsts != sorted(set(firsts)):
            raise ValueError(f"restarts within {self.steps} steps are expected, got {firsts[1:-1]}")
        most = len(firsts) - 1 if self.keep == "last" else 1
        if not 1 <= self.averaged <= most:
            raise ValueError(f"1 to {most} averaged cycles are expected, got {self.averaged}")

    def with_options(self, **options: Any) -> Recipe:
        """The same recipe with some options changed."""
        return replace(self, options={**self.options, **options})

    def in_one_cycle(self, **changes: Any) -> Recipe:
        """The same recipe without restarts, with some fields changed."""
        return replace(self, restarts=(), averaged=1, **changes)

    def in_lengths(self) -> dict[str, Recipe]:
        """The usual three: ``standard``, ``quick`` (1/5 of the steps) and ``long`` (4 times)."""
        return {
            name: replace(
                self,
                steps=max(1, round(self.steps * factor)),
                minutes=self.minutes * factor,
                restarts=tuple((round(first * factor), rate) for first, rate in self.restarts),
            )
            for name, factor in {"standard": 1.0, "quick": 0.2, "long": 4.0}.items()
        }
