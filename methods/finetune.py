"""`finetune` and `finetune-bn`: the classifier itself, tuned on the images that modules learn from.

They are what plug-in modules have to beat: trained without labels on the same few images, by
self-distillation. The frozen classifier sees the clean image, its copy the degraded one, and the
loss is the Kullback-Leibler divergence between their answers.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.errors import RobobenchError
from robobench.methods.drift_loss import against_untreated, refuse_if_worse
from robobench.methods.online_adaptation import (
    batch_norms,
    check_statistics,
    has_statistics,
    network_of,
)
from robobench.methods.repair_recipes import PHOTOGRAPHS, SMALL_IMAGES, suited
from robobench.training.classifying import divergence
from robobench.training.task import TrainingTask
from robobench.types import Context, Cost, Recipe, Weights


@robobench.method("finetune", trainings=("common",), worth=60)
class Finetune(robobench.Method):
    """The whole classifier, tuned without labels to answer on degraded images as on clean ones.

    On photographs, and wherever batch normalisation was folded into the convolutions, it normalises by
    the given statistics while it is tuned: eight crops are no sample to estimate them from.
    """

    weights_of = "plugin"
    # Of batch normalisation on crops of photographs.
    statistics = "given"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is not None:
            tensors = {**backbone.module.state_dict(), **weights.tensors}
            self.classifier = backbone.with_state(tensors, weights.card.file)

    @classmethod
    def check_backbone(cls, backbone: Backbone) -> None:
        """Refuse an ONNX file."""
        network_of(backbone)

    @classmethod
    def tuned(cls, network: nn.Module) -> dict[str, Tensor]:
        """The tensors of a network's state that are tuned and stored."""
        return dict(network.state_dict())

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities of the tuned network."""
        return self.classifier(images)

    def features(self, images: Tensor, context: Context) -> list[Tensor]:
        """Those of the tuned network."""
        return self.classifier.maps(self.classifier.stem(images))

    def as_module(self) -> nn.Module:
        """The tuned network."""
        return self.classifier.as_module()

    def cost(self) -> Cost:
        """Cost of the classifier, which it replaces."""
        return self.backbone.cost()

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings for many small images, or for crops of a few photographs; stored in half precision."""
        small = Recipe(
            steps=800,
            batch=64,
            rate=1e-3,
            minutes=4,
            options={**SMALL_IMAGES, "stored_as": "float16"},
        )
        large = Recipe(
            steps=400,
            batch=8,
            rate=1e-5,
            minutes=6,
            clip=1.0,
            options={**PHOTOGRAPHS, "stored_as": "float16", "statistics": cls.statistics},
        )
        return suited(backbone, small, large).in_lengths()

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train on pairs of clean and degraded images; labels are not used."""
        teacher = task.frozen
        torch.manual_seed(task.train_seed)
        network = teacher.twin()
        student = teacher.with_module(network, live=True)  # which freezes it
        tuned = cls.tuned(network)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name in tuned)

        def objective(step: int) -> Tensor:
            clean, degraded, _, _ = task.degraded_batch(step)
            with torch.no_grad():
                wanted = teacher.logits(clean)
            return divergence(network(student.normalise(degraded)).float(), wanted)

        given = task.recipe.options.get("statistics") == "given" or not has_statistics(teacher)
        trained = _GivenStatistics(network) if given else network
        fit = task.fit(trained, objective, against_untreated(task, lambda _: student.logits))
        refuse_if_worse(task, fit.figures)
        about = {"architecture": task.architecture, "start": task.start_of_arm}
        task.save(cls.tuned(network), fit, about)


@robobench.method("finetune-bn", trainings=("common",), worth=61)
class FinetuneBn(Finetune):
    """Scales, shifts and statistics of batch normalisation alone, tuned like `finetune`."""

    statistics = "of each batch"

    @classmethod
    def check_backbone(cls, backbone: Backbone) -> None:
        """Refuse a network without batch normalisation, or with folded one."""
        if not batch_norms(network_of(backbone)):
            raise RobobenchError(
                f"backbone {backbone.name} has no batch normalisation to tune (it may have been "
                "folded into the convolutions): use finetune"
            )
        check_statistics(backbone)

    @classmethod
    def tuned(cls, network: nn.Module) -> dict[str, Tensor]:
        """The state of the batch normalisations."""
        layers = batch_norms(network)
        inside = {name for name, layer in network.named_modules() if layer in layers}
        return {n: t for n, t in network.state_dict().items() if n.rpartition(".")[0] in inside}


class _GivenStatistics(nn.Module):
    """A network whose batch normalisation keeps the statistics that it has, also while it is trained."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def train(self, mode: bool = True) -> Self:
        """Training mode for all but the batch normalisations."""
        super().train(mode)
        for layer in batch_norms(self.network):
            layer.eval()
        return self
