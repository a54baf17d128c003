"""A method with weights of its own in one file: the classifier, trained on blurred images.

robobench train --plugin trained_method.py --method deblurred
robobench run --plugin trained_method.py --methods deblurred --corruptions blur
"""

import robobench
from robobench.training.classifying import accuracies, classification_loss
from robobench.types import Recipe


@robobench.method("deblurred", trainings=("gaussian_blur",))
class Deblurred(robobench.Method):
    """A copy of the classifier, fine-tuned on images with Gaussian blur."""

    weights_of = "classifier"  # they belong to the data set's classes and this architecture
    trained_on = "gaussian_blur"

    def __init__(self, backbone, weights=None):
        super().__init__(backbone, weights)
        if weights is not None:
            self.classifier = backbone.with_state(weights.tensors, weights.card.file)

    def predict(self, images, context):
        return self.classifier(images)

    @classmethod
    def recipes(cls, backbone):
        return Recipe(steps=600, batch=100, rate=2e-3, minutes=1).in_lengths()

    @classmethod
    def fit(cls, task):  # a robobench.training.task.TrainingTask
        network = task.fresh_network()  # a copy of the classifier
        student = task.frozen.with_module(network, live=True)  # with its normalisation; frozen
        network.train().requires_grad_(True)

        def objective(step):
            _, blurred, _, labels = task.degraded_batch(step)
            return classification_loss(network(student.normalise(blurred)).float(), labels)

        def validate():  # the first figure decides which weights are kept
            return accuracies(lambda x, level: student.logits(x), task.conditions, task.clean[1])

        task.save(network.state_dict(), task.fit(network, objective, validate), {})
