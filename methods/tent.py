"""`tent`: test-time entropy minimisation (Wang et al., ICLR 2021)."""

from __future__ import annotations

from torch import Tensor

import robobench
from robobench.methods.online_adaptation import GradientAdaptation, entropy
from robobench.types import Context


@robobench.method("tent", argument="[SETTINGS]")
class Tent(GradientAdaptation):
    """Minimises the entropy of its answers, one step per batch (Wang et al., ICLR 2021).

    The loss is the mean over the batch of H = -sum p log p ("Tent: fully test-time adaptation by
    entropy minimization", section 3.1).
    """

    def adapt(self, images: Tensor, context: Context) -> Tensor:
        """Answer, then take one step."""
        logits = self.network.logits(images)
        self.step(entropy(logits).mean())
        return logits.softmax(dim=1)
