"""What methods share whose classifier has the backbone's architecture and weights of its own."""

from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.training.fitting import Fit
from robobench.training.task import TrainingTask
from robobench.types import Context, Cost, Weights


class RetrainedClassifier(robobench.Method):
    """A classifier that replaces the backbone: the same network with other weights."""

    weights_of = "classifier"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is not None:
            self.classifier = backbone.with_state(weights.tensors, weights.card.file)

    @staticmethod
    def student(task: TrainingTask) -> tuple[nn.Module, Backbone]:
        """The network that a task trains on labelled images, ready for it, and the classifier that it is.

        Raises:
            RobobenchError: There are no labels, or the network must be untrained and is not one of ours.
        """
        task.require_labels()
        network = task.fresh_network()
        classifier = task.frozen.with_module(network, live=True)
        return network.train().requires_grad_(True), classifier

    @staticmethod
    def store(task: TrainingTask, network: nn.Module, fit: Fit) -> None:
        """Store what was trained."""
        made = {"architecture": task.architecture, "start": task.start_of_arm}
        task.save(network.state_dict(), fit, made)

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities of the method's own network."""
        return self.classifier(images)

    def as_module(self) -> nn.Module:
        """The method's own network."""
        return self.classifier.as_module()

    def cost(self) -> Cost:
        """Cost of the backbone, which it replaces."""
        return self.backbone.cost()
