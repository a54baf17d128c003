"""Fill a store with the predictions of every missing cell.

The same images give the same bytes whatever the batch size, the order of methods or the point where
an earlier run stopped: images have one fixed order (`robobench.datasets.nested_order`), divided
into chunks of a fixed size, the last one padded, and networks only ever see such chunks. A larger
``limit`` continues the order, so stored chunks remain valid. Where each image is evaluated at some
levels of a sweep only, a cell has an order of its own, which more levels per image continue.

Methods that adapt to the images they see get those of one condition after the other, in an order and in
batches of their own; with a larger ``limit`` they begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.evaluation.chunks import chunk_size, context_for, cut, padded, predict_chunk
from robobench.evaluation.column import Column, judge, predictions_of, stored_part
from robobench.evaluation.grid import Grid
from robobench.results.store import Store
from robobench.types import Cell, Degradation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from robobench.evaluation.images import ImageSource

_IMAGES_OF_ONE_BATCH = 512
# A data set that is not kept in memory is read once per this many conditions; an interruption loses
# at most these.
CONDITIONS_OF_ONE_READING = 5


@dataclass(frozen=True)
class Failure:
    """A cell that could not be computed, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class _Pass:
    """A degradation and seed, the cells that they have to fill, and with which images."""

    condition: tuple[Degradation, int]
    columns: list[Column]
    source: ImageSource


