"""What plug-ins implement: a method, a corruption, a data set, a metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from robobench.errors import RobobenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from robobench.backbones.backbone import Backbone
    from robobench.types import Context, Cost, Geometry, Predictions, Recipe, Weights


class Method:
    """A classifier with or without a remedy: uint8 images to class probabilities.

    Subclass it, implement `predict` and register it with ``@robobench.method(name)``: that is all.
    A method declares its properties as class attributes, so that a run can be planned, refused or
    explained before anything is loaded.

    Attributes:
        needs: The fields of `Context` it requires: any of ``corruption``, ``severity``, ``level``,
            ``header_quality``. Reports mark a method that needs any of the first three as *oracle*.
        adapts: Whether a prediction depends on the other images of the batch, or on those before it.
            It then gets the images of each condition in its own order and batches: see `stream`,
            `batch_size` and `begin`.
        stream: The order in which images come to a method that adapts: ``iid`` (shuffled) or
            ``by-class`` (one class after the other).
        weights_of: What its trained weights belong to: ``none`` (nothing is trained),
            ``classifier`` (to a data set's classes and an architecture), ``plugin`` (to the digest
            of one frozen classifier's weights) or ``restorer`` (image to image, any classifier).
        trained_on: The one corruption or ``clean`` that defines the method (``jpg`` is trained on
            JPEG); None where it can be trained on several, chosen with ``NAME@TRAINED_ON``.
        trained_as: Name of the method whose weights it uses; None where it has its own.
        argument_digest: SHA-256 of the argument of `with_argument` (a file's content), hexadecimal;
            empty for methods that take no argument.
        backbone: The frozen classifier it builds on.
        weights: Its own trained weights, or None.

    >>> class Mirrored(Method):
    ...     "Mean of the predictions for an image and its mirror image."
    ...     def predict(self, images, context):
    ...         return (self.backbone(images) + self.backbone(images.flip(-1))) / 2
    >>> Mirrored.applies_to("fog")
    True
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    adapts: ClassVar[bool] = False
    stream: ClassVar[Literal["iid", "by-class"]] = "iid"
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
            context: The fields that the method declared in `needs`.

        Returns:
            float32, N x classes; rows sum to one.
        """
        raise NotImplementedError(f"{type(self).__name__} has no predict")

    def from_stem(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Like `predict`, given the features of the backbone's stem, computed once for all methods.

        A method that overrides it is called this way whenever its backbone is splittable.
        """
        raise NotImplementedError(f"{type(self).__name__} has no from_stem")

    def as_module(self) -> nn.Module | None:
        """The whole method as one network, for ``robobench export``; None if it is none.

        Returns:
            Maps float32 images N x 3 x H x W on 0..255 to logits N x classes, for any N, and can be
            traced: it consists of tensor operations only, always the same ones. With a true
            attribute ``one_image`` it takes one image at a time, N = 1.
        """
        return None

    @classmethod
    def batch_size(cls, side: int) -> int:
        """How many images of this side, in pixels, a method that adapts gets at once."""
        return 64

    def begin(self, clean: Callable[[int], Tensor]) -> None:
        """Forget what earlier images taught: called before each condition of a method that adapts.

        Args:
            clean: Undegraded images of the run, uint8 N x 3 x H x W: at most as many as asked for,
                always the same ones.
        """

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """Extra columns by name, float32 N each (psnr, estimated_level); `clean` is undegraded."""
        return {}

    def features(self, images: Tensor, context: Context) -> list[Tensor] | None:
        """What ``robobench run --drift`` compares with the classifier's features for clean images.

        Returns:
            Feature maps, float32 N x C x h x w, where the classifier is split and at the ends of its
            stages (`Backbone.stages`), after the method's repair; None if the method has none.
        """
        return None

    @classmethod
    def applies_to(cls, corruption: str) -> bool:
        """Whether the method makes sense on this corruption; else the cell is not applicable."""
        return True

    @classmethod
    def check_backbone(cls, backbone: Backbone) -> None:
        """Refuse a classifier that the method cannot work with.

        Raises:
            RobobenchError: It cannot; the message says why.
        """

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of the results should know."""
        return ()

    @classmethod
    def with_argument(cls, argument: str) -> tuple[str, type[Method]]:
        """The method that ``NAME:ARGUMENT`` on the command line means.

        For methods registered with ``argument="FILE"`` or another placeholder; in brackets
        (``[SETTINGS]``) the argument may be left out.

        Args:
            argument: The text after the colon.

        Returns:
            The text after the colon in cells and tables (short, without folders; empty for what the
            plain name means) and the method, whose `argument_digest` identifies the argument where
            that text does not.

        Raises:
            RobobenchError: The argument is invalid.
        """
        raise RobobenchError("this method takes no argument")

    @classmethod
    def fit(cls, task: Any) -> None:
        """Train the weights and store them through the task; for methods that are trained.

        Args:
            task: A `robobench.training.task.TrainingTask` (this module may not import it).
        """
        raise RobobenchError("this method has nothing to train")

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> Mapping[str, Recipe]:
        """Named settings of `fit`, the default first; empty where nothing is trained.

        Args:
            backbone: The classifier the method builds on; None where that is what is trained.
        """
        return {}

    def cost(self) -> Cost:
        """Parameters of the networks that run, and multiply-adds per image.

        By default they are counted while `predict` classifies a grey image.
        """
        import torch

        from robobench.backbones.counting import cost_of_predicting
        from robobench.types import Context

        def predict(images: Tensor) -> Tensor:
            known = Context(
                corruption="jpeg_compression",
                severity=3,
                level=50.0,
                header_quality=torch.full((len(images),), 50, device=images.device),
                indices=torch.arange(len(images), device=images.device),
            )
            return self.predict(images, known.told(self.needs))

        try:
            return cost_of_predicting(predict, self.backbone)
        except (Exception, SystemExit):  # noqa: BLE001 - the run tells which cells it fails, and why
            return self.backbone.cost()


class Corruption(Protocol):
    """A batched degradation: ``(images, level, keys) -> images``."""

    def __call__(self, images: Tensor, level: Any, keys: Tensor) -> Tensor:
        """Degrade a batch.

        Args:
            images: uint8, N x 3 x H x W; not modified.
            level: The parameter of one severity: a number or a tuple of numbers.
            keys: int64 N, the seed of each image's randomness.

        Returns:
            uint8, the same shape, on the same device.
        """
        ...


class Dataset(Protocol):
    """Images with labels, read in any order.

    Attributes:
        name: The name in `Cell.dataset`, without a path.
        split: ``test``, ``validation``, ``train``.
        class_names: Names of the classes, in the order of the labels.
        profile: The severity table intended for it.
        labels: int64 N, all labels, available without reading an image.
    """

    name: str
    split: str
    class_names: tuple[str, ...]
    profile: str
    labels: NDArray[np.int64]

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """SHA-256 of what identifies images and labels, hexadecimal; the same on any machine."""
        ...

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Images as uint8 N x 3 x H x W after the geometry's resize and crop.

        Raises:
            RobobenchError: An image is missing or broken; the message names its file.
        """
        ...


class Metric(Protocol):
    """A measure of a cell's predictions; see `robobench.metric`.

    >>> def sure(predictions):
    ...     "Share of images with a confidence above 0.9."
    ...     return predictions.confidence > 0.9
    >>> metric: Metric = sure
    """

    def __call__(self, predictions: Predictions) -> float | NDArray[Any]:
        """One value per image (bool or float N), whose mean is the metric; or a single number."""
        ...
