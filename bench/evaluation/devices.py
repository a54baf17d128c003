"""Several GPUs of one machine: a process for each."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

from robobench.environment import usable_processors
from robobench.evaluation.carried import Job, job_of
from robobench.evaluation.groups import Group, Outcome, divide
from robobench.evaluation.spreading import spread
from robobench.evaluation.worker import Opened, Worker

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan
    from robobench.evaluation.runner import Failure
    from robobench.results.store import Store


def devices_of(plan: Plan) -> list[str]:
    """The devices of a run: all GPUs where it is asked for ``cuda``, else its own.

    What exists only in this process's memory is evaluated by this process.
    """
    import torch

    if plan.configuration.device != "cuda" or plan.in_memory:
        return [plan.device]
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def evaluate_on_devices(
    plan: Plan,
    store: Store,
    devices: Sequence[str],
    batch_size: int | None,
    take: Callable[[Outcome], None],
) -> list[Failure]:
    """Let a process for each device make what a store lacks.

    Args:
        plan: The run, or a shard of it.
        store: What it has so far.
        devices: Names of torch devices.
        batch_size: What ``--batch-size auto`` begins with, where that is known.
        take: Called with what became of each group.

    Returns:
        The cells of groups that were given up.

    Raises:
        RobobenchError: See `spread`.
    """
    groups = divide(plan, store, len(devices))
    job = job_of(plan, plan.device, batch_size, carry=False)
    return spread(groups, _Devices(job, devices), take)


class _Devices:
    """The devices of this machine."""

    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(self, job: Job, devices: Sequence[str]) -> None:
        self._job = job
        self._free = list(devices)
        self._count = len(devices)

    def room(self) -> int:
        """As many as devices."""
        return self._count

    def hire(self) -> _Process:
        """A process for a device that has none."""
        device = self._free.pop(0)
        each = (replace(one, device=device) for one in self._job.configurations)
        job = replace(self._job, configurations=tuple(each))
        threads = max(1, usable_processors() // self._count)
        return _Process(job, threads, lambda: self._free.append(device))

    def why_lost(self, error: BaseException) -> str:
        """What usually is the reason."""
        return (
            "the process of a device ended abruptly (out of memory?); in a script of your own, "
            "robobench.run belongs under if __name__ == '__main__':"
        )


class _Process:
    """A worker in a process of its own."""

    def __init__(self, job: Job, threads: int, stopped: Callable[[], None]) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _begin, (job, threads))
        self._stopped = stopped
        self._id: int | None = None

    def open(self) -> Future[Opened]:
        """See `Worker.open`."""
        opened = self._pool.submit(_open)
        opened.add_done_callback(self._note_id)
        return opened

    def _note_id(self, opened: Future[Opened]) -> None:
        if not opened.cancelled() and opened.exception() is None:
            self._id = opened.result().process

    def evaluate(self, group: Group) -> Future[Outcome]:
        """See `Worker.evaluate`."""
        return self._pool.submit(_evaluate, group)

    def close(self) -> Future[None]:
        """See `Worker.close`."""
        return self._pool.submit(_close)

    def stop(self) -> None:
        """End the process, at once if it has opened the run."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._id is not None:
            with suppress(ProcessLookupError):
                os.kill(self._id, signal.SIGTERM)
        self._stopped()


def _begin(job: Job, threads: int) -> None:
    """Make the worker of this process; Ctrl-C is the parent's, who ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    global _worker
    _worker = Worker(job, threads)


_worker: Worker  # of this process


def _open() -> Opened:
    return _worker.open()


def _close() -> None:
    _worker.close()


def _evaluate(group: Group) -> Outcome:
    return _worker.evaluate(group)
