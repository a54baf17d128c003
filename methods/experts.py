"""Experts of `dedrift`: the first stages of a classifier, tuned to one kind of degradation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call

from robobench.backbones.backbone import Backbone
from robobench.methods.afd import Afd
from robobench.methods.drift_loss import DriftLoss, against_untreated
from robobench.training.degrader import Degrader
from robobench.training.fitting import Fit
from robobench.training.task import TrainingTask
from robobench.types import Weights

_NODES: Final = 12  # levels between which weights are not distinguished


@dataclass(frozen=True)
class Expert:
    """Changes to a network's parameters, and a module behind its stem.

    Attributes:
        name: The kind of degradation.
        changes: Parameter -> K x its shape: its change, and with K = 2 the slope in the logarithm of
            the level.
        range: Lowest and highest level of the training.
        module: Repairs the stem's features before the tuned stages see them.
    """

    name: str
    changes: Mapping[str, Tensor]
    range: tuple[float, float]
    module: nn.Module | None = None

    @classmethod
    def loaded(
        cls, name: str, settings: Mapping[str, Any], weights: Weights, device: torch.device
    ) -> Self:
        """An expert from a file of weights."""
        low, high = settings["range"]
        changes = {k: t.float() for k, t in weights.part(f"expert-{name}.").items()}
        module: nn.Module | None = None
        if settings.get("module"):
            module = Afd.build(settings["module"])
            module.load_state_dict(
                {k: t.float() for k, t in weights.part(f"module-{name}.").items()}
            )
            module.to(device).eval().requires_grad_(False)
        return cls(name, changes, (float(low), float(high)), module)

    @property
    def parameters(self) -> int:
        """How many numbers it adds to the classifier."""
        tensors = [*self.changes.values(), *(self.module.parameters() if self.module else ())]
        return sum(tensor.numel() for tensor in tensors)

    def node(self, level: float) -> float:
        """The nearest of a dozen levels, evenly spaced in their logarithm, within the range.

        Zero, whatever the level, where the changes do not depend on it.
        """
        if all(len(change) == 1 for change in self.changes.values()):
            return 0.0
        low, high = map(math.log, self.range)
        step = (high - low) / (_NODES - 1)
        place = round((min(max(math.log(level), low), high) - low) / step) if step else 0
        return math.exp(low + place * step)

    def at(self, level: float, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A network's state dict with the changes at a level; the level matters only if K = 2."""
        changed = dict(state)
        for name, change in self.changes.items():
            weights = torch.tensor(self.basis(level)[: len(change)])
            moved = torch.tensordot(weights, change.cpu(), dims=1)
            changed[name] = state[name] + moved.to(state[name])
        return changed

    def basis(self, level: float) -> tuple[float, float]:
        """What its changes at a level are multiplied by."""
        return _basis(level, self.range)


def _basis(level: float, range_: tuple[float, float]) -> tuple[float, float]:
    """One, and the logarithm of the level scaled to -1..1 over the range."""
    low, high = map(math.log, range_)
    if level <= 0 or high <= low:
        return 1.0, 0.0
    return 1.0, (2 * math.log(level) - low - high) / (high - low)


def expert_names(backbone: Backbone, depth: int) -> list[str]:
    """The parameters that are tuned: of all layers up to the end of a stage.

    Args:
        backbone: The classifier.
        depth: How many of its stages; all parameters if it has no more.

    Raises:
        RobobenchError: It cannot be split into stages.
    """
    parameters = dict(backbone.module.named_parameters())
    stages = backbone.stage_names
    if depth >= len(stages):
        return list(parameters)
    seen: list[str] = []
    last = stages[depth - 1]
    done = False

    def note(name: str) -> Any:
        def hook(*_: object) -> None:
            nonlocal done
            if not done:
                seen.append(name)
            done = done or name == last

        return hook

    handles = [m.register_forward_hook(note(n)) for n, m in backbone.module.named_modules() if n]
    try:
        with torch.no_grad():
            backbone.module(backbone.normalise(backbone.example))
    finally:
        for handle in handles:
            handle.remove()
    return [name for name in parameters if name.rpartition(".")[0] in seen]


