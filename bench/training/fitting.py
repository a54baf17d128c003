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
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robobench.backbones.speed import faster_precision
from robobench.errors import RobobenchError
from robobench.files import whole_file, write_whole
from robobench.types import Recipe

_CHECKPOINT_SECONDS: Final = 20.0
_FORMAT: Final = 2
_SETTLING_BATCHES: Final = 60
# Of a training while it runs, beside the network and the optimizer.
_STORED: Final = (
    *("step", "seconds", "precision", "figures", "latest", "curve", "done"),
    *("best", "mean"),
)

Objective = Callable[[int], Tensor]
Validation = Callable[[], Mapping[str, float]]


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
        if run.step in recipe.averaged_ends:
            run.take_into_mean()
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
    if recipe.averaged_ends:
        run.settle_mean(objective)
        network.eval()
        with torch.no_grad(), _autocast(frame.device, run.precision):
            run.judge(dict(validate()), None)
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
        self.mean: dict[str, Tensor] = {}
        self.figures: dict[str, float] = {}
        self.latest: dict[str, float] = {}
        self.curve: list[dict[str, float | None]] = []
        self.done = False

    @property
    def identity(self) -> str:
        """What must agree for a checkpoint to be of use."""
        shapes = {k: list(v.shape) for k, v in self.network.state_dict().items()}
        what = [_FORMAT, self.recipe.as_dict(), shapes, self.frame.seed]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def advance(self, objective: Objective) -> Tensor:
        """One step of the optimizer."""
        self._seed(self.step)
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

    def judge(self, figures: dict[str, float], loss: float | None) -> None:
        """Note validation figures, and keep the network as the recipe says."""
        decisive = next(iter(figures))
        self.latest = figures
        self.curve.append(
            {"step": self.step, "seconds": round(self.seconds, 1), "loss": loss, **figures}
        )
        better = not self.figures or figures[decisive] > self.figures[decisive]
        if better or self.recipe.keep == "last":
            self.figures = figures
            self.best = _snapshot(self.network)

    def take_into_mean(self) -> None:
        """Average the weights with those of the ends before."""
        before = self.recipe.averaged_ends.index(self.step)
        mean = _snapshot(self.network)
        for name, value in mean.items():
            if before and value.is_floating_point():
                mean[name] = torch.lerp(self.mean[name], value, 1 / (before + 1))
        self.mean = mean

    def settle_mean(self, objective: Objective) -> None:
        """Load the mean into the network, and measure the batch statistics that go with it."""
        self.network.load_state_dict(self.mean)
        norms = [
            m for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
        ]
        usual = [m.momentum for m in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over batches
        self.network.train()
        with torch.no_grad(), _autocast(self.frame.device, self.precision):
            for step in range(_SETTLING_BATCHES if norms else 0):
                self._seed(step)
                objective(step)
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum

    def _seed(self, step: int) -> None:
        """Random numbers that torch draws depend on the seed and the step."""
        digest = hashlib.sha256(f"{self.frame.seed} {step}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:7]))

    def store(self) -> None:
        """Write the checkpoint and the curve, each aside and then renamed."""
        path = self.frame.checkpoint
        state = {
            "identity": self.identity,
            **{name: getattr(self, name) for name in _STORED},
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
        for name in _STORED:
            setattr(self, name, state[name])


def _snapshot(network: nn.Module) -> dict[str, Tensor]:
    """A copy of its tensors that further training leaves alone."""
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


def choose_precision(network: nn.Module, objective: Objective, frame: Frame) -> str:
    """The frame's precision; where that is ``auto``, the one that a step is faster in."""
    if frame.precision != "auto":
        return frame.precision
    before = _snapshot(network)
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
