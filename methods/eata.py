"""`eata`: efficient anti-forgetting test-time adaptation (Niu et al., ICML 2022)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

import robobench
from robobench.backbones.backbone import Backbone
from robobench.methods.online_adaptation import GradientAdaptation, entropy
from robobench.types import Context, Weights

_FISHER_IMAGES: Final = 2000
_KEPT: Final = 0.9  # share of the moving average that is kept at each batch
# The similarity above which an image is redundant, and the weight of the regulariser: the authors'
# values for CIFAR-10 and for ImageNet.
_SMALL, _LARGE = (0.4, 1.0), (0.05, 2000.0)


@robobench.method("eata", argument="[SETTINGS]")
class Eata(GradientAdaptation):
    """Entropy of reliable, not redundant images, anchored by Fisher weights (Niu et al., ICML 2022).

    "Efficient test-time model adaptation without forgetting". An image counts if its entropy E is
    below E0 = 0.4 ln(classes) and the cosine similarity of its probabilities to their moving average
    over counted images (eq. 4, 5) is below a threshold; its weight is exp(E0 - E) (eq. 3). Moving away
    from the given parameters costs the squared distance times their Fisher information (eq. 8, 9),
    estimated before each run's first condition from up to 2,000 undegraded test images, without
    labels, as the authors do. They square the gradients of batches, not of images, and so do we:
    the regulariser's weight was chosen for that.
    """

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.most_entropy = 0.4 * math.log(backbone.num_classes)
        self.importance: list[Tensor] | None = None

    def begin(self, clean: Callable[[int], Tensor]) -> None:
        """Estimate the Fisher information, which does not depend on the condition, at the first call."""
        super().begin(clean)
        if self.importance is None:
            with torch.inference_mode(False), torch.enable_grad():
                self.importance = self._fisher(clean(_FISHER_IMAGES))

    def forget(self) -> None:
        """See `GradientAdaptation`."""
        super().forget()
        self.average: Tensor | None = None

    def adapt(self, images: Tensor, context: Context) -> Tensor:
        """Answer, then take one step, unless no image counts."""
        logits = self.network.logits(images)
        probabilities, entropies = logits.softmax(dim=1), entropy(logits)
        counts = self._counting(probabilities.detach(), entropies.detach())
        if counts.any():
            weights = (self.most_entropy - entropies.detach()).exp()
            self.step((weights * entropies)[counts].mean() + self._distance())
        return probabilities

    def _counting(self, probabilities: Tensor, entropies: Tensor) -> Tensor:
        """Which images are reliable and not redundant, bool N; updates the moving average."""
        counts = entropies < self.most_entropy
        if self.average is not None:
            most_similar = (_SMALL if self.is_small else _LARGE)[0]
            counts &= cosine_similarity(probabilities, self.average[None]) < most_similar
        if counts.any():
            mean = probabilities[counts].mean(0)
            before = mean if self.average is None else self.average
            self.average = _KEPT * before + (1 - _KEPT) * mean
        return counts

    def _distance(self) -> Tensor:
        if self.importance is None:
            raise ValueError("eata is told undegraded images by `begin`, which was not called")
        terms = zip(self.importance, self.adapted, self.given, strict=True)
        distance: Tensor = sum(
            ((f * (p - g).square()).sum() for f, p, g in terms), torch.tensor(0.0)
        )
        return (_SMALL if self.is_small else _LARGE)[1] * distance

    def _fisher(self, images: Tensor) -> list[Tensor]:
        """Mean over batches of the squared gradients of the loss against the network's own answers."""
        sums = [torch.zeros_like(p) for p in self.adapted]
        batches = torch.split(images, self.batch_size(images.shape[-1]))
        for batch in batches:
            logits = self.network.logits(batch)
            loss = cross_entropy(logits, logits.argmax(dim=1))
            for total, gradient in zip(sums, torch.autograd.grad(loss, self.adapted), strict=True):
                total += gradient.square()
        return [total / len(batches) for total in sums]
