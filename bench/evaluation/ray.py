"""A run on a Ray cluster: an actor per processor, groups of conditions as its tasks.

Actors open images and networks once. What they need of this machine's disk comes to them through
Ray's object store, and the cells come back through it, so that no disk need be shared. This process
divides the work and stores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from robobench.environment import usable_processors
from robobench.errors import RobobenchError
from robobench.evaluation.carried import job_of
from robobench.evaluation.groups import Group, Outcome, divide
from robobench.evaluation.ray_address import address_of
from robobench.evaluation.spreading import spread
from robobench.evaluation.worker import Opened, Worker

if TYPE_CHECKING:
    from robobench.evaluation.configuration import Configuration
    from robobench.evaluation.plan import Plan
    from robobench.evaluation.runner import Failure
    from robobench.results.store import Store

# Images that fit in memory, and the cells of some groups; Ray itself would take a third of the memory.
_BYTES_OF_A_STORE = 2**30


@contextmanager
def _cluster(configuration: Configuration) -> Iterator[Any]:
    """Ray, connected to the cluster asked for, or to one of this machine alone for the time being."""
    import ray

    if ray.is_initialized():  # by the caller, who ends it
        yield ray
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address := address_of(configuration):
        ray.init(address=address, **quiet)
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=usable_processors(),
            object_store_memory=_BYTES_OF_A_STORE,
            include_dashboard=False,
            **quiet,
        )
    try:
        yield ray
    finally:
        ray.shutdown()


def evaluate_on_ray(
    plan: Plan, store: Store, batch_size: int | None, take: Callable[[Outcome], None]
) -> list[Failure]:
    """Let the workers of a Ray cluster make what a store lacks.

    Args:
        plan: The run.
        store: What it has so far.
        batch_size: What ``--batch-size auto`` begins with, where that is known.
        take: Called with what became of each group.

    Returns:
        The cells of groups that were given up.

    Raises:
        RobobenchError: See `spread`; or the cluster has no processor of the kind asked for.
    """
    with _cluster(plan.configuration) as ray:
        device = plan.device.partition(":")[0]  # which of several is Ray's choice
        place = _Nodes(ray, device)
        room = place.room()
        if room == 0:
            what = "GPU" if device == "cuda" else "CPU"
            raise RobobenchError(
                f"--device {plan.configuration.device}: the Ray cluster has no {what}, only "
                f"{_resources(ray)}"
            )
        groups = divide(plan, store, room)
        if not groups:
            return []
        job = job_of(plan, device, batch_size, carry=True)
        try:
            place.job = ray.put(job)
        except TypeError:  # a data set with an open file, which each worker opens for itself
            place.job = ray.put(replace(job, source=None, images=None))
        return spread(groups, place, take)


def _resources(ray: Any) -> str:
    found = {k: v for k, v in ray.cluster_resources().items() if ":" not in k}
    return ", ".join(f"{v:g} {k}" for k, v in sorted(found.items()) if "memory" not in k) or "none"


class _Nodes:
    """The nodes of a cluster, with a worker per processor or GPU."""

    def __init__(self, ray: Any, device: str) -> None:
        from ray import exceptions

        self.job: Any = None
        self._ray = ray
        self._gpu = device == "cuda"
        self.lost: tuple[type[BaseException], ...] = (
            exceptions.RayActorError,
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
            exceptions.LocalRayletDiedError,
        )
        self._actor = ray.remote(
            max_restarts=0,  # a new worker is hired wherever there is room
            num_cpus=1,
            num_gpus=int(self._gpu),
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": _environment(self._gpu)},
        )(Worker)

    def room(self) -> int:
        """Processors, or GPUs, of the nodes that are there."""
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if self._gpu:
            return sum(int(min(r.get("GPU", 0), r.get("CPU", 0))) for r in alive)
        return sum(int(r.get("CPU", 0)) for r in alive)

    def hire(self) -> _Actor:
        """A new actor."""
        return _Actor(self._ray, self._actor.remote(self.job, None if self._gpu else 1))

    def why_lost(self, error: BaseException) -> str:
        """The reason that Ray gives."""
        text = " ".join(str(error).split())
        if "No module named 'robobench" in text:
            return "a node of the Ray cluster has no robobench: install the same version everywhere"
        return f"a Ray worker was lost ({type(error).__name__}: {text[:200]})"


class _Actor:
    """A worker on a node."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor

    def open(self) -> Future[Opened]:
        """See `Worker.open`."""
        opened: Future[Opened] = self._actor.open.remote().future()
        return opened

    def evaluate(self, group: Group) -> Future[Outcome]:
        """See `Worker.evaluate`."""
        made: Future[Outcome] = self._actor.evaluate.remote(group).future()
        return made

    def close(self) -> Future[None]:
        """See `Worker.close`."""
        closed: Future[None] = self._actor.close.remote().future()
        return closed

    def stop(self) -> None:
        """End its process."""
        self._ray.kill(self._actor)


def _environment(gpu: bool) -> dict[str, str]:
    """Variables of a worker: one thread, and where data and weights of hubs are."""
    names = ("ROBOBENCH_DATA", "ROBOBENCH_WEIGHTS", "TORCH_HOME", "HF_HOME", "HF_HUB_OFFLINE")
    found = {name: value for name in names if (value := os.environ.get(name))}
    return found if gpu else found | {"NUMBA_NUM_THREADS": "1"}
