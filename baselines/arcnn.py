"""`arcnn`: four convolutions that remove artefacts, then the classifier (Dong et al., ICCV 2015)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

import robobench
from robobench.backbones.backbone import Backbone, cost_of
from robobench.baselines.restoration import RestoreThenClassify, psnr
from robobench.training.fitting import Recipe, in_lengths
from robobench.training.task import TrainingTask, in_batches
from robobench.types import Cost, Weights

PAPER_WIDTHS = (64, 32, 16)
SMALL_WIDTHS = (24, 16, 8)
_SMALL_SIDE = 64


class Arcnn(nn.Module):
    """Feature extraction 9 x 9, enhancement 7 x 7, mapping 1 x 1, reconstruction 5 x 5.

    117,731 parameters in the paper's widths with three colours. What the last layer says is added
    to the input, so that an untrained network leaves the image alone; the paper's has no such
    shortcut.

    Args:
        widths: Channels of the first three layers.
    """

    def __init__(self, widths: tuple[int, int, int] = PAPER_WIDTHS) -> None:
        super().__init__()
        first, second, third = widths
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 9, padding=4),
            nn.ReLU(),
            nn.Conv2d(first, second, 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(second, third, 1),
            nn.ReLU(),
            nn.Conv2d(third, 3, 5, padding=2),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Restored images, float on 0..1, not clipped."""
        restored: Tensor = images + self.layers(images)
        return restored


@robobench.method("arcnn", trainings=("jpeg_compression", "noise"), worth=16)
class ArcnnThenClassify(RestoreThenClassify):
    """ARCNN restores the image, then the classifier (Dong et al., ICCV 2015)."""

    weights_of = "restorer"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.network: nn.Module | None = None
        if weights is not None:
            self.network = Arcnn(tuple(weights.card.recipe["network"]["widths"]))
            self.network.load_state_dict(dict(weights.tensors))
            self.network.to(backbone.device).eval().requires_grad_(False)

    def restore(self, images: Tensor) -> Tensor:
        """Run the network and round to bytes."""
        assert self.network is not None
        with torch.inference_mode(), self.backbone.autocast():
            restored = self.network(images.float() / 255)
        return to_bytes(restored.float())

    def cost(self) -> Cost:
        """Of the network and of the classifier behind it."""
        assert self.network is not None
        own = cost_of(self.network, self.backbone.example.float())
        behind = self.backbone.cost()
        return Cost(own.parameters + behind.parameters, own.macs + behind.macs)

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Narrower than the paper's for small images, whose classifiers are small as well."""
        small = Recipe(
            steps=1000,
            batch=64,
            rate=2e-3,
            minutes=2,
            options={"shift": 3, "widths": SMALL_WIDTHS, "ranges": {"jpeg_compression": (1, 90)}},
        )
        large = Recipe(
            steps=1500,
            batch=16,
            rate=1e-3,
            minutes=8,
            options={"crop": 96, "widths": PAPER_WIDTHS, "ranges": {"jpeg_compression": (5, 60)}},
        )
        is_large = backbone is not None and backbone.example.shape[-1] > _SMALL_SIDE
        return in_lengths(large if is_large else small)

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train on pairs of clean and degraded images, mean squared error."""
        widths = tuple(task.recipe.options["widths"])
        torch.manual_seed(task.train_seed)
        network = Arcnn(widths).to(task.device)

        def objective(step: int) -> Tensor:
            clean, degraded, _, _ = task.degraded_batch(step)
            return mse_loss(network(degraded.float() / 255).float(), clean.float() / 255)

        def restore(images: Tensor) -> Tensor:
            return to_bytes(network(images.float() / 255).float())

        def validate() -> dict[str, float]:
            clean, _ = task.clean
            before = torch.stack([psnr(d, clean).mean() for _, d in task.conditions]).mean()
            after = [psnr(in_batches(restore, d), clean).mean() for _, d in task.conditions]
            return {"psnr": float(torch.stack(after).mean()), "psnr before": float(before)}

        fit = task.fit(network, objective, validate)
        task.save(network.state_dict(), fit, {"widths": list(widths)})


def to_bytes(images: Tensor) -> Tensor:
    """Images on 0..1 as uint8, rounded."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)
