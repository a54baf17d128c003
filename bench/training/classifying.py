"""What trainings of classifiers have in common: what they minimise, and how they are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from robobench.training.task import TrainingTask, in_batches
from robobench.types import Degradation

_SMOOTHING: Final = 0.05
_TEMPERATURE: Final = 2.0


def divergence(logits: Tensor, wanted: Tensor, temperature: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence from a teacher's answers to a network's, mean over images.

    Times the squared temperature, so that the gradient does not depend on it (Hinton et al. 2015).

    Args:
        logits: N x classes, the network's.
        wanted: The same, the teacher's.
        temperature: What both are divided by.
    """
    answers, targets = (log_softmax(x / temperature, dim=1) for x in (logits, wanted))
    return kl_div(answers, targets, log_target=True, reduction="batchmean") * temperature**2


def taught_loss(task: TrainingTask, logits: Tensor, labels: Tensor, clean: Tensor) -> Tensor:
    """Cross-entropy, and the divergence from what the backbone says of the clean images."""
    with torch.no_grad():
        wanted = task.frozen.logits(clean)
    return classification_loss(logits, labels) + divergence(logits, wanted, _TEMPERATURE)


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, with labels a little smoothed."""
    return cross_entropy(logits, labels, label_smoothing=_SMOOTHING)


def accuracy(answer: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> float:
    """Share of images whose largest output is the label's."""
    right = in_batches(answer, images).argmax(1) == labels
    return int(right.sum()) / len(labels)


def accuracies(
    answer: Callable[[Tensor, float], Tensor],
    conditions: Iterable[tuple[Degradation, Tensor]],
    labels: Tensor,
) -> dict[str, float]:
    """Accuracy under each condition as a fraction; before them their mean, which decides.

    Args:
        answer: Images and their native level -> logits.
        conditions: Degradations and the images under each.
        labels: Of the images, the same for all conditions.
    """
    scores = {}
    for degradation, images in conditions:

        def at_level(some: Tensor, level: float = degradation.level) -> Tensor:
            return answer(some, level)

        scores[degradation.label] = accuracy(at_level, images, labels)
    return {"mean": sum(scores.values()) / len(scores), **scores}
