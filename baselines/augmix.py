"""`augmix`: the classifier trained on clean images and mixes of augmented ones (Hendrycks et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

import robobench
from robobench.backbones.backbone import Backbone
from robobench.baselines.augmentation_chains import draw_chains, mix, view_keys
from robobench.baselines.retrained_classifier import RetrainedClassifier
from robobench.training.classifying import accuracy
from robobench.training.fitting import batch_positions
from robobench.training.task import TrainingTask
from robobench.types import Recipe

_VIEWS: Final = 2
_OPTIONS: Final = {
    "shift": 4,
    "width": 3,
    "depth": 3,
    "severity": 3.0,
    "consistency": 12.0,
    "stored_as": "float16",
}


def jensen_shannon(logits: Sequence[Tensor]) -> Tensor:
    """Jensen-Shannon divergence of several answers, in nats, mean over images.

    With M the mean of the distributions it is the mean of their KL(p || M).

    Args:
        logits: Each N x classes.
    """
    answers = torch.stack([log_softmax(x, dim=1) for x in logits])
    mean = answers.logsumexp(0) - math.log(len(answers))
    apart = kl_div(mean.expand_as(answers), answers, log_target=True, reduction="none")
    return apart.sum(2).mean()


def augmix_loss(logits: Tensor, labels: Tensor, consistency: float) -> Tensor:
    """Cross-entropy on the clean images plus the weighted divergence of all views' answers.

    Args:
        logits: views * N x classes: of the clean images, then of one view after the other.
        labels: int64 N.
        consistency: Weight of the divergence.
    """
    views = torch.split(logits, len(labels))
    return cross_entropy(views[0], labels) + consistency * jensen_shannon(views)


@robobench.method("augmix", trainings=("clean",), worth=28)
class Augmix(RetrainedClassifier):
    """The same network trained to answer alike on mixes of augmented images (Hendrycks et al. 2020).

    Hendrycks et al., "AugMix: A simple data processing method to improve robustness and uncertainty",
    ICLR 2020. It sees no corruption in training. By default training starts from the clean-trained
    classifier, as that of `jpg`, `noisy` and `adaptive` does, and is short; `--recipe paper` starts
    from random weights and takes as long as published, 100 epochs of CIFAR. The last weights are
    kept: clean images, the only ones to choose by, do not show what is gained.
    """

    trained_on = "clean"

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings for 32 x 32 images; those of the paper's section 4 as ``paper``."""
        tiny = backbone is None or backbone.name == "vgg-tiny"
        usual = Recipe(
            steps=1600 if tiny else 480,
            batch=128,
            rate=0.03,
            minutes=5 if tiny else 25,
            optimizer="sgd",
            weight_decay=5e-4,
            evaluations=4,
            keep="last",
            options=_OPTIONS,
        )
        paper = replace(
            usual,
            steps=35_200,
            rate=0.1,
            minutes=110 if tiny else 1900,
            warmup=0.0,
            evaluations=50,
            options={**_OPTIONS, "from_scratch": True},
        )
        return {**usual.in_lengths(), "paper": paper}

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train on clean images and two mixed views of each; labels are of the clean ones."""
        network, runner = cls.student(task)
        recipe, train = task.recipe, task.train
        options = recipe.options

        def objective(step: int) -> Tensor:
            images, labels = (t.to(task.device) for t in task.batch(step))
            positions = batch_positions(len(train), recipe.batch, task.train_seed, step)
            indices = torch.from_numpy(train.indices[positions])
            chains = draw_chains(
                view_keys(task.train_seed, step, indices, _VIEWS),
                width=options["width"],
                depth=options["depth"],
                severity=options["severity"],
            )
            mixed = mix(images.repeat(_VIEWS, 1, 1, 1), chains)
            logits = network(runner.normalise(torch.cat([images.float(), mixed])))
            return augmix_loss(logits.float(), labels, options["consistency"])

        def validate() -> dict[str, float]:
            images, labels = task.clean
            return {"clean": accuracy(runner.logits, images, labels)}

        cls.store(task, network, task.fit(network, objective, validate))
