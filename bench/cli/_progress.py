"""The progress bar of commands that may take long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan

_DELAY_SECONDS: Final = 2.0


@contextmanager
def progress(description: str, total: float | None = None) -> Iterator[Callable[..., None]]:
    """A bar with the time left, on a terminal only, and only if the work takes over two seconds.

    Args:
        description: Text before the bar.
        total: Amount of work; None as long as it is unknown.

    Yields:
        A function that takes ``advance``, ``completed``, ``total`` and ``description``, the keyword
        arguments of `rich.progress.Progress.update`.
    """
    if not sys.stderr.isatty():
        yield lambda **changes: None
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


@contextmanager
def run_progress(plans: Sequence[Plan]) -> Iterator[Callable[[int], None]]:
    """The same for the predictions that the runs of these plans lack.

    Yields:
        A function that takes the number of predictions just made.
    """
    from robobench.evaluation.runner import missing_cells
    from robobench.results.store import Store

    total = None
    if sys.stderr.isatty():  # looking through the stored cells takes a while
        total = sum(
            images
            for plan in plans
            for _, _, images in missing_cells(
                plan.part, plan.source, Store(plan.configuration.folder)
            )
        )
    with progress("predictions", total) as update:
        yield lambda images: update(advance=images)