class _Tuned(nn.Module):
    """What is trained: changes by parameter, and the module.

    Args:
        parameters: Those that are tuned.
        count: Number of changes of each.
        speed: How fast they are tuned, relative to the rate at which the module learns. Adam's steps
            do not depend on the size of gradients, so parameters are stored divided by it.
        module: The module, if there is one.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        count: int,
        speed: float,
        module: nn.Module | None,
    ) -> None:
        super().__init__()
        self.names = list(parameters)  # dots are not allowed in names of parameters
        self.speed = speed
        self.values = nn.ParameterList(
            torch.zeros(count, *parameter.shape, device=parameter.device)
            for parameter in parameters.values()
        )
        self.module = module

    def changes(self) -> dict[str, Tensor]:
        scaled = (self.speed * value for value in self.values)
        return dict(zip(self.names, scaled, strict=True))


class _Student(nn.Module):
    """A classifier whose parameters `functional_call` replaces."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.network = backbone.module
        self.backbone = backbone

    def forward(
        self,
        images: Tensor,
        module: nn.Module | None,
        loss: DriftLoss | None = None,
        clean: Tensor | None = None,
    ) -> Tensor:
        """The loss against the clean images; logits if there are none."""
        features = self.backbone.stem(images)
        if module is not None:
            features = module(features, images.float() / 255).float()
        if loss is None or clean is None:
            return self.backbone.rest(features)
        return loss(features, clean, self.backbone)


def train_expert(
    task: TrainingTask,
    kind: str,
    corruptions: Sequence[str],
    names: Sequence[str],
    *,
    levelled: bool,
) -> tuple[Expert, Fit]:
    """Train one expert.

    Args:
        task: Has images, classifier and recipe.
        kind: Name of the expert, for its checkpoint.
        corruptions: What it is trained on.
        names: The parameters that are tuned.
        levelled: Whether they depend on the level; then `corruptions` is one, with a range.

    Returns:
        The expert, and the outcome of the training.
    """
    torch.manual_seed(task.train_seed)
    teacher = task.frozen
    student = teacher.with_module(teacher.twin(), live=True)
    original = dict(student.module.named_parameters())
    whole = _Student(student)
    options = task.recipe.options
    module = Afd.build(module_settings(teacher), training=True) if options["module"] else None
    tuned = _Tuned(
        {name: original[name] for name in names}, 2 if levelled else 1, options["speed"], module
    ).to(task.device)
    loss = DriftLoss(teacher, options, task.clean[0])
    span = task.ranges.get(corruptions[0], (1.0, 100.0))
    degrader = Degrader(
        corruptions, task.profile, ranges=task.ranges, seed=task.train_seed,
        logarithmic=options["logarithmic"],
    )  # fmt: skip

    def parameters(level: float) -> dict[str, Tensor]:
        basis = _basis(level, span)
        return {
            f"network.{name}": original[name]
            + sum(factor * part for factor, part in zip(basis, change, strict=False))
            for name, change in tuned.changes().items()
        }

    def objective(step: int) -> Tensor:
        clean, _ = task.batch(step)
        level = 0.0
        if levelled:  # one level per batch, as it has one set of weights
            degraded, level = degrader.alike(clean, step)
        else:
            degraded, _ = degrader(clean, step)
        clean, degraded = clean.to(task.device), degraded.to(task.device)
        result: Tensor = functional_call(whole, parameters(level), (degraded, module, loss, clean))
        return result

    def repaired(level: float) -> Any:
        state = {name: p.detach() for name, p in parameters(level).items()}
        return lambda images: functional_call(whole, state, (images, module))

    conditions = [c for c in task.conditions if c[0].corruption in corruptions]
    validate = against_untreated(
        task, lambda level: repaired(level if levelled else 0.0), conditions
    )
    fit = task.fit(tuned, objective, validate, stage=f"expert-{kind}")
    changes = {name: change.detach() for name, change in tuned.changes().items()}
    deployed = None if module is None else Afd.deploy(module)
    return Expert(kind, changes, (float(span[0]), float(span[1])), deployed), fit


def module_settings(backbone: Backbone) -> dict[str, Any]:
    """The arguments that build the module of an expert."""
    return Afd.settings(backbone.stem_channels, rectified=backbone.stem_is_rectified)
