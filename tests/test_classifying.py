"""What trainings of classifiers minimise, and how they are judged."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from robobench.training.classifying import accuracies, arm_loss, divergence
from robobench.training.fitting import Recipe
from robobench.types import Degradation

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5]])
LABELS = torch.tensor([0, 2])
IMAGES = torch.zeros(2, 3, 8, 8)


class Teacher:
    """Says the same of every image, and counts how often it is asked."""

    asked = 0

    def logits(self, images):
        self.asked += 1
        return torch.tensor([[5.0, 0.0, 0.0]]).expand(len(images), -1)


def task(**options):
    recipe = Recipe(steps=10, batch=2, rate=0.1, minutes=0, options=options)
    return SimpleNamespace(recipe=recipe, frozen=Teacher())


class TestDivergence:
    def test_nothing_between_equal_answers(self):
        assert float(divergence(LOGITS, LOGITS, 3.0)) == pytest.approx(0, abs=1e-7)

    def test_from_the_teacher_to_the_network(self):
        wanted = torch.tensor([[5.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
        expected = kl_div((LOGITS / 2).log_softmax(1), (wanted / 2).softmax(1), reduction="sum")
        assert float(divergence(LOGITS, wanted, 2.0)) == pytest.approx(float(expected) / 2 * 4)


class TestArmLoss:
    def test_labels_alone_as_published(self):
        one = task()
        loss = arm_loss(one, 9, LOGITS, LABELS, IMAGES)
        assert float(loss) == pytest.approx(
            float(cross_entropy(LOGITS, LABELS, label_smoothing=0.05))
        )
        assert one.frozen.asked == 0

    def test_the_teacher_comes_from_its_step_on(self):
        one = task(taught_from=4)
        before = arm_loss(one, 3, LOGITS, LABELS, IMAGES)
        assert one.frozen.asked == 0
        after = arm_loss(one, 4, LOGITS, LABELS, IMAGES)
        assert one.frozen.asked == 1
        assert after > before

    def test_it_pulls_towards_the_teacher(self):
        logits = LOGITS.clone().requires_grad_()
        labels = torch.tensor([1, 1])  # the teacher says 0
        arm_loss(task(taught_from=0), 0, logits, labels, IMAGES).backward()
        taught = logits.grad.clone()
        logits.grad = None
        arm_loss(task(), 0, logits, labels, IMAGES).backward()
        assert (taught[:, 0] < logits.grad[:, 0]).all()


def test_accuracies_under_each_condition_and_their_mean_first():
    conditions = [
        (Degradation("jpeg_compression", 10.0), torch.zeros(4, 3, 8, 8)),
        (Degradation("jpeg_compression", 90.0), torch.zeros(4, 3, 8, 8)),
    ]

    def answer(images, level):
        which = 1 if level > 50 else 0
        return torch.eye(2)[torch.full((len(images),), which)]

    found = accuracies(answer, conditions, torch.tensor([1, 1, 1, 0]))
    assert list(found.items()) == [
        ("mean", 0.5),
        ("jpeg_compression 10", 0.25),
        ("jpeg_compression 90", 0.75),
    ]
