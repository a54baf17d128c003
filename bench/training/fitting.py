"""The one loop in which networks are trained: resumable, bounded in time, the same every time.

What a step does depends on the seed and the number of the step alone, so a training that was killed
and goes on from its last checkpoint ends with the numbers of one that ran through (on one machine
with one number of threads).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robobench.backbones.speed import faster_precision
from robobench.errors import RobobenchError
from robobench.store import whole_file, write_whole

_CHECKPOINT_SECONDS: Final = 20.0
_FORMAT: Final = 1

Objective = Callable[[int], Tensor]
Validation = Callable[[], Mapping[str, float]]


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
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse cycles that would never end.

        Raises:
            ValueError: The restarts do not rise, or not all are within the steps.
        """
        firsts = [0, *(first for first, _ in self.restarts), self.steps]
        if any(a >= b for a, b in pairwise(firsts)):
            raise ValueError(f"restarts within {self.steps} steps are expected, got {firsts[1:-1]}")

    def with_options(self, **options: Any) -> Recipe:
        """The same with some options changed."""
        return replace(self, options={**self.options, **options})

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
        return {k: v for k, v in values.items() if v not in (math.inf, ())}


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


class TimeLimitReached(RobobenchError):
    """A training stopped because its time was up; its checkpoint is stored."""

    exit_code = 0


@dataclass(frozen=True)
class Fit:
    """What came out of a training; the network holds its best weights.

    Attributes:
        figures: The validation figures of the kept weights, fractions.
        minutes: How long it took, over all its parts.
        precision: ``fp32`` or ``bf16``.
    """

    figures: dict[str, float]
    minutes: float
    precision: str


@dataclass(frozen=True)
class Frame:
    """What surrounds a training.

    Attributes:
        seed: Of everything random.
        checkpoint: File of the checkpoint; beside it grows the curve, as JSON lines.
        device: Where the network is.
        precision: ``auto``, ``fp32`` or ``bf16``.
        deadline: In the time of `time.monotonic`; infinite for none.
        progress: Told the share done, 0..1, and the latest figures.
    """

    seed: int
    checkpoint: Path
    device: torch.device
    precision: str = "auto"
    deadline: float = math.inf
    progress: Callable[[float, Mapping[str, float]], None] = lambda share, figures: None


def fit_network(
    network: nn.Module,
    objective: Objective,
    validate: Validation,
    recipe: Recipe,
    frame: Frame,
    on_precision: Callable[[str], None] = lambda precision: None,
) -> Fit:
    """Train a network; leave its best weights in it.

    Args:
        network: Its trainable parameters are trained; in training mode while it is.
        objective: The number of a step -> its loss. Random numbers that torch draws in it are
            seeded by the step.
        validate: Figures of the network in evaluation mode; the first one is the larger the better
            and decides which weights are kept.
        recipe: The settings.
        frame: What surrounds it.
        on_precision: Told which precision was chosen before the first step.

    Raises:
        TimeLimitReached: The deadline came; the same call goes on from there.
        KeyboardInterrupt: Passed on after the checkpoint was stored.
        RobobenchError: The loss is no number any more.
    """
    run = _Run(network, recipe, frame)
    run.resume()
    if not run.done:
        run.precision = run.precision or choose_precision(network, objective, frame)
        on_precision(run.precision)
        try:
            _train(run, objective, validate)
        except KeyboardInterrupt:
            run.store()
            raise
    network.load_state_dict(run.best)
    network.eval()
    return Fit(run.figures, run.seconds / 60, run.precision)


