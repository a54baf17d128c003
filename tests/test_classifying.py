"""Losses and validation figures of classifiers."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import kl_div

from robobench.training.classifying import (
    accuracies,
    classification_loss,
    divergence,
    taught_loss,
)
from robobench.types import Degradation

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5]])
LABELS = torch.tensor([0, 2])
IMAGES = torch.zeros(2, 3, 8, 8)


TEACHER = torch.tensor([[5.0, 0.0, 0.0]])
TASK = SimpleNamespace(
    frozen=SimpleNamespace(logits=lambda images: TEACHER.expand(len(images), -1))
)


class TestDivergence:
    def test_zero_for_equal_predictions(self):
        assert float(divergence(LOGITS, LOGITS, 3.0)) == pytest.approx(0, abs=1e-7)

    def test_from_the_teacher_to_the_network(self):
        teacher = torch.tensor([[5.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
        expected = kl_div((LOGITS / 2).log_softmax(1), (teacher / 2).softmax(1), reduction="sum")
        assert float(divergence(LOGITS, teacher, 2.0)) == pytest.approx(float(expected) / 2 * 4)


class TestTaughtLoss:
    def test_labels_and_teacher(self):
        loss = taught_loss(TASK, LOGITS, LABELS, IMAGES)
        teacher = TEACHER.expand(2, -1)
        expected = classification_loss(LOGITS, LABELS) + divergence(LOGITS, teacher, 2.0)
        assert float(loss) == pytest.approx(float(expected))

    def test_it_pulls_towards_the_teacher(self):
        logits = LOGITS.clone().requires_grad_()
        labels = torch.tensor([1, 1])  # the teacher says 0
        taught_loss(TASK, logits, labels, IMAGES).backward()
        taught = logits.grad.clone()
        logits.grad = None
        classification_loss(logits, labels).backward()
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
