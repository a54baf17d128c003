"""What the built-in networks share: a stem, stages, and a classifier of pooled features."""

from __future__ import annotations

from typing import ClassVar, cast

from torch import Tensor, nn


class StagedNetwork(nn.Module):
    """A stem, then stages, then a classifier; subclasses create the three.

    Attributes:
        side: Side in pixels of the images that it is made for.
        widths: Numbers of channels of the stem and of each stage.
        stem: Maps normalised images to features.
        stages: Each maps features to features.
        classifier: Maps pooled features to logits.
    """

    side: ClassVar[int] = 32
    widths: tuple[int, ...]
    stem: nn.Module
    stages: nn.ModuleList
    classifier: nn.Module

    def forward(self, images: Tensor) -> Tensor:
        """Logits, N x classes, for normalised images N x 3 x H x W of at least 8 x 8 pixels."""
        features = self.through_stages(self.stem(images))
        logits: Tensor = self.classifier(self.pooled(features))
        return logits

    def through_stages(self, features: Tensor) -> Tensor:
        """Features of the last stage, from those of the stem."""
        for stage in self.stages:
            features = stage(features)
        return features

    def pooled(self, features: Tensor) -> Tensor:
        """The classifier's input, from the last stage's features: their mean."""
        return features.mean((2, 3))


def initialise(
    network: nn.Module, kinds: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear)
) -> None:
    """Initialise the weights of some kinds of layers as He et al. 2015 do for ReLU networks."""
    for module in network.modules():
        if isinstance(module, kinds):
            nn.init.kaiming_normal_(cast(Tensor, module.weight), nonlinearity="relu")
