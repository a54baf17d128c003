"""`jpg` and `noisy`: classifiers trained on degraded images (Endo et al. 2020, section 3)."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

import robobench
from robobench.backbones.backbone import Backbone
from robobench.baselines import recipe_endo_2020
from robobench.baselines.retrained_classifier import RetrainedClassifier
from robobench.training.classifying import accuracies, classification_loss
from robobench.training.task import TrainingTask
from robobench.types import Recipe


class TrainedOnDegraded(RetrainedClassifier):
    """A classifier with the backbone's architecture, trained on degraded images.

    The level of each training image is drawn uniformly from the paper's whole range. Training
    starts from the clean-trained backbone, as for every classifier that it is compared with.

    Attributes:
        levels: Lowest and highest level seen in training.
    """

    levels: ClassVar[tuple[float, float]]

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings for 32 x 32 images; larger networks are trained for longer."""
        ranges: Mapping[str, tuple[float, float]] = {cls.trained_on or "": cls.levels}
        tiny = backbone is None or backbone.name == "vgg-tiny"
        usual = Recipe(
            steps=1600 if tiny else 3200,
            batch=128,
            rate=3e-3,
            minutes=3 if tiny else 8,
            weight_decay=5e-3,
            options={"shift": 3, "ranges": ranges},
        )
        classes = 10 if backbone is None else backbone.num_classes
        paper = recipe_endo_2020.on_degraded(classes).with_options(ranges=ranges)
        published = recipe_endo_2020.PUBLISHED.with_options(ranges=ranges)
        return {
            **usual.in_lengths(),
            recipe_endo_2020.NAME: paper,
            recipe_endo_2020.PUBLISHED_NAME: published,
        }

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train on degraded images, starting from the backbone."""
        network, runner = cls.student(task)

        def objective(step: int) -> Tensor:
            _, images, _, labels = task.degraded_batch(step)
            logits = network(runner.normalise(images))
            return classification_loss(logits.float(), labels)

        def validate() -> dict[str, float]:
            return accuracies(
                lambda images, level: runner.logits(images), task.conditions, task.clean[1]
            )

        cls.store(task, network, task.fit(network, objective, validate))


@robobench.method("jpg", trainings=("jpeg_compression",), worth=10)
class Jpg(TrainedOnDegraded):
    """The same network trained on JPEG images of random quality, 1 to 100 (Endo et al. 2020)."""

    trained_on = "jpeg_compression"
    levels = (1, 100)


@robobench.method("noisy", trainings=("gaussian_noise",), worth=20)
class Noisy(TrainedOnDegraded):
    """The same network trained on Gaussian noise of random sigma, 0 to 50 (Endo et al. 2020)."""

    trained_on = "gaussian_noise"
    levels = (0, 50)
