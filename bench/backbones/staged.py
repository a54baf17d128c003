"""What our own networks have in common: a stem, stages, and a classifier of pooled features."""

from __future__ import annotations

from typing import ClassVar, cast

from torch import Tensor, nn


class StagedNetwork(nn.Module):
    """A stem, then stages, then a classifier; who derives from it makes the three.

    Attributes:
        side: Pixels of the images that it is made for.
        widths: Channels of the stem and of each stage.
        stem: Normalised images to features.
        stages: Features to features.
        classifier: Pooled features to logits.
    """

    side: ClassVar[int] = 32
    widths: tuple[int, ...]
    stem: nn.Module
    stages: nn.ModuleList
    classifier: nn.Module

    def forward(self, images: Tensor) -> Tensor:
        """Logits, N x classes, of normalised images N x 3 x H x W with sides of 8 pixels and up."""
        features = self.through_stages(self.stem(images))
        logits: Tensor = self.classifier(self.pooled(features))
        return logits

    def through_stages(self, features: Tensor) -> Tensor:
        """Features of the last stage, of the stem's."""
        for stage in self.stages:
            features = stage(features)
        return features

    def pooled(self, features: Tensor) -> Tensor:
        """What the classifier gets of the last stage's features: their mean."""
        return features.mean((2, 3))


def initialise(
    network: nn.Module, kinds: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear)
) -> None:
    """Draw the weights of some kinds of layers as He et al. 2015 do for rectifiers."""
    for module in network.modules():
        if isinstance(module, kinds):
            nn.init.kaiming_normal_(cast(Tensor, module.weight), nonlinearity="relu")
