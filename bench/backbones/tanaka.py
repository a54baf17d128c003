"""The classifier of Endo et al. 2020 as far as known: plain VGG with spatial dropout, 19.5 M.

The paper names the ingredients (VGG-like, 3 x 3 and 2 x 2 filters, strided convolutions for
pooling, spatial dropout), not the sizes. Those here are from the network that a co-author published
two years earlier with the same ingredients (mastnk/train1000): the best available guess.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from robobench.backbones.staged import StagedNetwork, initialise

_WIDTHS: Final = (64, 128, 256)
_DENSE: Final = 1024
_LAST_SIDE: Final = 8
_DROPOUT: Final = 0.5


def _layer(inputs: int, outputs: int, dropout: float, *, pooling: bool = False) -> nn.Sequential:
    size, stride, padding = (2, 2, 0) if pooling else (3, 1, 1)
    convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding)
    return nn.Sequential(nn.Dropout2d(dropout), convolution, nn.ReLU())


class TanakaVgg(StagedNetwork):
    """Two or three convolutions at each of three resolutions, then two dense layers of 1,024 units.

    The dense layers fit only 32 x 32 images.

    Args:
        classes: Number of outputs.
        dropout: Dropout rate of the dense layers; the rate for channels before each convolution is
            an eighth of it at full resolution, then a quarter, then half.
    """

    def __init__(self, classes: int, dropout: float = _DROPOUT) -> None:
        super().__init__()
        self.widths = _WIDTHS
        first, second, third = _WIDTHS
        self.stem = nn.Sequential(_layer(3, first, 0.0), _layer(first, first, dropout / 8))
        self.stages = nn.ModuleList(
            nn.Sequential(
                _layer(inputs, outputs, share, pooling=True),
                _layer(outputs, outputs, share),
                _layer(outputs, outputs, share),
            )
            for inputs, outputs, share in (
                (first, second, dropout / 4),
                (second, third, dropout / 2),
            )
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(third * _LAST_SIDE**2, _DENSE),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(_DENSE, _DENSE),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(_DENSE, classes),
        )
        initialise(self)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def pooled(self, features: Tensor) -> Tensor:
        """The classifier's input, from the last stage's features: all of them, flattened."""
        return features.flatten(1)
