"""Series: one method's accuracies with their bootstrap samples, from which table rows are made.

A series is what a reader calls "a method": the cells that differ only in degradation and seeds. Its
accuracies are arrays whose element 0 is the measured value and whose other elements are bootstrap
samples, with the same resampled images for every cell and series of a data set. A statistic
computed along the array thus comes with its interval.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from robobench.analysis.outcomes import Aligned, Outcomes, align, outcomes_of
from robobench.analysis.statistics import (
    Floats,
    bootstrap_accuracies,
    draw_train_seeds,
    percentile_interval,
    wilson,
)
from robobench.errors import RobobenchError, unknown_name
from robobench.types import CLEAN, Cell, Degradation, Predictions


@dataclass(frozen=True)
class Series:
    """One method on one data set.

    Attributes:
        dataset: `Cell.dataset`.
        split: `Cell.split`.
        method: `Cell.method`.
        backbone: `Cell.backbone`.
        trained_on: `Cell.trained_on`.
        train_seeds: Seeds of the trainings that are averaged.
        accuracies: For each degradation, 1 + draws fractions, the measured one first.
        rows: For each degradation and train seed, its rows of `aligned` (several where the
            corruption has several seeds).
        aligned: All cells of the data set on their common images.
        gaps: Degradations that only some trainings have, as text; they are left out.
    """

    dataset: str
    split: str
    method: str
    backbone: str
    trained_on: str
    train_seeds: tuple[int, ...]
    accuracies: Mapping[Degradation, Floats]
    rows: Mapping[Degradation, Mapping[int, tuple[int, ...]]]
    aligned: Aligned
    gaps: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """As on the command line: ``afd`` or ``afd@jpeg_compression``."""
        return f"{self.method}@{self.trained_on}" if self.trained_on else self.method

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.aligned.index)

    @property
    def corruptions(self) -> list[str]:
        """The corruptions it was evaluated on, except clean, in order of evaluation."""
        return list(dict.fromkeys(d.corruption for d in self.accuracies if not d.is_clean))

    @property
    def clean(self) -> list[Degradation]:
        """The clean images (saved as JPEG 85 or not); empty where they were not evaluated."""
        return self.degradations(CLEAN)[:1]

    def degradations(self, corruption: str) -> list[Degradation]:
        """The degradations of one corruption, by ascending level."""
        return sorted(d for d in self.accuracies if d.corruption == corruption)

    def mean(self, degradations: Sequence[Degradation]) -> Floats:
        """Mean accuracy over degradations, measured and sampled."""
        mean: Floats = np.stack([self.accuracies[d] for d in degradations]).mean(axis=0)
        return mean

    def interval(self, degradations: Sequence[Degradation]) -> tuple[float, float]:
        """95 % interval of the mean: Wilson's for a single cell, else the bootstrap's."""
        rows = [r for d in degradations for found in self.rows[d].values() for r in found]
        if len(rows) == 1:
            right = int(self.aligned.correct[rows[0]].sum())
            low, high = wilson(right, self.count)
            return float(low), float(high)
        return percentile_interval(self.mean(degradations)[1:])


def make_series(
    cells: Iterable[tuple[Cell, Predictions]], *, draws: int = 1000, seed: int = 0
) -> list[Series]:
    """Group cells into series and sample their accuracies.

    The images are drawn once per data set. With several trainings, these are drawn first, in the
    same way for all series with the same train seeds: a plug-in module of seed 1 builds on the
    classifier of seed 1.

    Args:
        cells: Cells with their predictions, read one at a time; data sets are kept separate.
        draws: Number of bootstrap samples; 0 for none.
        seed: Seed of the bootstrap.

    Returns:
        The series, in order of appearance.

    Raises:
        RobobenchError: Two cells differ only in what tables do not show (geometry, weights), or
            cells of one data set have no image in common.
    """
    return series_of(outcomes_of(cells), draws=draws, seed=seed)


def series_of(found: Iterable[Outcomes], *, draws: int = 1000, seed: int = 0) -> list[Series]:
    """The same as `make_series`, from outcomes."""
    sources: dict[tuple[str, str], list[Outcomes]] = defaultdict(list)
    for one in found:
        sources[one.cell.dataset, one.cell.split].append(one)
    return [series for part in sources.values() for series in _of_source(part, draws, seed)]


def _of_source(found: Sequence[Outcomes], draws: int, seed: int) -> list[Series]:
    aligned = align(found)
    accuracies = bootstrap_accuracies(aligned.correct, draws, seed)
    groups: dict[tuple[str, str, str], dict[Degradation, dict[int, list[int]]]] = {}
    for row, cell in enumerate(aligned.cells):
        group = groups.setdefault((cell.method, cell.backbone, cell.trained_on), {})
        rows_of_seed = group.setdefault(cell.degradation, {}).setdefault(cell.train_seed, [])
        for other in rows_of_seed:
            if aligned.cells[other].seed == cell.seed:
                raise _indistinct(aligned.cells[other], cell)
        rows_of_seed.append(row)
    series = []
    for (method, backbone, trained_on), group in groups.items():
        seeds = tuple(sorted({s for trained in group.values() for s in trained}))
        rng = np.random.default_rng([seed, zlib.crc32(repr(seeds).encode())])
        weights = draw_train_seeds(len(seeds), draws, rng)
        gaps: list[str] = []
        means: dict[Degradation, Floats] = {}
        rows: dict[Degradation, dict[int, tuple[int, ...]]] = {}
        for degradation, trained in group.items():
            lacking = [s for s in seeds if s not in trained]
            if lacking:
                gaps.append(f"{degradation.label}: no train seed {', '.join(map(str, lacking))}")
                continue
            by_seed = [accuracies[:, trained[s]].mean(axis=1) for s in seeds]
            means[degradation] = np.einsum("ds,sd->d", weights, np.stack(by_seed))
            rows[degradation] = {s: tuple(trained[s]) for s in seeds}
        series.append(
            Series(
                dataset=aligned.cells[0].dataset,
                split=aligned.cells[0].split,
                method=method,
                backbone=backbone,
                trained_on=trained_on,
                train_seeds=seeds,
                accuracies=means,
                rows=rows,
                aligned=aligned,
                gaps=tuple(gaps),
            )
        )
    return series


def _indistinct(one: Cell, other: Cell) -> RobobenchError:
    differ = [f.name for f in fields(Cell) if getattr(one, f.name) != getattr(other, f.name)]
    told = ", ".join(
        f"{name} {getattr(one, name)!r} and {getattr(other, name)!r}" for name in differ
    )
    return RobobenchError(
        f"two cells of {one.method} on {one.degradation.label} differ only in {told or 'nothing'}: "
        "averaging would hide this; give each its own run (--out)"
    )


def reference_of(series: Series, everything: Sequence[Series], reference: str) -> Series | None:
    """The reference for a series, on the same data set and backbone if possible, or None."""
    same = [
        other
        for other in everything
        if other.method == reference
        and (other.dataset, other.split) == (series.dataset, series.split)
    ]
    own = [other for other in same if other.backbone == series.backbone]
    untouched = [other for other in own if other.trained_on in ("", CLEAN)]
    candidates = untouched or own
    return candidates[0] if len(candidates) == 1 else None


def find_series(label: str, everything: Sequence[Series]) -> list[Series]:
    """The series called ``METHOD`` or ``METHOD@TRAINED_ON``, one for each data set and backbone.

    Raises:
        RobobenchError: The name is unknown or ambiguous.
    """
    found = [s for s in everything if label in (s.label, s.method)]
    if not found:
        raise unknown_name("method of this run", label, sorted({s.label for s in everything}))
    places = [(s.dataset, s.split, s.backbone) for s in found]
    if len(set(places)) < len(places):
        exact = [s for s in found if s.label == label]
        if exact:
            return exact
        labels = ", ".join(sorted({s.label for s in found}))
        raise RobobenchError(f"{label!r} matches several methods of this run: name one of {labels}")
    return found
