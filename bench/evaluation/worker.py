"""What evaluates groups of a run in a process of its own, on this machine or another."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.environment import versions
from robobench.errors import RobobenchError
from robobench.evaluation.carried import WEIGHTS, Job
from robobench.evaluation.groups import Group, Outcome
from robobench.results.store import Store
from robobench.types import Cell

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan


# With the machine's name, as folders for temporary files may be shared.
_PREFIX = f"robobench-worker-{socket.gethostname()}-"


@dataclass(frozen=True)
class Opened:
    """That a worker can begin, or why not.

    Attributes:
        process: Its process id.
        mistake: What the user can fix, in one line, if it kept the worker from opening the run.
    """

    process: int
    mistake: str | None = None


class Worker:
    """Opens images and networks once, then evaluates one group after the other.

    It needs a process of its own, whose working folder and environment it changes.

    Args:
        job: The run.
        threads: Of the CPU; None for torch's own choice.
    """

    def __init__(self, job: Job, threads: int | None = None) -> None:
        self._job = job
        self._threads = threads
        self._plan: Plan | None = None
        self._batch_size = job.batch_size
        _remove_folders_of_killed()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")

    def open(self) -> Opened:
        """Open images and networks."""
        try:
            self._plan = self._open()
        except RobobenchError as error:
            return Opened(os.getpid(), f"a worker on {socket.gethostname()}: {error}")
        return Opened(os.getpid())

    def _open(self) -> Plan:
        import torch

        from robobench.evaluation.classifiers import prepare_together
        from robobench.evaluation.plan import prepare

        job = self._job
        _refuse_other_versions(job)
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        folder = Path(self._folder.name)
        with suppress(OSError):  # on a machine that does not have it
            os.chdir(job.folder)
        if job.files:
            os.environ["ROBOBENCH_WEIGHTS"] = str(folder / WEIGHTS)
        configurations, source = job.unpack(folder)
        if job.several:
            (plan,) = prepare_together(configurations, source=source)
            return plan
        (configuration,) = configurations
        return prepare(configuration, source=source)

    def evaluate(self, group: Group) -> Outcome:
        """Fill the cells of a group."""
        from robobench.evaluation.runner import evaluate

        assert self._plan is not None  # it has been opened
        plan = self._plan
        done: list[Cell] = []
        predictions: list[int] = []
        known = self._batch_size
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            store = Store(folder)
            store.cells_folder.mkdir()
            for name, content in group.stored.items():
                (store.cells_folder / name).write_bytes(content)
            try:
                failures = evaluate(
                    replace(plan.grid, only=frozenset(group.conditions)),
                    plan.source,
                    store,
                    batch_size=plan.configuration.batch_size,
                    at_most=self._batch_size,
                    halved=self._remember,
                    advance=predictions.append,
                    finished=done.append,
                )
            except RobobenchError as error:
                return Outcome(mistake=f"a worker on {socket.gethostname()}: {error}")
            cells = tuple((cell, store.path(cell).read_bytes()) for cell in done)
        return Outcome(
            cells,
            tuple(failures),
            sum(predictions),
            self._batch_size if self._batch_size != known else None,
        )

    def close(self) -> None:
        """Remove what was written for this worker."""
        self._folder.cleanup()

    def _remember(self, batch_size: int) -> None:
        self._batch_size = batch_size


def _remove_folders_of_killed() -> None:
    """Remove what workers on this machine left that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        try:
            os.kill(int(folder.name.removeprefix(_PREFIX).partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError):  # another user's
            continue


def _refuse_other_versions(job: Job) -> None:
    """Refuse to make cells that the manifest would describe wrongly.

    Raises:
        RobobenchError: Something that results may depend on has another version here.
    """
    here = versions()
    for name, expected in job.versions.items():
        if here.get(name) != expected:
            raise RobobenchError(
                f"{name} is {here.get(name)} there and {expected} where the run was started: install "
                "the same versions on every machine"
            )
