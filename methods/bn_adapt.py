"""`bn-adapt`: batch normalisation with statistics of the test images (Schneider et al. 2020)."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from torch import Tensor

import robobench
from robobench.backbones.backbone import Backbone
from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.methods.online_adaptation import (
    OnlineAdaptation,
    batch_norms,
    check_statistics,
    network_of,
)
from robobench.types import Context, Weights


@robobench.method("bn-adapt", argument="[SETTINGS]")
class BnAdapt(OnlineAdaptation):
    """Batch normalisation with the test batch's statistics, no training (Schneider et al. 2020).

    Mean and variance of a layer are N/(N+n) times those of the training images plus n/(N+n) times
    those of the n images of the batch ("Improving robustness against common corruptions by
    covariate shift adaptation", NeurIPS 2020, section 3). N, the setting ``prior=N``, is how many
    images the training statistics count for: 0 uses the batch alone, a large N the classifier as it
    is. Nothing is carried over from batch to batch, so that ``episodic`` changes nothing.

    Attributes:
        prior: N; 16 by default.
    """

    prior: ClassVar[int] = 16
    numbers: ClassVar[dict[str, int]] = {**OnlineAdaptation.numbers, "prior": 0}

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        for layer in batch_norms(self.network.module):
            given = layer.running_mean, layer.running_var
            layer.register_forward_pre_hook(
                _Mixing(self.prior, *cast(tuple[Tensor, Tensor], given))
            )

    @classmethod
    def with_argument(cls, argument: str) -> tuple[str, type[Method]]:
        """See `OnlineAdaptation`; ``episodic`` is accepted, and the same as ``continual``."""
        label, kind = super().with_argument(argument)
        kind.episodic = False  # type: ignore[attr-defined]
        return "+".join(word for word in label.split("+") if word != "episodic"), kind

    @classmethod
    def check_backbone(cls, backbone: Backbone) -> None:
        """Refuse a network without batch normalisation that has statistics."""
        check_statistics(backbone)
        if not batch_norms(network_of(backbone)):
            raise RobobenchError(
                f"backbone {backbone.name} has no batch normalisation with statistics (layer and "
                "group normalisation take theirs from each image, and it may have been folded into "
                "the convolutions): choose another classifier"
            )

    def forget(self) -> None:
        """Nothing is kept from batch to batch."""

    def adapt(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities with the mixed statistics."""
        with torch.no_grad():
            return self.network.logits(images).softmax(dim=1)


class _Mixing:
    """Before a layer runs, gives it the statistics of its input, mixed with those of training."""

    def __init__(self, prior: int, mean: Tensor, variance: Tensor) -> None:
        self.prior, self.mean, self.variance = prior, mean, variance

    def __call__(self, layer: Any, inputs: tuple[Tensor, ...]) -> None:
        features = inputs[0].float()
        others = [d for d in range(features.ndim) if d != 1]
        variance, mean = torch.var_mean(features, others, correction=0)
        share = self.prior / (self.prior + len(features))
        layer.running_mean = share * self.mean + (1 - share) * mean
        layer.running_var = share * self.variance + (1 - share) * variance
