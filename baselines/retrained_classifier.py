"""What methods share whose classifier has the backbone's architecture and weights of its own."""

from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.types import Context, Cost, Weights


class RetrainedClassifier(robobench.Method):
    """A classifier that replaces the backbone: the same network with other weights."""

    weights_of = "classifier"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is not None:
            self.classifier = backbone.with_state(weights.tensors, weights.card.file)

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities of the method's own network."""
        return self.classifier(images)

    def as_module(self) -> nn.Module:
        """The method's own network."""
        return self.classifier.as_module()

    def cost(self) -> Cost:
        """Cost of the backbone, which it replaces."""
        return self.backbone.cost()
