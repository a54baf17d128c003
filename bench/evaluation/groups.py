"""The conditions of a run in groups, each the work of one worker at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robobench.evaluation.runner import CONDITIONS_OF_ONE_READING, Failure, missing_cells
from robobench.types import Cell, Degradation

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan
    from robobench.results.store import Store

# Fewer predictions take less time than a worker takes to begin.
_LEAST_PREDICTIONS = 5_000
# More groups than workers even out their speeds, and a lost worker costs less.
_GROUPS_OF_ONE_WORKER = 4


@dataclass(frozen=True)
class Group:
    """Some conditions of a run, and what is stored of their cells.

    Attributes:
        conditions: Degradation and seed of each, in the order of the run.
        cells: The cells to fill.
        stored: Content of the files of those among them that are stored for fewer images, by name.
    """

    conditions: tuple[tuple[Degradation, int], ...]
    cells: tuple[Cell, ...]
    stored: Mapping[str, bytes]


@dataclass(frozen=True)
class Outcome:
    """What a worker made of a group.

    Attributes:
        cells: The cells filled, with the content of their files.
        failures: The cells that raised.
        predictions: How many were made.
        batch_size: What ``--batch-size auto`` came to, if it had to halve.
        mistake: What the user can fix, in one line, if it kept the worker from going on.
    """

    cells: tuple[tuple[Cell, bytes], ...] = ()
    failures: tuple[Failure, ...] = ()
    predictions: int = 0
    batch_size: int | None = None
    mistake: str | None = None


def divide(plan: Plan, store: Store, workers: int) -> list[Group]:
    """The missing conditions of a plan, disjoint: clean images are evaluated once, like any other.

    Args:
        plan: The run, or a shard of it.
        store: What it has so far.
        workers: How many work at once.
    """
    work: dict[tuple[Degradation, int], list[tuple[Cell, int]]] = {}
    for _, cell, predictions in missing_cells(plan.part, plan.source, store):
        work.setdefault((cell.degradation, cell.seed), []).append((cell, predictions))
    total = sum(predictions for cells in work.values() for _, predictions in cells)
    enough = max(_LEAST_PREDICTIONS, total / (workers * _GROUPS_OF_ONE_WORKER))
    # What is not kept in memory is read once for several conditions, unless workers would idle.
    together = 1 if plan.source.is_small else CONDITIONS_OF_ONE_READING
    together = max(1, min(together, -(-len(work) // workers)))
    groups: list[Group] = []
    conditions: list[tuple[Degradation, int]] = []
    filled = 0
    for place, (condition, cells) in enumerate(work.items(), 1):
        conditions.append(condition)
        filled += sum(predictions for _, predictions in cells)
        if place == len(work) or (filled >= enough and len(conditions) >= together):
            inside = [cell for each in conditions for cell, _ in work[each]]
            groups.append(Group(tuple(conditions), tuple(inside), _stored(inside, store)))
            conditions, filled = [], 0
    return groups


def _stored(cells: list[Cell], store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for cell in cells if (path := store.path(cell)).is_file()}