def evaluate(
    grid: Grid,
    source: ImageSource,
    store: Store,
    *,
    batch_size: int | str | None = None,
    at_most: int | None = None,
    halved: Callable[[int], None] = lambda images: None,
    advance: Callable[[int], None] = lambda images: None,
    finished: Callable[[Cell], None] = lambda cell: None,
) -> list[Failure]:
    """Compute and store the missing cells.

    Args:
        grid: The cells and their methods.
        source: The images, clean and degraded.
        store: Where each cell is stored when complete.
        batch_size: Images read and degraded together; rounded up to whole chunks. ``auto`` halves
            them until memory suffices, down to one chunk.
        at_most: What ``auto`` begins with, where that is known.
        halved: Called with the number of images that ``auto`` goes on with.
        advance: Called with the number of predictions just made.
        finished: Called with each cell stored.

    Returns:
        The cells that failed; the others are stored.

    Raises:
        RobobenchError: An image is broken, or the store is not writable or holds other images.
    """
    chunk = chunk_size(source.side)
    failures: list[Failure] = []
    conditions = grid.conditions()
    together = 1 if source.is_small else CONDITIONS_OF_ONE_READING
    arriving = cache(source.arriving)

    halving = batch_size == "auto"
    images = at_most if halving else batch_size
    together_now = images if isinstance(images, int) else _IMAGES_OF_ONE_BATCH

    def fill(passes: Sequence[_Pass], size: int) -> None:
        nonlocal together_now
        while True:
            batch = size * max(1, -(-together_now // size))
            can_halve = halving and batch > size
            try:
                _fill(passes, size, batch, advance, can_halve, grid.keep_logits)
                break
            except Exception as error:
                if not (can_halve and _is_out_of_memory(error)):
                    raise
            together_now = batch // 2
            halved(together_now)
            source.forget()
            for column in (c for one in passes for c in one.columns):
                if not column.start:
                    column.values.clear()
                if column.method.adapts:
                    _begin(column, source)
        for one in passes:
            for column in one.columns:
                if column.failure is not None:
                    failures.append(Failure(column.cell, column.failure))
                else:
                    store.put(column.cell, predictions_of(column, one.source))
                    finished(column.cell)

    for first in range(0, len(conditions), together):
        missing = [
            _missing(grid, source, store, *condition, chunk)
            for condition in conditions[first : first + together]
        ]
        still = [
            replace(one, columns=[c for c in one.columns if not c.method.adapts]) for one in missing
        ]
        fill([one for one in still if one.columns], chunk)
        for one in missing:
            streams: dict[tuple[str, int], list[Column]] = {}
            for column in one.columns:
                if column.method.adapts:
                    _begin(column, source)
                    alike = column.method.stream, column.method.batch_size(source.side)
                    streams.setdefault(alike, []).append(column)
            for (stream, size), columns in streams.items():
                fill([_Pass(one.condition, columns, arriving(stream))], size)
    return failures


def _fill(
    passes: Sequence[_Pass],
    chunk: int,
    batch: int,
    advance: Callable[[int], None],
    can_halve: bool,
    logits: bool,
) -> None:
    """Predict all images of each pass for every column."""
    for position, one, clean, degraded in _ahead(passes, batch):
        for offset in range(0, len(degraded), chunk):
            piece = slice(offset, offset + chunk)
            here = position + offset
            open_columns = [c for c in one.columns if c.start <= here and c.failure is None]
            images = degraded[piece], clean[piece]
            told = (open_columns, one.source, one.condition[0])
            _predict(*told, here, chunk, *images, can_halve, logits)
            advance(len(open_columns) * len(degraded[piece]))


def _begin(column: Column, source: ImageSource) -> None:
    """Let a method that adapts forget the previous condition."""
    with _failing_alone(column):
        column.method.begin(partial(first_clean, source))


def first_clean(source: ImageSource, count: int) -> Tensor:
    """The first undegraded images of a run, at most so many.

    Raises:
        ValueError: There are none.
    """
    if not source.has_clean:
        raise ValueError(f"needs undegraded images, which {source.dataset.name} does not have")
    return source.clean(0, min(count, len(source)))


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory did not suffice, of a CPU or a GPU."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


@contextmanager
def _failing_alone(column: Column, can_halve: bool = False) -> Iterator[None]:
    """Whatever foreign code raises here fails its cell, not the run; unless fewer images may help."""
    try:
        with torch.inference_mode():
            yield
    except (RobobenchError, KeyboardInterrupt, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if can_halve and isinstance(error, Exception) and _is_out_of_memory(error):
            raise
        column.failure = f"{type(error).__name__}: {error}".splitlines()[0]


def missing_cells(grid: Grid, source: ImageSource, store: Store) -> list[tuple[Method, Cell, int]]:
    """What a run would compute: method, cell and number of predictions; it mends damaged cells first."""
    chunk = chunk_size(source.side)
    return [
        (column.method, column.cell, len(one.source) - column.start)
        for degradation, seed in grid.conditions()
        for one in [_missing(grid, source, store, degradation, seed, chunk, mended=False)]
        for column in one.columns
    ]


def _missing(
    grid: Grid,
    source: ImageSource,
    store: Store,
    degradation: Degradation,
    seed: int,
    chunk: int,
    mended: bool = True,
) -> _Pass:
    """The cells of a condition that are not stored, or stored for fewer images."""
    if not source.has(degradation):
        return _Pass((degradation, seed), [], source)
    design = grid.design(degradation)
    if design is not None:
        source = source.part(design.images(degradation.level, source.order, seed))
    columns = []
    for selected in grid.methods:
        cell = grid.cell(selected, degradation, seed)
        if cell is None:
            continue
        stored = store.find(cell, mended=mended)
        if stored is None:
            columns.append(Column(cell, selected.method, 0, len(source)))
            continue
        known = len(stored)
        shared = source.order[: min(known, len(source))]
        continues = bool(np.isin(shared, stored.index).all())
        # A raised limit puts images between those of a level, whose cell then begins anew.
        if not continues and not (design and np.isin(stored.index, source.order).all()):
            raise RobobenchError(
                f"{store.path(cell)} holds other images of {cell.dataset} than this run uses: "
                "choose another folder with --out"
            )
        lacks_logits = grid.keep_logits and stored.logits is None
        if known >= len(source) and not lacks_logits:
            continue
        if known > len(source):
            raise RobobenchError(
                f"{store.path(cell)} holds {known} images without logits, --keep logits with --limit "
                f"{len(source)} would drop some: use --limit {known}, or another folder with --out"
            )
        # What is stored is taken over only if it has the columns that are made now.
        as_now = stored.true_rank is not None and (stored.logits is not None) == grid.keep_logits
        begins_anew = selected.method.adapts or not as_now or not continues
        start = 0 if begins_anew else known // chunk * chunk
        column = Column(cell, selected.method, start, len(source))
        if start:
            column.enter(0, stored_part(stored, source.order[:start]))
        columns.append(column)
    return _Pass((degradation, seed), columns, source)


def _ahead(passes: Sequence[_Pass], batch: int) -> Iterator[tuple[int, _Pass, Tensor, Tensor]]:
    """Position, condition, clean and degraded images; prefetched while the previous are classified.

    Conditions alternate within a batch of images, so that large data sets are read once for all.
    """
    starts = [min(column.start for column in one.columns) for one in passes]
    most = max((len(one.source) for one in passes), default=0)
    jobs = [
        (begin, one)
        for begin in range(min(starts, default=0), most, batch)
        for one, start in zip(passes, starts, strict=True)
        if begin + batch > start and begin < len(one.source)
    ]

    def make(job: tuple[int, _Pass]) -> tuple[Tensor, Tensor]:
        begin, one = job
        return one.source.batch(begin, min(begin + batch, len(one.source)), *one.condition)

    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(make, job) for job in jobs[:1]]
        for job, following in zip_longest(jobs, jobs[1:]):
            clean, degraded = coming.pop().result()
            if following is not None:
                coming.append(pool.submit(make, following))
            yield *job, clean, degraded


def _predict(
    columns: Sequence[Column],
    source: ImageSource,
    degradation: Degradation,
    position: int,
    chunk: int,
    images: Tensor,
    clean: Tensor,
    can_halve: bool,
    logits: bool,
) -> None:
    """Let every method predict one chunk; a method that raises fails its cell, not the run."""
    real = len(images)
    indices = source.order[position : position + real]
    labels = torch.from_numpy(source.labels[indices])
    whole = padded(images, chunk)
    stems: dict[int, Tensor] = {}
    known: dict[Cell, dict[str, NDArray[Any]]] = {}
    readout = getattr(source.dataset, "readout", None)
    for column in columns:
        method = column.method
        # What the training seed does not change is computed once: `org` with weights from a file.
        alike = replace(column.cell, train_seed=0)
        if alike in known:
            column.enter(position, known[alike])
            continue
        context = context_for(method, source, degradation, indices, chunk)
        with _failing_alone(column, can_halve):
            if method.adapts:
                probabilities = method.predict(images, cut(context, real))
            else:
                probabilities = predict_chunk(method, whole, context, stems)
            told = cut(context, real)
            extra = method.columns(images, clean, told) if source.has_clean else {}
            if readout is not None and probabilities.shape[1:] == (readout.outputs,):
                probabilities = readout(probabilities)
            part = judge(method, probabilities, labels, extra, logits=logits)
            column.enter(position, part)
            if not method.adapts:
                known[alike] = part
