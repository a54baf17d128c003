"""Who does the work: this process, or a Ray cluster that gets one task per group of cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import Plan
from robobench.evaluation.runner import Failure, evaluate
from robobench.results.store import Store
from robobench.types import Cell, Degradation


def evaluate_with(
    plan: Plan,
    store: Store,
    *,
    advance: Callable[[int], None],
    finished: Callable[[Cell], None],
) -> list[Failure]:
    """Fill the store by the executor that the configuration names; see `runner.evaluate`."""
    if plan.configuration.executor == "ray":
        return _on_ray(plan, store, advance=advance, finished=finished)
    return evaluate(
        plan.grid,
        plan.entrants,
        plan.source,
        store,
        batch_size=plan.configuration.batch_size,
        advance=advance,
        finished=finished,
    )


def _on_ray(
    plan: Plan,
    store: Store,
    *,
    advance: Callable[[int], None],
    finished: Callable[[Cell], None],
) -> list[Failure]:
    """One task per condition; the store's folder must be seen by every worker."""
    try:
        import ray
    except ImportError:
        raise RobobenchError(
            "--executor ray needs Ray: pip install 'robobench[ray]', or leave the option out"
        ) from None
    if plan.in_memory:
        raise RobobenchError(
            "--executor ray opens images and classifier on every worker by name: what is only in "
            "memory runs with executor='local'"
        )
    ray.init(address=plan.configuration.ray_address, ignore_reinit_error=True, log_to_driver=False)
    task = ray.remote(_one_group)
    folder = str(store.folder.resolve())
    groups: list[tuple[Degradation, ...]] = [(d,) for d in plan.grid.degradations] or [()]
    pending = {task.remote(plan.configuration, group, folder) for group in groups}
    failures: list[Failure] = []
    while pending:
        ready, rest = ray.wait(list(pending))
        pending = set(rest)
        for cells, failed, images in ray.get(ready):
            advance(images)
            for cell in cells:
                finished(cell)
            failures += failed
    return list({f.cell: f for f in failures}.values())


def _one_group(
    configuration: Configuration, degradations: tuple[Degradation, ...], folder: str
) -> tuple[list[Cell], list[Failure], int]:
    """What runs on a worker: the same evaluation, over a part of the grid."""
    from robobench.evaluation.plan import prepare

    plan = prepare(configuration)
    done: list[Cell] = []
    images: list[int] = []
    failures = evaluate(
        replace(plan.grid, degradations=degradations),
        plan.entrants,
        plan.source,
        Store(folder),
        batch_size=configuration.batch_size,
        advance=images.append,
        finished=done.append,
    )
    return done, failures, sum(images)
