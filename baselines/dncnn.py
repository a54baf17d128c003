"""`dncnn`: a deep residual network removes the degradation (Zhang et al., TIP 2017)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

import robobench
from robobench.baselines.trained_restorer import TrainedRestorer


class DnCnn(nn.Module):
    """3 x 3 convolutions that estimate the negative of the degradation, added to the input.

    The first and the last layer have no batch normalisation. The last one starts at zero, so that
    an untrained network leaves the image unchanged. The paper subtracts its estimate instead: the
    same up to a sign.

    Args:
        depth: Number of convolutions, at least three; 17 in the paper, 20 for its blind networks.
        width: Number of channels between them; 64 in the paper.
    """

    def __init__(self, depth: int = 17, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        layers.append(nn.Conv2d(width, 3, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Restored images, float on 0..1, not clipped."""
        restored: Tensor = images + self.layers(images)
        return restored


@robobench.method("dncnn", trainings=("jpeg_compression", "noise"), worth=17)
class DnCnnThenClassify(TrainedRestorer):
    """DnCNN restores the image, then the classifier (Zhang et al., TIP 2017)."""

    small: ClassVar[Mapping[str, Any]] = {
        "depth": 7,
        "width": 24,
    }  # 28 million multiply-adds at 32 x 32
    large: ClassVar[Mapping[str, Any]] = {"depth": 17, "width": 64}
    crop = 40  # as the paper's patches
    minutes = (3, 30)

    @classmethod
    def build(cls, **shape: Any) -> DnCnn:
        """See `DnCnn`."""
        return DnCnn(**shape)
