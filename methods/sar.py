"""`sar`: sharpness-aware and reliable entropy minimisation (Niu et al., ICLR 2023)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.methods.online_adaptation import GradientAdaptation, entropy
from robobench.types import Context, Weights

_RADIUS: Final = 0.05  # rho
_COLLAPSED: Final = 0.2  # e_0 of the recovery
_KEPT: Final = 0.9
# Left alone by the authors: the last stage of a ResNet, the last three of ViT's twelve blocks and
# the norm behind them.
_LAST: Final = re.compile(r"layer4(\.|$)|blocks\.(9|10|11)(\.|$)|norm$")
_STAGE: Final = re.compile(r"stages\.(\d+)(?:\.|$)")


@robobench.method("sar", argument="[SETTINGS]")
class Sar(GradientAdaptation):
    """Entropy of reliable images, minimised towards a flat minimum, with recovery (Niu et al. 2023).

    "Towards stable test-time adaptation in dynamic wild world", ICLR 2023. Images count if their
    entropy is below 0.4 ln(classes) (eq. 2). The step follows the gradient at the parameters moved by
    0.05 along the normalised gradient (eq. 3 to 5), of the images that still count there. When the
    moving average of that loss, of which 0.9 is kept at each batch, falls below 0.2, the network has
    collapsed, and the parameters go back to where they began. Layers of the last stage are left alone;
    in networks built of ``stages`` that is the last of them.
    """

    passes = 6

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.most_entropy = 0.4 * math.log(backbone.num_classes)

    def skips(self, module: nn.Module) -> Callable[[str], bool]:
        """The layers of the last stage."""
        stages = [int(m[1]) for name, _ in module.named_modules() if (m := _STAGE.match(name))]

        def is_last(name: str) -> bool:
            stage = _STAGE.match(name)
            return bool(_LAST.match(name)) or (stage is not None and int(stage[1]) == max(stages))

        return is_last

    def forget(self) -> None:
        """See `GradientAdaptation`."""
        super().forget()
        self.average: float | None = None

    def adapt(self, images: Tensor, context: Context) -> Tensor:
        """Answer, then take one step, unless no image counts."""
        logits = self.network.logits(images)
        first = entropy(logits)
        counts = first < self.most_entropy
        if counts.any():
            moves = self._perturbation(first[counts].mean())
            self._move(moves)
            second = entropy(self.network.logits(images))
            still = counts & (second < self.most_entropy)
            loss = second[still].mean()
            self.optimizer.zero_grad()
            if still.any():
                loss.backward()  # type: ignore[no-untyped-call]
            self._move([-move for move in moves])
            if still.any():
                self.optimizer.step()
                self._recover(loss.item())
        return logits.softmax(dim=1)

    def _perturbation(self, loss: Tensor) -> list[Tensor]:
        """The steepest move of length rho (eq. 4)."""
        gradients = torch.autograd.grad(loss, self.adapted)
        length = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
        return [_RADIUS * g / (length + 1e-12) for g in gradients]

    def _move(self, moves: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, move in zip(self.adapted, moves, strict=True):
                parameter.add_(move)

    def _recover(self, loss: float) -> None:
        before = loss if self.average is None else self.average
        self.average = _KEPT * before + (1 - _KEPT) * loss
        if self.average < _COLLAPSED:
            self.forget()
