"""Restoration networks trained by robobench: what `arcnn` and `dncnn` share."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from robobench.backbones.backbone import Backbone, cost_of, folded
from robobench.baselines import recipe_endo_2020
from robobench.baselines.image_quality import psnr
from robobench.baselines.restoration import RestoreThenClassify, in_pieces, to_bytes, to_floats
from robobench.training.task import TrainingTask
from robobench.types import Cost, Recipe, Weights

_SMALL_SIDE: Final = 64
_VALIDATION_PIXELS: Final = 2**20  # 1,024 images of 32 pixels, 20 of 224


class TrainedRestorer(RestoreThenClassify):
    """A network restores the image, then the backbone classifies it.

    Subclasses implement `build` and define the two sizes.

    Attributes:
        small: Arguments of the network for images up to 64 pixels, whose classifiers are small.
        large: Arguments of the network for larger images, as in the paper.
        crop: Side of the training patches for images larger than 64 pixels.
        minutes: Duration of the standard training on two cores, for `small` and for `large`.
    """

    weights_of: ClassVar[Literal["restorer", "classifier"]] = "restorer"
    small: ClassVar[Mapping[str, Any]]
    large: ClassVar[Mapping[str, Any]]
    crop: ClassVar[int]
    minutes: ClassVar[tuple[float, float]]

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.network: nn.Module | None = None
        if weights is not None:
            shape = weights.card.recipe["network"]
            self.network = self.load_network(shape, weights.tensors).to(backbone.device)

    @classmethod
    def build(cls, **shape: Any) -> nn.Module:
        """An untrained network that maps float N x 3 x H x W on 0..1 to the same, restored."""
        raise NotImplementedError(f"{cls.__name__} has no build")

    @classmethod
    def load_network(cls, shape: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
        """A trained, frozen network.

        Args:
            shape: Arguments of `build`; ``network`` in the card's recipe.
            tensors: State dict of the network.
        """
        network = cls.build(**shape)
        network.load_state_dict(dict(tensors))
        return folded(network.eval()).requires_grad_(False)

    def restore(self, images: Tensor) -> Tensor:
        """Run the network and round to bytes."""
        assert self.network is not None
        with torch.inference_mode(), self.backbone.autocast():
            return restored_by(self.network, images)

    def as_module(self) -> nn.Module:
        """Restorer and classifier in one."""
        assert self.network is not None
        return _RestoringClassifier(self.network, self.classifier.as_module()).eval()

    def cost(self) -> Cost:
        """Cost of the network plus the classifier behind it."""
        assert self.network is not None
        own = cost_of(self.network, to_floats(self.backbone.example))
        behind = self.classifier.cost()
        return Cost(own.parameters + behind.parameters, own.macs + behind.macs)

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings for training on whole small images, or on patches of large ones."""
        small = Recipe(
            steps=1000,
            batch=64,
            rate=2e-3,
            minutes=cls.minutes[0],
            options={"shift": 3, **cls.small, "ranges": {"jpeg_compression": (1, 90)}},
        )
        large = Recipe(
            steps=1500,
            batch=16,
            rate=1e-3,
            minutes=cls.minutes[1],
            options={"crop": cls.crop, **cls.large, "ranges": {"jpeg_compression": (5, 60)}},
        )
        is_large = backbone is not None and backbone.example.shape[-1] > _SMALL_SIDE
        found = (large if is_large else small).in_lengths()
        return {**found, recipe_endo_2020.NAME: found["long"]}

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train on pairs of clean and degraded images with mean squared error."""
        shape = {name: task.recipe.options[name] for name in cls.small}
        torch.manual_seed(task.train_seed)
        network = cls.build(**shape).to(task.device)
        images = task.clean[0]
        some = slice(max(1, _VALIDATION_PIXELS // (images.shape[2] * images.shape[3])))

        def objective(step: int) -> Tensor:
            clean, degraded, _, _ = task.degraded_batch(step)
            return mse_loss(network(to_floats(degraded)).float(), to_floats(clean))

        def validate() -> dict[str, float]:
            clean = images[some]
            degraded = [d[some] for _, d in task.conditions]
            before = torch.stack([psnr(d, clean).mean() for d in degraded]).mean()
            after = [psnr(restored_by(network, d), clean).mean() for d in degraded]
            return {"psnr": float(torch.stack(after).mean()), "psnr before": float(before)}

        fit = task.fit(network, objective, validate)
        task.save(network.state_dict(), fit, shape)


class _RestoringClassifier(nn.Module):
    """A restorer and a classifier that sees what it restored, rounded like an image in a file."""

    def __init__(self, restorer: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.restorer = restorer
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes for float images N x 3 x H x W on 0..255."""
        restored = self.restorer(images / 255)
        logits: Tensor = self.classifier((restored.clamp(0, 1) * 255).round())
        return logits


def restored_by(network: nn.Module, images: Tensor) -> Tensor:
    """Restore uint8 images with a restoration network, to uint8."""
    return in_pieces(lambda piece: to_bytes(network(to_floats(piece))), images)
