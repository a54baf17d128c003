"""Losses and validation figures that all trainings of classifiers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from robobench.training.task import TrainingTask
from robobench.types import Degradation

_SMOOTHING: Final = 0.05
_TEMPERATURE: Final = 2.0
_INFERENCE_BATCH: Final = 250


def divergence(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence of a network's prediction from its teacher's, mean over images.

    Multiplied by the squared temperature, so that the magnitude of the gradients does not depend on
    it (Hinton et al. 2015).

    Args:
        logits: N x classes, of the network.
        teacher: N x classes, logits of the teacher.
        temperature: Both are divided by it.
    """
    predicted, target = (log_softmax(x / temperature, dim=1) for x in (logits, teacher))
    return kl_div(predicted, target, log_target=True, reduction="batchmean") * temperature**2


def taught_loss(task: TrainingTask, logits: Tensor, labels: Tensor, clean: Tensor) -> Tensor:
    """Cross-entropy plus the divergence from the backbone's prediction on the clean images."""
    with torch.no_grad():
        teacher = task.frozen.logits(clean)
    return classification_loss(logits, labels) + divergence(logits, teacher, _TEMPERATURE)


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with label smoothing."""
    return cross_entropy(logits, labels, label_smoothing=_SMOOTHING)


def accuracy(answer: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy as a fraction.

    Args:
        answer: Images -> logits.
        images: uint8, N x 3 x H x W.
        labels: int64 N.
    """
    correct = in_batches(answer, images).argmax(1) == labels
    return int(correct.sum()) / len(labels)


def accuracies(
    answer: Callable[[Tensor, float], Tensor],
    conditions: Iterable[tuple[Degradation, Tensor]],
    labels: Tensor,
) -> dict[str, float]:
    """Accuracy under each condition as a fraction, preceded by their mean, which decides.

    Args:
        answer: Images and their native level -> logits.
        conditions: Pairs of a degradation and the images under it.
        labels: int64 N, the same for all conditions.
    """
    scores = {}
    for degradation, images in conditions:

        def at_level(some: Tensor, level: float = degradation.level) -> Tensor:
            return answer(some, level)

        scores[degradation.label] = accuracy(at_level, images, labels)
    return {"mean": sum(scores.values()) / len(scores), **scores}


def in_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply a function to many images in batches, and concatenate the results."""
    parts = [
        function(images[i : i + _INFERENCE_BATCH]) for i in range(0, len(images), _INFERENCE_BATCH)
    ]
    return torch.cat(parts)
