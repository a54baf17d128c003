"""How far the features and answers for degraded images drift from those for the clean ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from robobench.backbones.backbone import Backbone
from robobench.errors import RobobenchError
from robobench.training.classifying import divergence, in_batches
from robobench.training.fitting import Validation
from robobench.training.task import TrainingTask
from robobench.types import Degradation

_IMAGES_OF_VARIANCE: Final = 32


class DriftLoss:
    """The drift that a repair leaves, as the options ``stem``, ``stages`` and ``distillation`` weigh it.

    Args:
        backbone: The frozen classifier, whose features and answers for clean images are the target.
        options: Those of the recipe; see `robobench.methods.feature_repair.FeatureRepair`.
        images: uint8, N x 3 x H x W, clean images by which the variances are measured.
    """

    def __init__(self, backbone: Backbone, options: Mapping[str, Any], images: Tensor) -> None:
        self.backbone = backbone
        self.stem = float(options.get("stem", 0.0))
        self.stages = float(options.get("stages", 0.0))
        self.distillation = float(options.get("distillation", 0.0))
        with torch.no_grad():
            features = backbone.stem(images[:_IMAGES_OF_VARIANCE])
            stem, stages, _ = self._features(backbone, features)
        self._variance = float(stem.var())
        self._variances = [float(stage.var()) for stage in stages]

    def __call__(self, repaired: Tensor, clean: Tensor, student: Backbone | None = None) -> Tensor:
        """The loss, a scalar.

        Args:
            repaired: Stem features of degraded images, N x C x h x w.
            clean: The same images without degradation, uint8 N x 3 x H x W.
            student: The classifier whose `rest` follows, if it is not the frozen one.
        """
        with torch.no_grad():
            stem = self.backbone.stem(clean)
            target, wanted_stages, wanted = self._features(self.backbone, stem)
        loss = repaired.new_zeros(())
        if self.stem:
            loss = loss + self.stem * (repaired - target).square().mean() / self._variance
        if not self.stages and not self.distillation:
            return loss
        _, stages, answers = self._features(student or self.backbone, repaired)
        for stage, aim, variance in zip(stages, wanted_stages, self._variances, strict=True):
            part = self.stages / len(stages)
            loss = loss + part * (stage - aim).square().mean() / variance
        if self.distillation:
            loss = loss + self.distillation * divergence(answers, wanted)
        return loss

    def _features(self, backbone: Backbone, stem: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        if self.stages:
            return stem, *backbone.stages(stem)
        return stem, [], backbone.rest(stem)


@torch.no_grad()
def fidelity(
    task: TrainingTask,
    logits_at: Callable[[float], Callable[[Tensor], Tensor]],
    conditions: Sequence[tuple[Degradation, Tensor]] | None = None,
) -> dict[str, float]:
    """How closely answers for degraded validation images match the classifier's for the clean ones.

    Args:
        task: Has the images, and the conditions of validation.
        logits_at: For a native level, what maps uint8 images to logits.
        conditions: Some of the conditions; all if None.

    Returns:
        ``fidelity``, which selects the weights: exp(-KL), averaged over conditions, needs no labels;
        ``agreement``: share of equal classes; and the fidelity under each condition.
    """
    clean, _ = task.clean
    wanted = in_batches(task.frozen.logits, clean)
    figures = {}
    agreement = []
    for degradation, images in task.conditions if conditions is None else conditions:
        answer = in_batches(logits_at(degradation.level), images)
        figures[degradation.label] = math.exp(-float(divergence(answer, wanted)))
        agreement.append(float((answer.argmax(1) == wanted.argmax(1)).float().mean()))
    mean = sum(figures.values()) / len(figures)
    return {"fidelity": mean, "agreement": sum(agreement) / len(agreement), **figures}


def against_untreated(
    task: TrainingTask,
    logits_at: Callable[[float], Callable[[Tensor], Tensor]],
    conditions: Sequence[tuple[Degradation, Tensor]] | None = None,
) -> Validation:
    """What validates a repair: its `fidelity`, and beside it that of the classifier alone.

    Args:
        task: As for `fidelity`, as the next two.
        logits_at: For a native level, what maps uint8 images to the repaired logits.
        conditions: Some of the conditions; all if None.
    """
    alone = fidelity(task, lambda _: task.frozen.logits, conditions)
    untreated = {f"untreated {name}": alone[name] for name in ("fidelity", "agreement")}
    return lambda: fidelity(task, logits_at, conditions) | untreated


def refuse_if_worse(task: TrainingTask, figures: Mapping[str, float]) -> None:
    """Refuse a repair that is worse than none on the images held out.

    Args:
        task: The training.
        figures: Those of `against_untreated`.

    Raises:
        RobobenchError: It is worse, and is not to be kept anyway.
    """
    here, none = figures["fidelity"], figures["untreated fidelity"]
    if here > none or task.keep_anyway:
        return
    kept, alone = figures["agreement"], figures["untreated agreement"]
    close, unaided = _told_apart(here, none)
    raise RobobenchError(
        f"{task.method}@{task.trained_on} is {'worse' if close != unaided else 'no better'} than no module "
        f"on degraded views of the images held out: its answers are as close as {close} to those of the clean "
        f"view, {unaided} without it; {kept:.1%} get the class of the clean view, {alone:.1%} without it. It is "
        "not stored. More images, --recipe long or another --layer may help; --keep-anyway stores it as "
        "it is"
    )


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Two shares in percent, with as many digits as tell them apart; with one if five do not."""
    for digits in range(1, 6):
        if (text := f"{one:.{digits}%}") != (against := f"{other:.{digits}%}"):
            return text, against
    return f"{one:.1%}", f"{other:.1%}"
