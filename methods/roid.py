"""`roid`: universal test-time adaptation (Marsden et al., WACV 2024)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, cosine_similarity, grid_sample

import robobench
from robobench.corruptions import random
from robobench.methods.online_adaptation import GradientAdaptation, entropy
from robobench.types import Context, Degradation

_TEMPERATURE: Final = 1 / 3
_KEPT_OF_CLASSES: Final = 0.9
_KEPT_OF_NETWORK: Final = 0.99
_MOST_CERTAIN: Final = 0.99  # probabilities are clipped there, or the loss would be unbounded
_TINY: Final = 1e-5
_GREY: Final = (0.299, 0.587, 0.114)


@robobench.method("roid", argument="[SETTINGS]")
class Roid(GradientAdaptation):
    """Weighted self-training, drawn back to the given network, prior corrected (Marsden et al. 2024).

    "Universal test-time adaptation through weight ensembling, diversity weighting, and prior
    correction", WACV 2024, section 4. The soft likelihood ratio loss of each image is weighted by its
    certainty and its diversity; a symmetric cross-entropy ties the answers for an augmented copy to
    the answers for the image. After each step the parameters become 0.99 of themselves and 0.01
    of the given ones. Probabilities are multiplied by the smoothed mean of the batch's and made to sum
    to one (the authors' code multiplies the logits).
    """

    passes = 6

    def forget(self) -> None:
        """See `GradientAdaptation`."""
        super().forget()
        classes = self.backbone.num_classes
        self.average = torch.full((classes,), 1 / classes, device=self.backbone.device)

    def adapt(self, images: Tensor, context: Context) -> Tensor:
        """Answer, then take one step and draw the parameters back."""
        logits = self.network.logits(images)
        probabilities = logits.detach().softmax(dim=1)
        weights = importance(probabilities, entropy(logits.detach()), self.average)
        self.average = _KEPT_OF_CLASSES * self.average + (
            1 - _KEPT_OF_CLASSES
        ) * probabilities.mean(0)
        counts = weights > 0
        if counts.any():
            loss = (weights * likelihood_ratio(logits))[counts].sum()
            indices = torch.arange(len(images)) if context.indices is None else context.indices
            chosen = indices.to(images.device)[counts]
            changed = self.network.logits(augmented(images[counts], chosen))
            tie = symmetric_cross_entropy(changed, logits[counts])
            self.step((loss + (weights[counts] * tie).sum()) / len(images))
            with torch.no_grad():
                for parameter, given in zip(self.adapted, self.given, strict=True):
                    parameter.mul_(_KEPT_OF_NETWORK).add_(given, alpha=1 - _KEPT_OF_NETWORK)
        return corrected(probabilities)


def importance(probabilities: Tensor, entropies: Tensor, average: Tensor) -> Tensor:
    """The weight of each image: exp(diversity x certainty / temperature), or 0 if less diverse than most.

    Args:
        probabilities: N x classes.
        entropies: N, of these.
        average: Moving average of the mean probabilities, one per class.

    Returns:
        N. Diversity, one minus the cosine similarity to the average, and certainty, the negative
        entropy, are scaled to 0..1 within the batch; images below the mean diversity get 0.
    """
    diversity = _scaled(1 - cosine_similarity(average[None], probabilities))
    weights = (diversity * _scaled(-entropies) / _TEMPERATURE).exp()
    return torch.where(diversity < diversity.mean(), 0.0, weights)


def _scaled(values: Tensor) -> Tensor:
    low, high = values.min(), values.max()
    return (values - low) / (high - low).clamp(min=1e-12)


def likelihood_ratio(logits: Tensor) -> Tensor:
    """The soft likelihood ratio loss, N: -sum p log(p / (1 - p)), with p of at most 0.99."""
    p = logits.softmax(dim=1).clamp(max=_MOST_CERTAIN)
    return -(p * (p / (1 - p) + _TINY).log()).sum(1)


def symmetric_cross_entropy(one: Tensor, other: Tensor) -> Tensor:
    """Mean of the cross-entropies of one from the other and back, N, from logits N x classes."""
    there = -(other.softmax(1) * one.log_softmax(1)).sum(1)
    back = -(one.softmax(1) * other.log_softmax(1)).sum(1)
    return (there + back) / 2


def corrected(probabilities: Tensor) -> Tensor:
    """Probabilities weighted by the smoothed class prior of their batch, rows summing to one.

    The prior, the mean of the batch, is smoothed by max(1/N, 1/classes) over its largest entry, which is
    close to uniform for a balanced batch.
    """
    count, classes = probabilities.shape
    prior = probabilities.mean(0)
    smoothing = max(1 / count, 1 / classes) / prior.max()
    weighted = probabilities * (prior + smoothing) / (1 + smoothing * classes)
    return weighted / weighted.sum(1, keepdim=True)


def augmented(images: Tensor, indices: Tensor) -> Tensor:
    """Each image flipped, rotated, shifted, zoomed and recoloured at random.

    Rotation up to 15 degrees, shifts up to 1/16, zoom 0.9 to 1.1; brightness 0.6 to 1.4, contrast 0.7 to
    1.3, saturation 0.5 to 1.5, gamma 0.7 to 1.3, as in the authors' code, without its change of hue.

    Args:
        images: uint8, N x 3 x H x W.
        indices: int64 N, the images' indices in their data set: an image always gets the same ones.

    Returns:
        float32 on 0..255, of the same shape.
    """
    keys = random.keys(0, Degradation("roid"), indices.to(images.device))
    draws = random.uniform(keys, 9)
    flip = (draws[:, 0] < 0.5).float() * 2 - 1
    spread = (draws[:, 1:] * 2 - 1).T
    angle, zoom = spread[0] * torch.pi / 12, 1 + 0.1 * spread[1]
    cosine, sine = angle.cos() / zoom, angle.sin() / zoom
    rows = torch.stack(
        [
            torch.stack([flip * cosine, -sine, spread[2] / 8], 1),
            torch.stack([flip * sine, cosine, spread[3] / 8], 1),
        ],
        dim=1,
    )
    grid = affine_grid(rows, list(images.shape), align_corners=False)
    pixels = images.float() / 255
    pixels = grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    brightness, contrast, saturation, gamma = (
        (1 + most * s)[:, None, None, None]
        for most, s in zip((0.4, 0.3, 0.5, 0.3), spread[4:], strict=True)
    )
    pixels = (pixels * brightness).clamp(0, 1)
    grey = (pixels * pixels.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)
    pixels = (contrast * (pixels - grey.mean((2, 3), keepdim=True))) + grey.mean(
        (2, 3), keepdim=True
    )
    pixels = pixels.clamp(0, 1)
    grey = (pixels * pixels.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)
    pixels = (saturation * (pixels - grey) + grey).clamp(1e-8, 1)
    result: Tensor = 255 * pixels**gamma
    return result
