"""The one training loop: resumable, limited in time, and reproducible.

What a step does depends only on the seed and the number of the step. A training that was killed and
resumed from its last checkpoint therefore ends with the same weights as one that ran through (on
one machine, with the same number of threads).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn, update_bn

from robobench.backbones.speed import faster_precision
from robobench.errors import RobobenchError
from robobench.files import whole_file, write_whole
from robobench.training.recipes import recorded
from robobench.types import Recipe

_CHECKPOINT_SECONDS: Final = 20.0
_FORMAT: Final = 3
_STATISTICS_BATCHES: Final = 60
# Fields of a training that its checkpoint holds besides the network, optimizer and average.
_STORED: Final = ("step", "seconds", "precision", "figures", "latest", "curve", "done", "best")

Objective = Callable[[int], Tensor]
Validation = Callable[[], Mapping[str, float]]


class TimeLimitReached(RobobenchError):
    """A training stopped at its time limit; its checkpoint is stored."""

    exit_code = 0


@dataclass(frozen=True)
class Fit:
    """The outcome of a training; the network itself holds the weights that were kept.

    Attributes:
        figures: Validation figures of these weights, as fractions.
        minutes: Duration, summed over all interrupted parts.
        precision: ``fp32`` or ``bf16``.
    """

    figures: dict[str, float]
    minutes: float
    precision: str


@dataclass(frozen=True)
class LoopSettings:
    """What the training loop needs to know besides the recipe.

    Attributes:
        seed: Seed of all random numbers.
        checkpoint: Path of the checkpoint; the training curve is written next to it as JSON lines.
        device: Where the network is.
        precision: ``auto``, ``fp32`` or ``bf16``.
        deadline: In the time of `time.monotonic`; infinite for none.
        progress: Called with the share done, 0..1, and the latest figures.
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
    settings: LoopSettings,
    on_precision: Callable[[str], None] = lambda precision: None,
) -> Fit:
    """Train a network and leave in it the weights that the recipe keeps.

    Args:
        network: Its trainable parameters are trained; it is in training mode meanwhile.
        objective: Maps the number of a step to its loss. Random numbers that torch draws in it are
            seeded by the step.
        validate: Returns figures of the network in evaluation mode. The first one decides which
            weights are kept; larger is better.
        recipe: Training settings.
        settings: Everything else that the loop needs.
        on_precision: Called with the chosen precision before the first step.

    Raises:
        TimeLimitReached: The deadline passed; the same call resumes the training.
        KeyboardInterrupt: Passed on after the checkpoint was stored.
        RobobenchError: The loss is no longer finite.
    """
    state = _TrainingState(network, recipe, settings)
    state.resume()
    if not state.done:
        state.precision = state.precision or choose_precision(network, objective, settings)
        on_precision(state.precision)
        try:
            _train(state, objective, validate)
        except KeyboardInterrupt:
            state.store()
            raise
    network.load_state_dict(state.best)
    network.eval()
    return Fit(state.figures, state.seconds / 60, state.precision)


