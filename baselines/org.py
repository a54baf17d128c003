"""`org`: the classifier as it is."""

from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.baselines import recipe_endo_2020
from robobench.training.classifying import accuracy, classification_loss
from robobench.training.task import TrainingTask
from robobench.types import Context, Recipe
from robobench.weights.storage import digest_of_file


@robobench.method("org", trainings=("clean",), worth=0)
class Org(robobench.Method):
    """The classifier itself, trained on clean images: the reference for every remedy.

    For built-in networks its weights are the backbone's own; networks from timm, torchvision or
    elsewhere come already trained.
    """

    trained_on = "clean"

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """The backbone's probabilities."""
        return self.backbone(images)

    def from_stem(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """The same, given the features of the stem."""
        return self.backbone.rest(features).softmax(dim=1)

    def as_module(self) -> nn.Module:
        """The classifier."""
        return self.backbone.as_module()

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings for 32 x 32 images."""
        usual = Recipe(
            steps=1600,
            batch=128,
            rate=4e-3,
            minutes=3,
            weight_decay=5e-3,
            options={"shift": 3, "dropout": 0.02},
        )
        return {
            **usual.in_lengths(),
            recipe_endo_2020.NAME: recipe_endo_2020.ON_CLEAN,
            recipe_endo_2020.PUBLISHED_NAME: recipe_endo_2020.PUBLISHED,
            "fine-tune": recipe_endo_2020.FINE_TUNED,
        }

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train a built-in network on clean images."""
        task.require_labels()
        network = task.fresh_network()
        runner = Backbone(
            network, class_names=task.class_names, geometry=task.train.geometry, live=True
        )
        network.train().requires_grad_(True)

        def objective(step: int) -> Tensor:
            images, labels = task.batch(step)
            logits = network(runner.normalise(images))
            return classification_loss(logits.float(), labels)

        def validate() -> dict[str, float]:
            images, labels = task.clean
            return {"clean": accuracy(runner.logits, images, labels)}

        fit = task.fit(network, objective, validate)
        made = {"architecture": task.architecture}
        if task.start is not None:
            made["start"] = f"{task.start.name}, sha256 {digest_of_file(task.start)}"
        task.save(network.state_dict(), fit, made)
