"""The progress of work that may take long: a bar on terminals and in notebooks, lines in CI logs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from threading import Timer
from typing import Final

from robobench.environment import is_open, is_terminal

_DELAY_SECONDS: Final = 2.0
_LINE_SECONDS: Final = 60.0


def is_shown() -> bool:
    """Whether progress is shown at all: on a terminal, in a notebook, or where CI is set."""
    if not is_open(sys.stderr):
        return False
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return is_terminal(sys.stderr) or _in_notebook() or in_ci


@contextmanager
def progress(description: str, total: float | None = None) -> Iterator[Callable[..., None]]:
    """A bar with the time left, if the work takes over two seconds; in CI a line each minute.

    Args:
        description: Text before the bar.
        total: Amount of work; None as long as it is unknown.

    Yields:
        A function that takes ``advance``, ``completed``, ``total`` and ``description``, the keyword
        arguments of `rich.progress.Progress.update`.
    """
    if not is_shown():
        yield lambda **changes: None
        return
    if not is_terminal(sys.stderr) and not (_in_notebook() and find_spec("ipywidgets")):
        yield _Lines(description, total).update
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(description, total=total)
    start = Timer(_DELAY_SECONDS, bar.start)
    start.daemon = True
    start.start()
    try:
        yield partial(bar.update, task)
    finally:
        start.cancel()
        start.join()
        if bar.live.is_started:
            bar.stop()


def _in_notebook() -> bool:
    """Whether an IPython kernel with a front end runs this."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")


@dataclass
class _Lines:
    """Progress in a log, where a bar cannot move."""

    description: str
    total: float | None
    done: float = 0.0
    began: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def update(
        self,
        *,
        advance: float = 0.0,
        completed: float | None = None,
        total: float | None = None,
        description: str | None = None,
    ) -> None:
        """Print a line if the last one was a minute ago."""
        self.total = self.total if total is None else total
        self.description = self.description if description is None else description
        self.done = self.done + advance if completed is None else completed
        now = time.monotonic()
        if now - self.last < _LINE_SECONDS:
            return
        self.last = now
        told = f"{self.description}: {(now - self.began) / 60:.0f} min"
        if self.total and self.done:
            left = (now - self.began) * (self.total - self.done) / self.done / 60
            told += f", {self.done / self.total:.0%} done, about {left:.0f} min left"
        print(told, file=sys.stderr, flush=True)


def of_training(
    update: Callable[..., None], label: str
) -> Callable[[str, float, Mapping[str, float]], None]:
    """Shows the stage of a training, the share done and the latest figure."""

    def show(stage: str, share: float, figures: Mapping[str, float]) -> None:
        parts = [label] if stage == "network" else [label, stage]
        parts += [f"{k} {figure(k, v)}" for k, v in list(figures.items())[:1]]
        update(completed=share, description=" ".join(parts))

    return show


def figure(name: str, value: float) -> str:
    """A figure of validation in words: a share in percent, others as numbers."""
    return f"{value:.2f}" if name.startswith(("psnr", "minus", "rms")) else f"{value:.1%}"
