"""A run on a Ray cluster: one task per condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import Plan
from robobench.evaluation.runner import Failure, evaluate
from robobench.results.store import Store
from robobench.types import Cell, Degradation


def evaluate_on_ray(
    plan: Plan,
    store: Store,
    *,
    advance: Callable[[int], None],
    finished: Callable[[Cell], None],
) -> list[Failure]:
    """Fill a store on a Ray cluster, one task per condition; see `runner.evaluate`.

    The store's folder must be visible to every worker. Ray is there: `plan.prepare` has looked.
    """
    import ray

    ray.init(address=plan.configuration.ray_address, ignore_reinit_error=True, log_to_driver=False)
    task = ray.remote(_one_group)
    folder = str(store.folder.resolve())
    # Clean images are a group of their own: every other task would compute them again.
    groups: list[tuple[Degradation, ...]] = [(), *((d,) for d in plan.grid.degradations)]
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
        replace(plan.grid, degradations=degradations, with_clean=not degradations),
        plan.source,
        Store(folder),
        batch_size=configuration.batch_size,
        advance=images.append,
        finished=done.append,
    )
    return done, failures, sum(images)
