"""The progress bar of runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan


@contextmanager
def progress(plans: Sequence[Plan]) -> Iterator[Callable[[int], None]]:
    """A bar with the time left for the predictions that plans still lack, on a terminal only.

    Yields:
        A function to call with the number of predictions just made.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from robobench.evaluation.runner import missing_cells
    from robobench.results.store import Store

    if not sys.stderr.isatty():
        yield lambda images: None
        return
    from rich.console import Console

    total = sum(
        images
        for plan in plans
        for _, _, images in missing_cells(
            plan.grid, plan.entrants, plan.source, Store(plan.configuration.folder)
        )
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("predictions", total=total)
        yield lambda images: bar.advance(task, images)
