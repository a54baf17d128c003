"""From cells to the table of a paper: our numbers, the published ones, and the gain with its controls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.draws import DRAWS
from robobench.analysis.outcomes import Outcomes, keeping_outcomes
from robobench.analysis.sampling import Sampling
from robobench.analysis.series import Series, series_of
from robobench.analysis.statistics import Floats, image_draws
from robobench.errors import RobobenchError
from robobench.reproductions.published import Gain, Reproduction, Row, difference_name
from robobench.results.store import Store
from robobench.types import Cell, Degradation, Predictions
from robobench.weights.coverage import asked_training
from robobench.weights.selection import bare_name

if TYPE_CHECKING:
    import pandas as pd

    from robobench.reproductions.planning import PlannedReproduction

COLUMNS = ("row", "column", "published", "ours", "ci_low", "ci_high", "n", "train_seeds")
_LEVEL = "estimated_level"

Parts = Mapping[str, Sequence[Degradation]]


@dataclass(frozen=True)
class Measured:
    """A reproduction with its numbers.

    Attributes:
        name: Registered name.
        paper: Short name of the paper, for titles.
        reproduction: The table or figure that was measured.
        table: One row per number, columns `COLUMNS`: accuracies as fractions, levels in native
            units, 95 % intervals, train_seeds separated by spaces.
        gains: The same for the published gain and its controls: differences of accuracies.
        profile: Severity table.
        notes: What a reader must know, one sentence each.
    """

    name: str
    paper: str
    reproduction: Reproduction
    table: pd.DataFrame
    gains: pd.DataFrame
    profile: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluated:
    """What the tables need of the cells, a small part of their predictions.

    Attributes:
        outcomes: Right or wrong, image by image.
        levels: Estimated level of each image, float32 N; of the cells whose method estimates it.
        draws: Number of bootstrap samples.
    """

    outcomes: Sequence[Outcomes]
    levels: Mapping[Cell, NDArray[np.float32]]
    draws: int = DRAWS

    def at(self, index: NDArray[np.int64]) -> Evaluated:
        """The same on these images only.

        Args:
            index: int64 N, ascending: indices in the data set; every cell has them.
        """
        rows = {id(one.index): np.searchsorted(one.index, index) for one in self.outcomes}
        chosen = {one.cell: rows[id(one.index)] for one in self.outcomes}
        return Evaluated(
            [Outcomes(one.cell, index, one.correct[chosen[one.cell]]) for one in self.outcomes],
            {cell: levels[chosen[cell]] for cell, levels in self.levels.items()},
            self.draws,
        )

    def of_trainings(self, seeds: Sequence[int]) -> Evaluated:
        """The same of these train seeds only."""
        return Evaluated(
            [one for one in self.outcomes if one.cell.train_seed in seeds],
            {cell: levels for cell, levels in self.levels.items() if cell.train_seed in seeds},
            self.draws,
        )


def evaluated(cells: Iterable[tuple[Cell, Predictions]], draws: int = DRAWS) -> Evaluated:
    """Keep what the tables need of cells.

    Args:
        cells: Cells with their predictions, read one at a time.
        draws: Number of bootstrap samples.
    """
    outcomes: list[Outcomes] = []
    levels: dict[Cell, NDArray[np.float32]] = {}
    for cell, predictions in keeping_outcomes(cells, outcomes):
        if _LEVEL in predictions.extra:
            levels[cell] = predictions.extra[_LEVEL]
    return Evaluated(outcomes, levels, draws)


def measure(planned: PlannedReproduction) -> Measured:
    """Read the cells of a reproduction and compute its table.

    Raises:
        RobobenchError: A cell is missing or broken.
    """
    from robobench.registry import REPRODUCTIONS

    plan, reproduction = planned.plans[0], planned.reproduction
    # This call's images only: more may be stored.
    found = evaluated(_cells(planned), plan.configuration.draws).at(np.sort(plan.source.order))
    of_rows = found.of_trainings(planned.train_seeds)
    parts = reproduction.parts(plan.profile)
    notes = list(reproduction.notes) + planned.notes
    if len(plan.source) < len(plan.dataset):
        notes.append(
            f"A class-balanced choice of {len(plan.source):,} of {len(plan.dataset):,} images."
        )
    return Measured(
        name=planned.name,
        paper=str(REPRODUCTIONS.entry(planned.name).options.get("paper", "")),
        reproduction=reproduction,
        table=measured_table(reproduction, of_rows, parts, plan.profile),
        gains=gains_of(reproduction, found, parts, plan.profile),
        profile=plan.profile,
        notes=tuple(notes),
    )


def _cells(planned: PlannedReproduction) -> Iterator[tuple[Cell, Predictions]]:
    """The cells of its plans, each once, read one at a time."""
    known: set[Cell] = set()
    for plan in planned.plans:
        store = Store(plan.configuration.folder)
        for cell in plan.grid.cells():
            if cell not in known:
                known.add(cell)
                yield cell, store.get(cell)


def measured_table(
    reproduction: Reproduction, found: Evaluated, parts: Parts, profile: str
) -> pd.DataFrame:
    """The table of the paper with our numbers; see `Measured.table`.

    Rows whose method was not evaluated, or does not estimate the level, are omitted.

    Args:
        reproduction: The table or figure.
        found: Cells on the same images.
        parts: Column name -> its degradations.
        profile: Severity table.
    """
    rows = reproduction.rows + reproduction.further
    made: list[dict[str, object]] = []
    specs = [row.method for row in rows]
    accuracies = [row.method for row in rows if row.statistic == "accuracy"]
    series = series_of(_of_any(found, accuracies, specs), draws=found.draws)
    for row in rows:
        published = reproduction.published(row, profile)
        if row.statistic == "accuracy":
            mine = [s for s in series if _is_of(s, row.method, specs)]
            numbers = _accuracies(mine[0] if mine else None, parts)
        else:
            own = {c: found.levels[c] for c in found.levels if _is_of(c, row.method, specs)}
            numbers = _levels(own, parts, row, found.draws)
        made += [
            {"row": row.name, "published": published.get(str(n["column"]), np.nan), **n}
            for n in numbers
        ]
    return _frame(made)


def _of_any(found: Evaluated, methods: Sequence[str], specs: Sequence[str]) -> list[Outcomes]:
    """The outcomes of any of these methods."""
    return [o for o in found.outcomes if any(_is_of(o.cell, spec, specs) for spec in methods)]


def _is_of(found: Cell | Series, spec: str, specs: Sequence[str]) -> bool:
    """Whether a cell or series belongs to ``NAME`` or ``NAME@TRAINED_ON``, with a tag or without.

    A plain name has those that no other specification of the table names with their training.
    """
    name = bare_name(spec)
    if found.method != name:
        return False
    on, tag = _training(found.trained_on)
    wanted, wanted_tag = _wanted(spec)
    if wanted:
        return (on, tag) == (wanted, wanted_tag)
    others = [_wanted(other) for other in specs if other.startswith(f"{name}@")]
    return tag == wanted_tag and (on, tag) not in others


def _training(trained_on: str) -> tuple[str, tuple[str, ...]]:
    """What it was trained on, and the parts of its tag, whose order says nothing."""
    on, _, tag = trained_on.partition("#")
    return on, tuple(sorted(tag.split("-")))


@cache
def _wanted(spec: str) -> tuple[str, tuple[str, ...]]:
    """The same for a specification; the first is empty if it names none."""
    head, _, tag = spec.partition("#")
    on = head.partition("@")[2]
    return _training(f"{asked_training(on)}#{tag}")


def _frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS))


def _number(
    column: str, samples: Floats, interval: tuple[float, float], n: int, seeds: Sequence[int]
) -> dict[str, object]:
    return {
        "column": column,
        "ours": float(samples[0]),
        "ci_low": interval[0],
        "ci_high": interval[1],
        "n": n,
        "train_seeds": " ".join(map(str, seeds)),
    }


def _accuracies(series: Series | None, parts: Parts) -> list[dict[str, object]]:
    if series is None:
        return []
    return [
        _number(name, series.mean(part), series.interval(part), series.count, series.train_seeds)
        for name, part in parts.items()
        if all(d in series.accuracies for d in part)
    ]


def _levels(
    levels: Mapping[Cell, NDArray[np.float32]], parts: Parts, row: Row, draws: int
) -> list[dict[str, object]]:
    """Mean or standard deviation of the estimated level over images, mean over trainings.

    As for accuracies (`robobench.analysis.sampling`), the same weights of images for all levels.
    """
    by_key = {(cell.degradation, cell.train_seed): found for cell, found in levels.items()}
    if not by_key:
        return []
    seeds = sorted({seed for _, seed in by_key})
    columns = {
        name: part[0]
        for name, part in parts.items()
        if len(part) == 1 and all((part[0], seed) in by_key for seed in seeds)
    }
    if not columns:
        raise RobobenchError(
            f"{row.label}: expected columns of one level each for a {row.statistic}"
        )
    centre = np.array([d.level for d in columns.values()])
    count = len(next(iter(by_key.values())))
    values = np.stack([[by_key[d, s].astype(np.float64) for d in columns.values()] for s in seeds])
    # Squares of small numbers lose no digits.
    away = (values - centre[None, :, None]).reshape(-1, count)
    moments = [_moments(away, np.ones((1, count)))]
    for weights in image_draws(count, draws, np.random.default_rng([0, count])):
        moments.append(_moments(away, weights))
    moments.append(_without_each(away))
    found = np.concatenate([part[row.statistic != "level mean"] for part in moments])
    shaped = found.reshape(len(found), len(seeds), len(columns))
    result = shaped.mean(axis=1)
    several = len(seeds) > 1
    if several:
        each = shaped[0]
        result = np.concatenate([result, (each.sum(axis=0) - each) / (len(seeds) - 1)])
    if row.statistic == "level mean":
        result += centre
    sampling = Sampling(draws, count, (len(seeds),) if several else ())
    return [
        _number(name, result[:, k], sampling.interval(result[:, k]), count, seeds)
        for k, name in enumerate(columns)
    ]


def _without_each(values: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each row, images x rows, with each image left out in turn."""
    count = values.shape[1]
    mean, square = (
        ((v.sum(axis=1, keepdims=True) - v) / max(count - 1, 1)).T for v in (values, values**2)
    )
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def _moments(values: Floats, counts: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each row, draws x rows, with each image weighted."""
    total = counts.sum(axis=1, keepdims=True)
    mean = counts.astype(np.float64) @ values.T / total
    square = counts.astype(np.float64) @ (values**2).T / total
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def gains_of(
    reproduction: Reproduction, found: Evaluated, parts: Parts, profile: str
) -> pd.DataFrame:
    """The published gain, its control with shuffled levels, and the effect of another training.

    Rows, named as `robobench.reproductions.published.difference_name` has it:

    - method minus over: the gain that the paper reports;
    - shuffled minus over, and method minus shuffled: the gain that remains without the right level,
      and the part that is due to it;
    - ``OVER seed S - OVER seed 0`` for every other training: the effect of chance in training.

    Differences are paired by image, and by training where there are several.

    Args:
        reproduction: The table or figure; its `gain` is tested.
        found: Cells on the same images.
        parts: Column name -> its degradations.
        profile: Severity table.
    """
    gain = reproduction.gain
    if gain is None:
        return _frame([])
    by_method = {row.method: row for row in reproduction.rows}
    published_gain: dict[str, float] = {}
    if gain.method in by_method and gain.over in by_method:
        ours, theirs = (
            reproduction.published(by_method[name], profile) for name in (gain.method, gain.over)
        )
        published_gain = {name: ours[name] - theirs[name] for name in ours}
    pairs = [(gain.method, gain.over)]
    if gain.shuffled:
        pairs += [(gain.shuffled, gain.over), (gain.method, gain.shuffled)]
    rows: list[dict[str, object]] = []
    for one, other in pairs:
        for number in _difference(found, one, other, parts):
            published = (
                published_gain.get(str(number["column"]), np.nan) if one == gain.method else np.nan
            )
            published = published if other == gain.over else np.nan
            rows.append({"row": difference_name(one, other), "published": published, **number})
    return _frame(rows + _of_other_trainings(found, gain, parts))


def _difference(found: Evaluated, one: str, other: str, parts: Parts) -> list[dict[str, object]]:
    """`one` minus `other`, over the trainings that have both."""
    specs = (one, other)
    mine = _of_any(found, specs, specs)
    trained = [{o.cell.train_seed for o in mine if _is_of(o.cell, spec, specs)} for spec in specs]
    seeds = sorted(trained[0] & trained[1])
    if not seeds:
        return []
    series = series_of([o for o in mine if o.cell.train_seed in seeds], draws=found.draws)
    first, second = (next(s for s in series if _is_of(s, spec, specs)) for spec in specs)
    return _numbers(first, second, parts, seeds)


def _numbers(
    one: Series, other: Series, parts: Parts, seeds: Sequence[int]
) -> list[dict[str, object]]:
    found = []
    for name, part in parts.items():
        if all(d in one.accuracies and d in other.accuracies for d in part):
            samples = one.mean(part) - other.mean(part)
            interval = one.sampling.interval(samples, (-1.0, 1.0))
            found.append(_number(name, samples, interval, one.count, seeds))
    return found


def _of_other_trainings(found: Evaluated, gain: Gain, parts: Parts) -> list[dict[str, object]]:
    own = [o for o in found.outcomes if _is_of(o.cell, gain.over, (gain.over, gain.method))]
    seeds = sorted({o.cell.train_seed for o in own})
    if not own:
        return []
    # Equal numbers of images give equal draws, so the differences are paired.
    alone = {
        seed: series_of([o for o in own if o.cell.train_seed == seed], draws=found.draws)[0]
        for seed in seeds
    }
    return [
        {
            "row": difference_name(f"{gain.over} seed {seed}", f"{gain.over} seed {seeds[0]}"),
            "published": np.nan,
            **number,
        }
        for seed in seeds[1:]
        for number in _numbers(alone[seed], alone[seeds[0]], parts, [seeds[0], seed])
    ]
