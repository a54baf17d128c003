"""The progress of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from robobench.evaluation.plan import Plan
from robobench.evaluation.runner import missing_cells
from robobench.results.store import Store
from robobench.training.progress import is_shown, progress


@contextmanager
def run_progress(plans: Sequence[Plan]) -> Iterator[Callable[[int], None]]:
    """The progress of the predictions that the runs of these plans lack.

    Yields:
        A function that takes the number of predictions just made.
    """
    total = None
    if is_shown():  # looking through the stored cells takes a while
        total = sum(
            images
            for plan in plans
            for _, _, images in missing_cells(
                plan.part, plan.source, Store(plan.configuration.folder)
            )
        )
    with progress("predictions", total) as update:
        yield lambda images: update(advance=images)
