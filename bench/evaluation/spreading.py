"""Groups of a run spread over workers, some of which may be lost on the way.

A worker gets a group once it has opened images and networks, and the next one when it is done. A
group whose worker is lost goes to another, a few times: what other workers do goes on meanwhile.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Final, Protocol

from robobench.errors import RobobenchError
from robobench.evaluation.groups import Group, Outcome
from robobench.evaluation.runner import Failure
from robobench.evaluation.worker import Opened

ATTEMPTS: Final = 4
"""How many workers a group may cost before its cells count as failed."""
# Workers in a row that are lost before they can begin: then it is not chance.
_LOST_AT_ONCE = 4
_SECONDS_OF_ONE_LOOK, _SECONDS_WITHOUT_ROOM, _SECONDS_TO_CLOSE = 2.0, 60.0, 5.0


class Remote(Protocol):
    """A `Worker` in another process."""

    def open(self) -> Future[Opened]:
        """See `Worker.open`."""

    def evaluate(self, group: Group) -> Future[Outcome]:
        """See `Worker.evaluate`."""

    def close(self) -> Future[None]:
        """See `Worker.close`."""

    def stop(self) -> None:
        """End its process, whatever it is doing."""


class Place(Protocol):
    """Where workers are: the nodes of a cluster, or the GPUs of this machine.

    Attributes:
        lost: What a future raises whose worker is gone.
    """

    lost: tuple[type[BaseException], ...]

    def room(self) -> int:
        """How many workers there can be now."""

    def hire(self) -> Remote:
        """A new worker, which may have to wait for its processor."""

    def why_lost(self, error: BaseException) -> str:
        """In one line, why a worker was lost, and what would help if all are."""


def spread(groups: Iterable[Group], place: Place, take: Callable[[Outcome], None]) -> list[Failure]:
    """Let workers evaluate groups, and take what they bring.

    Args:
        groups: Of a run.
        place: Where workers are.
        take: Called with what became of each group, as soon as it is known.

    Returns:
        The cells of the groups that were given up.

    Raises:
        RobobenchError: A worker tells of a mistake, no worker can begin, or no machine is left.
    """
    waiting = deque(groups)
    attempts: dict[int, int] = {}
    opening: dict[Future[Opened], Remote] = {}
    running: dict[Future[Outcome], tuple[Remote, Group]] = {}
    idle: list[Remote] = []
    hired: list[Remote] = []
    failures: list[Failure] = []
    lost_at_once = 0
    room_seen = time.monotonic()
    try:
        while waiting or running:
            while waiting and idle:
                worker, group = idle.pop(), waiting.popleft()
                running[worker.evaluate(group)] = worker, group
            wanted = min(place.room(), len(waiting) + len(running))
            for _ in range(wanted - len(opening) - len(running) - len(idle)):
                worker = place.hire()
                hired.append(worker)
                opening[worker.open()] = worker
            if wanted or running:
                room_seen = time.monotonic()
            elif time.monotonic() - room_seen > _SECONDS_WITHOUT_ROOM:
                raise RobobenchError(
                    "no machine is left to compute on: what is stored is kept, run again when there "
                    "are some"
                )
            futures: list[Future[Any]] = [*opening, *running]
            if not futures:
                time.sleep(_SECONDS_OF_ONE_LOOK)
                continue
            done, _ = wait(futures, _SECONDS_OF_ONE_LOOK, FIRST_COMPLETED)
            for ready in [future for future in opening if future in done]:
                worker = opening.pop(ready)
                try:
                    opened = ready.result()
                except place.lost as error:
                    hired.remove(worker)
                    worker.stop()
                    lost_at_once += 1
                    if lost_at_once == _LOST_AT_ONCE:
                        raise RobobenchError(place.why_lost(error)) from None
                    continue
                lost_at_once = 0
                if opened.mistake is not None:
                    raise RobobenchError(opened.mistake)
                idle.append(worker)
            for made in [future for future in running if future in done]:
                worker, group = running.pop(made)
                try:
                    outcome = made.result()
                except place.lost as error:
                    hired.remove(worker)
                    worker.stop()
                    attempts[id(group)] = attempts.get(id(group), 0) + 1
                    if attempts[id(group)] < ATTEMPTS:
                        waiting.append(group)  # last: it may be what its workers die of
                        continue
                    reason = f"{ATTEMPTS} workers were lost over it: {place.why_lost(error)}"
                    failures += [Failure(cell, reason) for cell in group.cells]
                    continue
                if outcome.mistake is not None:
                    raise RobobenchError(outcome.mistake)
                take(outcome)
                idle.append(worker)
    finally:
        wait([worker.close() for worker in idle], _SECONDS_TO_CLOSE)
        for worker in hired:
            worker.stop()
    return failures
