"""`experts`: a committee of specialists, weighted by what `adaptive` sees in the image.

Where accuracy counts more than time: the clean-trained network, the two that know their level, and
`adaptive` each answer for the image and its mirror image, and a small network turns the quality
and the noise level that `adaptive` estimates into their weights in the mean. On clean images the
clean-trained network can decide alone, so that nothing need be lost there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss

import robobench
from robobench.backbones.backbone import Backbone
from robobench.baselines import endo_2020
from robobench.methods.adaptive import Adaptive, Mixture, validation_sets
from robobench.registry import METHODS
from robobench.training.fitting import Recipe
from robobench.training.task import TrainingTask, in_batches
from robobench.types import Card, Context, Cost, Weights

_HIDDEN: Final = 32
_NOTHING_TOLD: Final = Context()


class Gate(nn.Module):
    """Quality and noise level to the logarithms of the members' weights.

    Args:
        members: How many.
    """

    def __init__(self, members: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, members))
        # At first all members weigh the same.
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, levels: Tensor) -> Tensor:
        """Log-weights, N x members, of scaled levels, N x 2 (quality, sigma)."""
        weights: Tensor = self.layers(levels).log_softmax(1)
        return weights


@robobench.method("experts", trainings=("gaussian_noise+jpeg_compression",), worth=27)
class Experts(robobench.Method):
    """`org`, `jpg-estqf`, `noisy-estnl` and `adaptive`, weighted by the estimated degradation."""

    weights_of = "classifier"
    trained_on = "gaussian_noise+jpeg_compression"
    members: ClassVar = ("jpg-estqf", "noisy-estnl", "adaptive")  # the backbone comes first

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is not None:
            known = weights.card.recipe["network"]["members"]
            parts = {
                name: Weights(_card_of(weights.card, name, shape), weights.part(f"{name}."))
                for name, shape in known.items()
            }
            self._assemble(parts)
            self.gate.load_state_dict(weights.part("gate."))

    def _assemble(self, parts: Mapping[str, Weights]) -> None:
        made = {name: METHODS[name](self.backbone, part) for name, part in parts.items()}
        adaptive = made.pop("adaptive")
        assert isinstance(adaptive, Adaptive)
        self.adaptive = adaptive
        self.specialists = made
        self.gate = Gate(len(made) + 2).to(self.backbone.device)
        self.gate.eval().requires_grad_(False)

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Weighted mean of the members' probabilities, of an image and its mirror image."""
        with torch.inference_mode():
            answers, levels = self.answers(torch.cat([images, images.flip(3)]))
            weights = self.gate(levels).exp()
            straight, mirrored = (answers * weights[:, :, None]).sum(1).chunk(2)
        mean: Tensor = (straight + mirrored) / 2
        return mean

    def answers(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities, N x members x classes, and scaled levels, N x 2 (quality, sigma)."""
        with torch.inference_mode(), self.backbone.autocast():
            logits, levels = self.adaptive.network(self.backbone.normalise(images))
        found = [
            self.backbone(images),
            *(member.predict(images, _NOTHING_TOLD) for member in self.specialists.values()),
            logits.float().softmax(1),
        ]
        return torch.stack(found, dim=1), levels.float()

    def cost(self) -> Cost:
        """Of all members; they run twice."""
        costs = [self.backbone.cost(), *(m.cost() for m in self.specialists.values())]
        adaptive = self.adaptive.cost()  # counted twice already
        return Cost(
            sum(c.parameters for c in costs) + adaptive.parameters,
            2 * sum(c.macs for c in costs) + adaptive.macs,
        )

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Only the gate is trained: a few steps."""
        found = {}
        for name, recipe in Adaptive.recipes(backbone).items():
            short = replace(
                recipe,
                steps=max(1, recipe.steps // 3),
                minutes=3,
                rate=0.01,
                optimizer="adam",
                weight_decay=0.0,
                evaluations=2,
            )
            found[name] = short
        # Half precision is for the members, whose files have it already.
        found[endo_2020.NAME] = found[endo_2020.NAME].with_options(emphasis=None)
        return found

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Learn the members' weights from degraded training images; the members stay as they are."""
        task.require_labels()
        parts = {name: task.trained(name, METHODS[name].trained_on or "") for name in cls.members}
        committee = cls(task.frozen)
        committee._assemble(parts)
        gate = committee.gate.requires_grad_(True)
        degrade = Mixture(task.train_seed, task.profile, task.recipe.options.get("emphasis"))

        def log_probabilities(images: Tensor) -> Tensor:
            answers, levels = (t.clone() for t in committee.answers(images))
            weights = gate(levels)
            mixed: Tensor = (answers.clamp_min(1e-6).log() + weights[:, :, None]).logsumexp(1)
            return mixed

        def objective(step: int) -> Tensor:
            clean, labels = task.batch(step)
            degraded, _ = degrade(clean, step)
            return nll_loss(log_probabilities(degraded.to(task.device)), labels.to(task.device))

        conditions = validation_sets(task)

        def validate() -> Mapping[str, float]:
            labels = task.clean[1]
            scores = {
                d.label: float(
                    (in_batches(log_probabilities, x).argmax(1) == labels).float().mean()
                )
                for d, x in conditions
            }
            return {"mean": sum(scores.values()) / len(scores), **scores}

        fit = task.fit(gate, objective, validate)
        tensors = {f"gate.{k}": v for k, v in gate.state_dict().items()}
        for name, part in parts.items():
            tensors |= {f"{name}.{k}": v for k, v in part.tensors.items()}
        settings: dict[str, Any] = {
            "members": {name: dict(part.card.recipe["network"]) for name, part in parts.items()},
            "digests": {name: part.card.digest for name, part in parts.items()},
        }
        task.save(tensors, fit, settings)


def _card_of(card: Card, name: str, network: Mapping[str, Any]) -> Card:
    """A member's card, as far as it is needed to build it."""
    return replace(card, method=name, recipe={"network": network})