def _train(run: _Run, objective: Objective, validate: Validation) -> None:
    recipe, frame, network = run.recipe, run.frame, run.network
    every = max(1, recipe.steps // recipe.evaluations)
    stored = clock = time.monotonic()
    network.train()
    while run.step < recipe.steps:
        loss = run.advance(objective)
        run.step += 1
        if run.step % every == 0 or run.step == recipe.steps:
            network.eval()
            with torch.no_grad(), _autocast(frame.device, run.precision):
                figures = dict(validate())
            network.train()
            run.judge(figures, float(loss))
        now = time.monotonic()
        run.seconds += now - clock
        clock = now
        frame.progress(run.step / recipe.steps, run.latest)
        late = now > frame.deadline and run.step < recipe.steps
        if late or now - stored > _CHECKPOINT_SECONDS:
            run.store()
            stored = time.monotonic()
        if late:
            raise TimeLimitReached(
                f"the time is up after step {run.step} of {recipe.steps}; the same command goes on "
                "from there"
            )
    run.done = True
    run.store()


class _Run:
    """A training while it runs: everything that a checkpoint holds."""

    def __init__(self, network: nn.Module, recipe: Recipe, frame: Frame) -> None:
        self.network = network
        self.recipe = recipe
        self.frame = frame
        self.optimizer = _optimizer(network, recipe)
        self.step = 0
        self.seconds = 0.0
        self.precision = ""
        self.best: dict[str, Tensor] = {}
        self.figures: dict[str, float] = {}
        self.latest: dict[str, float] = {}
        self.curve: list[dict[str, float]] = []
        self.done = False

    @property
    def identity(self) -> str:
        """What must agree for a checkpoint to be of use."""
        shapes = {k: list(v.shape) for k, v in self.network.state_dict().items()}
        what = [_FORMAT, self.recipe.as_dict(), shapes, self.frame.seed]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def advance(self, objective: Objective) -> Tensor:
        """One step of the optimizer."""
        seed = int.from_bytes(
            hashlib.sha256(f"{self.frame.seed} {self.step}".encode()).digest()[:7]
        )
        torch.manual_seed(seed)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        with _autocast(self.frame.device, self.precision):
            loss = objective(self.step)
        if not torch.isfinite(loss):
            raise RobobenchError(
                f"the loss became {loss.item()} at step {self.step}: the training diverged; a "
                "lower rate in another --recipe would work"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if self.recipe.clip < math.inf:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        return loss.detach()

    def judge(self, figures: dict[str, float], loss: float) -> None:
        """Note validation figures, and keep the network as the recipe says."""
        decisive = next(iter(figures))
        self.latest = figures
        self.curve.append(
            {"step": self.step, "seconds": round(self.seconds, 1), "loss": loss, **figures}
        )
        better = not self.figures or figures[decisive] > self.figures[decisive]
        if better or self.recipe.keep == "last":
            self.figures = figures
            self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def store(self) -> None:
        """Write the checkpoint and the curve, each aside and then renamed."""
        path = self.frame.checkpoint
        state = {
            "identity": self.identity,
            "step": self.step,
            "seconds": self.seconds,
            "precision": self.precision,
            "figures": self.figures,
            "latest": self.latest,
            "curve": self.curve,
            "done": self.done,
            "best": self.best,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        lines = "".join(f"{json.dumps(point)}\n" for point in self.curve)
        try:
            with whole_file(path) as aside:
                torch.save(state, aside)
            write_whole(path.with_suffix(".jsonl"), lines.encode())
        except (OSError, RuntimeError) as error:
            raise RobobenchError(f"checkpoint {path} cannot be written: {error}") from error

    def resume(self) -> None:
        """Go back to the checkpoint, if there is one of the same training."""
        path = self.frame.checkpoint
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location=self.frame.device, weights_only=True)
        except Exception as error:  # torch's and the zip reader's own
            raise RobobenchError(
                f"checkpoint {path} cannot be read ({type(error).__name__}): delete it to start anew"
            ) from error
        if state.get("identity") != self.identity:
            return  # of other settings: it is overwritten by the first one stored
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("step", "seconds", "precision", "figures", "latest", "curve", "done", "best"):
            setattr(self, name, state[name])


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.rate, momentum=0.9, nesterov=True)
    if recipe.optimizer == "adamax":
        return torch.optim.Adamax(groups, lr=recipe.rate)
    return torch.optim.AdamW(groups, lr=recipe.rate)


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def choose_precision(network: nn.Module, objective: Objective, frame: Frame) -> str:
    """The frame's precision; where that is ``auto``, the one that a step is faster in."""
    if frame.precision != "auto":
        return frame.precision
    before = {k: v.detach().clone() for k, v in network.state_dict().items()}
    network.train()

    def run(precision: str) -> None:
        with _autocast(frame.device, precision):
            loss = objective(0)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        _ = float(loss.detach())  # waits for the device

    chosen = faster_precision(run)
    network.zero_grad(set_to_none=True)
    network.load_state_dict(before)
    return chosen


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch, count]).permutation(count).astype(np.int64)


def batch_positions(count: int, batch: int, seed: int, step: int) -> NDArray[np.int64]:
    """Which of `count` images are in the batch of a step: every image once, then anew.

    Args:
        count: Number of images.
        batch: Images of a step.
        seed: Of the order.
        step: From zero.

    Returns:
        int64, as many as `batch`.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    epochs = places // count
    return np.concatenate(
        [_permutation(count, seed, int(e))[places[epochs == e] % count] for e in np.unique(epochs)]
    )