def _train(state: _TrainingState, objective: Objective, validate: Validation) -> None:
    recipe, settings, network = state.recipe, state.settings, state.network
    every = max(1, recipe.steps // recipe.evaluations)
    stored = clock = time.monotonic()
    network.train()
    while state.step < recipe.steps:
        loss = state.advance(objective)
        state.step += 1
        if state.step % every == 0 or state.step == recipe.steps:
            network.eval()
            with torch.no_grad(), _autocast(settings.device, state.precision):
                figures = dict(validate())
            network.train()
            state.judge(figures, float(loss))
        if state.average is not None and state.step in averaged_ends(recipe):
            state.average.update_parameters(network)
        now = time.monotonic()
        state.seconds += now - clock
        clock = now
        settings.progress(state.step / recipe.steps, state.latest)
        late = now > settings.deadline and state.step < recipe.steps
        if late or now - stored > _CHECKPOINT_SECONDS:
            state.store()
            stored = time.monotonic()
        if late:
            raise TimeLimitReached(
                f"time limit reached after step {state.step} of {recipe.steps}; run the same "
                "command again to resume"
            )
    if state.average is not None:
        state.load_average(objective)
        network.eval()
        with torch.no_grad(), _autocast(settings.device, state.precision):
            state.judge(dict(validate()), None)
    state.done = True
    state.store()


def averaged_ends(recipe: Recipe) -> tuple[int, ...]:
    """The steps after which weights enter the mean; empty if nothing is averaged."""
    ends = (*(first for first, _ in recipe.restarts), recipe.steps)
    return ends[-recipe.averaged :] if recipe.averaged > 1 else ()


def rate_at(recipe: Recipe, step: int) -> float:
    """Learning rate of a step: each cycle has a linear warm-up and a half-cosine decay."""
    cycles = [(0, recipe.rate), *recipe.restarts, (recipe.steps, 0.0)]
    place = max(p for p, (first, _) in enumerate(cycles[:-1]) if first <= step)
    (first, peak), (end, _) = cycles[place : place + 2]
    step, steps = step - first, end - first
    rise = max(1, round(recipe.warmup * steps))
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class _TrainingState:
    """A training in progress: everything that a checkpoint holds."""

    def __init__(self, network: nn.Module, recipe: Recipe, settings: LoopSettings) -> None:
        self.network = network
        self.recipe = recipe
        self.settings = settings
        self.optimizer = _optimizer(network, recipe)
        # Without this function torch averages by another formula, with other rounding errors, on
        # some devices.
        self.average = (
            AveragedModel(network, multi_avg_fn=get_swa_multi_avg_fn())  # type: ignore[no-untyped-call]
            if averaged_ends(recipe)
            else None
        )
        self.step = 0
        self.seconds = 0.0
        self.precision = ""
        self.best: dict[str, Tensor] = {}
        self.figures: dict[str, float] = {}
        self.latest: dict[str, float] = {}
        self.curve: list[dict[str, float | None]] = []
        self.done = False

    @property
    def identity(self) -> str:
        """What must agree for a checkpoint to be used."""
        shapes = {k: list(v.shape) for k, v in self.network.state_dict().items()}
        what = [_FORMAT, recorded(self.recipe), shapes, self.settings.seed]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def advance(self, objective: Objective) -> Tensor:
        """Take one optimizer step and return its loss."""
        self.seed_step(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.recipe, self.step)
        with _autocast(self.settings.device, self.precision):
            loss = objective(self.step)
        if not torch.isfinite(loss):
            raise RobobenchError(
                f"the loss became {loss.item()} at step {self.step}: the training diverged; try "
                "another --recipe with a lower learning rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if self.recipe.clip < math.inf:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        return loss.detach()

    def judge(self, figures: dict[str, float], loss: float | None) -> None:
        """Record validation figures, and keep the weights if the recipe says so."""
        decisive = next(iter(figures))
        self.latest = figures
        self.curve.append(
            {"step": self.step, "seconds": round(self.seconds, 1), "loss": loss, **figures}
        )
        better = not self.figures or figures[decisive] > self.figures[decisive]
        if better or self.recipe.keep == "last":
            self.figures = figures
            self.best = _snapshot(self.network)

    def load_average(self, objective: Objective) -> None:
        """Load the averaged weights into the network, and recompute its batch statistics."""
        assert self.average is not None
        self.network.load_state_dict(self.average.module.state_dict())
        with _autocast(self.settings.device, self.precision):
            update_bn(range(_STATISTICS_BATCHES), _ObjectiveModule(self, objective))

    def seed_step(self, step: int) -> None:
        """Make the random numbers that torch draws depend only on the seed and the step."""
        digest = hashlib.sha256(f"{self.settings.seed} {step}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:7]))

    def store(self) -> None:
        """Write the checkpoint and the curve, each under another name that is then changed."""
        path = self.settings.checkpoint
        state = {
            "identity": self.identity,
            **{name: getattr(self, name) for name in _STORED},
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average and self.average.state_dict(),
        }
        lines = "".join(f"{json.dumps(point)}\n" for point in self.curve)
        try:
            with whole_file(path) as aside:
                torch.save(state, aside)
            write_whole(path.with_suffix(".jsonl"), lines.encode())
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RobobenchError(
                f"checkpoint {path} cannot be written: {reason}; free disk space, or set "
                "ROBOBENCH_WEIGHTS to a folder that can be written to"
            ) from error

    def resume(self) -> None:
        """Return to the checkpoint, if there is one of the same training."""
        path = self.settings.checkpoint
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location=self.settings.device, weights_only=True)
        except Exception as error:  # torch and the zip reader raise types of their own
            raise RobobenchError(
                f"checkpoint {path} cannot be read ({type(error).__name__}): delete it to start "
                "over"
            ) from error
        if state.get("identity") != self.identity:
            return  # it has other settings; the next checkpoint overwrites it
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for name in _STORED:
            setattr(self, name, state[name])


class _ObjectiveModule(nn.Module):
    """The objective as a module around the network, which is what `update_bn` takes."""

    def __init__(self, state: _TrainingState, objective: Objective) -> None:
        super().__init__()
        self.network = state.network
        self._seed_step = state.seed_step
        self._objective = objective

    def forward(self, step: int) -> Tensor:
        self._seed_step(step)
        return self._objective(step)


def _snapshot(network: nn.Module) -> dict[str, Tensor]:
    """A copy of its tensors that further training does not change."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


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


def choose_precision(network: nn.Module, objective: Objective, settings: LoopSettings) -> str:
    """The precision of the settings; if that is ``auto``, the one in which a step is faster."""
    if settings.precision != "auto":
        return settings.precision
    before = _snapshot(network)
    network.train()

    def run(precision: str) -> None:
        with _autocast(settings.device, precision):
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
    """The positions of the images in a step's batch: each image once per epoch, in random order.

    Args:
        count: Number of images.
        batch: Batch size.
        seed: Seed of the order.
        step: Number of the step, from zero.

    Returns:
        int64, as many as `batch`.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    epochs = places // count
    return np.concatenate(
        [_permutation(count, seed, int(e))[places[epochs == e] % count] for e in np.unique(epochs)]
    )
