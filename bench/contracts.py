"""What plug-ins implement: a method, a corruption, a data set, a metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from robobench.errors import RobobenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from robobench.backbones.backbone import Backbone
    from robobench.types import Recipe

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from robobench.types import Geometry, Predictions
from robobench.types import Context, Cost, Geometry, Predictions, Weights


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
    def fit(cls, task: Any) -> None:
        """Train the weights and store them through the task; for methods that have any.

        Args:
            task: A `robobench.training.task.TrainingTask`, which stands above this contract.
        """
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


class Corruption(Protocol):
    """A batched degradation: ``(images, level, keys) -> images``."""

    def __call__(self, images: Tensor, level: Any, keys: Tensor) -> Tensor:
        """Degrade a batch.

        Args:
            images: uint8, N x 3 x H x W; left alone.
            level: The parameter of one severity: a number or a tuple of numbers.
            keys: int64 N, the seed of each image's randomness.

        Returns:
            uint8, the same shape, on the same device.
        """
        ...


class Dataset(Protocol):
    """Images with labels, read in any order.

    Attributes:
        name: As `Cell.dataset` has it, without a path.
        split: ``test``, ``validation``, ``train``.
        class_names: In the order of the labels.
        profile: The severity table that is meant for it.
        labels: int64 N, all of them, without reading an image.
        geometry: How its images become what a network sees; decoded to that at `read`.
    """

    name: str
    split: str
    class_names: tuple[str, ...]
    profile: str
    labels: NDArray[np.int64]

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """SHA-256 over what identifies images and labels, hexadecimal; stable between machines."""
        ...

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Images as uint8 N x 3 x H x W after the geometry's resize and crop.

        Raises:
            RobobenchError: An image is missing or broken; the message names its file.
        """
        ...


class Metric(Protocol):
    """A judgement of a cell's predictions; see `robobench.metric`."""

    def __call__(self, predictions: Predictions) -> float | NDArray[Any]:
        """One value per image (bool or float N), whose mean is the metric; or a single number."""
        ...
