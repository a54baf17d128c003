"""`arcnn`: four convolutions that remove artefacts, then the classifier (Dong et al., ICCV 2015)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

import robobench
from robobench.baselines.trained_restorer import TrainedRestorer

PAPER_WIDTHS = (64, 32, 16)
SMALL_WIDTHS = (24, 16, 8)


class Arcnn(nn.Module):
    """Feature extraction 9 x 9, enhancement 7 x 7, mapping 1 x 1, reconstruction 5 x 5.

    117,731 parameters with the paper's widths and three colour channels. The output of the last
    layer is added to the input, so that an untrained network leaves the image unchanged; the
    paper's network has no such skip connection.

    Args:
        widths: Numbers of channels of the first three layers.
    """

    def __init__(self, widths: Sequence[int] = PAPER_WIDTHS) -> None:
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
class ArcnnThenClassify(TrainedRestorer):
    """ARCNN restores the image, then the classifier (Dong et al., ICCV 2015)."""

    small: ClassVar[Mapping[str, Any]] = {"widths": SMALL_WIDTHS}
    large: ClassVar[Mapping[str, Any]] = {"widths": PAPER_WIDTHS}
    crop = 96
    minutes = (2, 8)

    @classmethod
    def build(cls, **shape: Any) -> Arcnn:
        """See `Arcnn`."""
        return Arcnn(**shape)
