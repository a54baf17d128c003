"""The settings of one training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Literal

_ALONE: Final = ("averaged", 1)


@dataclass(frozen=True)
class Recipe:
    """Settings of one training.

    Attributes:
        steps: How many batches.
        batch: Images in each.
        rate: Learning rate at its peak.
        minutes: How long it takes on two ordinary cores, roughly; for messages.
        optimizer: By name.
        weight_decay: Of the optimizer; matrices and filters only.
        warmup: Share of the steps in which the rate rises; then it falls to zero as a half cosine.
        evaluations: How often the network is validated; the best one is kept.
        clip: Largest norm of the gradient; infinite for none.
        restarts: First step and peak rate of each further cycle of the rate (Loshchilov and Hutter
            2017); the first cycle begins with step 0.
        keep: The weights that are kept: those that did ``best`` in validation, or the ``last`` ones
            where validation tells nothing, as its images were seen before.
        averaged: The mean of the weights at the ends of so many last cycles is what is kept
            (Izmailov et al. 2018), with batch statistics of its own; with ``last`` only.
        options: What else the method wants to know.
    """

    steps: int
    batch: int
    rate: float
    minutes: float
    optimizer: Literal["adam", "adamax", "sgd"] = "adam"
    weight_decay: float = 0.0
    warmup: float = 0.1
    evaluations: int = 8
    clip: float = math.inf
    restarts: tuple[tuple[int, float], ...] = ()
    keep: Literal["best", "last"] = "best"
    averaged: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse cycles that would never end.

        Raises:
            ValueError: The restarts do not rise, or not all are within the steps; or more cycles
                are averaged than there are, or where the best weights are kept.
        """
        firsts = [0, *(first for first, _ in self.restarts), self.steps]
        if any(a >= b for a, b in pairwise(firsts)):
            raise ValueError(f"restarts within {self.steps} steps are expected, got {firsts[1:-1]}")
        most = len(firsts) - 1 if self.keep == "last" else 1
        if not 1 <= self.averaged <= most:
            raise ValueError(f"1 to {most} averaged cycles are expected, got {self.averaged}")

    @property
    def averaged_ends(self) -> tuple[int, ...]:
        """After how many steps the weights are taken into the mean; none if one cycle is."""
        ends = (*(first for first, _ in self.restarts), self.steps)
        return ends[-self.averaged :] if self.averaged > 1 else ()

    def with_options(self, **options: Any) -> Recipe:
        """The same with some options changed."""
        return replace(self, options={**self.options, **options})

    def in_one_cycle(self, **changes: Any) -> Recipe:
        """The same without restarts, with some fields changed."""
        return replace(self, restarts=(), averaged=1, **changes)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: in every cycle up in a line, down in a half cosine."""
        cycles = [(0, self.rate), *self.restarts, (self.steps, 0.0)]
        place = max(p for p, (first, _) in enumerate(cycles[:-1]) if first <= step)
        (first, peak), (end, _) = cycles[place : place + 2]
        step, steps = step - first, end - first
        rise = max(1, round(self.warmup * steps))
        if step < rise:
            return peak * (step + 1) / rise
        return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    def as_dict(self) -> dict[str, Any]:
        """For the card."""
        values = {k: v for k, v in asdict(self).items() if k != "minutes"}
        return {k: v for k, v in values.items() if v not in (math.inf, ()) and (k, v) != _ALONE}


def in_lengths(recipe: Recipe) -> dict[str, Recipe]:
    """The usual three: ``standard``, ``quick`` with a fifth and ``long`` with four times the steps."""
    lengths = {"standard": 1.0, "quick": 0.2, "long": 4.0}
    return {
        name: replace(
            recipe,
            steps=max(1, round(recipe.steps * factor)),
            minutes=recipe.minutes * factor,
            restarts=tuple((round(first * factor), rate) for first, rate in recipe.restarts),
        )
        for name, factor in lengths.items()
    }
