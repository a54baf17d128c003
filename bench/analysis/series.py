"""Series: one method's accuracies with their bootstrap samples, from which table rows are made.

A series is what a reader calls "a method": the cells that differ only in degradation and seeds. Its
accuracies are arrays whose element 0 is the measured value and whose other elements say how it
varies (`robobench.analysis.sampling`), with the same weights of images for every cell and series of
a data set. A statistic computed along the array thus comes with its interval.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from robobench.analysis.draws import DRAWS
from robobench.analysis.outcomes import Aligned, Outcomes, align, outcomes_of
from robobench.analysis.sampling import Sampling, pseudo_images
from robobench.analysis.statistics import Floats, bootstrap_accuracies, wilson
from robobench.errors import RobobenchError, unknown_name
from robobench.types import CLEAN, Cell, Degradation, Predictions, method_label

THESE = "these trained networks"


@dataclass(frozen=True)
class Series:
    """One method on one data set.

    Attributes:
        dataset: `Cell.dataset`.
        split: `Cell.split`.
        method: `Cell.method`.
        backbone: `Cell.backbone`.
        trained_on: `Cell.trained_on`.
        train_seeds: Seeds of the trainings that are averaged; of seeds with the same networks, the first.
        accuracies: For each degradation, 1 + draws fractions, the measured one first.
        by_training: For each degradation, the accuracy of each training, in order of `train_seeds`.
        rows: For each degradation and train seed, its rows of `aligned` (several where the
            corruption has several seeds).
        aligned: All cells of the data set on their common images.
        sampling: What the elements of `mean` are; shared by all series of the data set.
        trained_with: Which of `Sampling.trainings` are its own; None with one training.
        network: Which of `Sampling.networks` is its own, and by how much (a fraction) its
            accuracies are shifted there; None without a given spread.
        gaps: Degradations that only some trainings have, as text; they are left out.
    """

    dataset: str
    split: str
    method: str
    backbone: str
    trained_on: str
    train_seeds: tuple[int, ...]
    accuracies: Mapping[Degradation, Floats]
    by_training: Mapping[Degradation, Floats]
    rows: Mapping[Degradation, Mapping[int, tuple[int, ...]]]
    aligned: Aligned
    sampling: Sampling
    trained_with: int | None = None
    network: tuple[int, float] | None = None
    gaps: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """As on the command line: ``afd`` or ``afd@jpeg_compression``."""
        return method_label(self.method, self.trained_on)

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

    def images_of(self, degradations: Iterable[Degradation]) -> int:
        """Number of images that have at least one of these degradations."""
        seen = self.aligned.seen
        if seen is None:
            return self.count
        return int(seen[self._rows(degradations)].any(axis=0).sum())

    def levels_per_image(self, degradations: Sequence[Degradation]) -> float:
        """At how many of these levels an image was evaluated, on average; all if not by design."""
        if self.aligned.seen is None:
            return float(len(degradations))
        rows = [next(iter(self.rows[d].values()))[0] for d in degradations]
        return sum(map(self.aligned.count_of, rows)) / self.images_of(degradations)

    def is_divided(self, degradations: Sequence[Degradation]) -> bool:
        """Whether some of these levels have only some of the images, by design."""
        return any(self.aligned.count_of(row) < self.count for row in self._rows(degradations))

    def _rows(self, degradations: Iterable[Degradation]) -> list[int]:
        return [r for d in degradations for found in self.rows[d].values() for r in found]

    def mean(self, degradations: Sequence[Degradation]) -> Floats:
        """Mean accuracy over degradations: an array as `robobench.analysis.sampling` says."""
        sampled = np.stack([self.accuracies[d] for d in degradations]).mean(axis=0)
        value = float(sampled[0])
        sampling = self.sampling
        left_out = [np.full(count, value) for count in sampling.trainings]
        if self.trained_with is not None:
            trained = np.stack([self.by_training[d] for d in degradations]).mean(axis=0)
            left_out[self.trained_with] = (trained.sum() - trained) / (len(trained) - 1)
        shifted = np.full(sampling.networks, value)
        if self.network is not None:
            place, shift = self.network
            shifted[place] += shift
        return np.concatenate([sampled, self._without_images(degradations), *left_out, shifted])

    def _without_images(self, degradations: Sequence[Degradation]) -> Floats:
        """The mean with each image left out in turn."""
        aligned = self.aligned
        right = np.zeros(self.count)
        for degradation in degradations:
            trained = self.rows[degradation]
            for found in trained.values():
                weight = 1 / (len(degradations) * len(trained) * len(found))
                for row in found:
                    right += weight * aligned.gain_of_leaving_out(row)
        value = np.mean([self.accuracies[d][0] for d in degradations])
        without: Floats = value + right
        return without

    def interval(self, degradations: Sequence[Degradation]) -> tuple[float, float]:
        """95 % interval of the mean: Wilson's for a single cell, else `Sampling.interval`."""
        rows = self._rows(degradations)
        if len(rows) == 1 and self.network is None:
            right = int(self.aligned.correct[rows[0]].sum())
            low, high = wilson(right, self.aligned.count_of(rows[0]))
            return float(low), float(high)
        return self.sampling.interval(self.mean(degradations), (0.0, 1.0))


def make_series(
    cells: Iterable[tuple[Cell, Predictions]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    seed_sd: float | None = None,
) -> list[Series]:
    """Group cells into series and sample their accuracies.

    The images are weighted once per data set. Series with the same train seeds share them: a
    plug-in module of seed 1 builds on the classifier of seed 1. Seeds whose cells have the same
    weights are one training, such as `org` on a given classifier.

    Args:
        cells: Cells with their predictions, read one at a time; data sets are kept separate.
        draws: Number of bootstrap samples; 0 for none.
        seed: Seed of the bootstrap.
        seed_sd: Standard deviation of accuracies between trainings, in points, where it is known;
            it takes the place of the one measured.

    Returns:
        The series, in order of appearance.

    Raises:
        RobobenchError: Two cells differ only in what tables do not show (geometry, weights), or
            cells of one data set have no image in common.
    """
    return series_of(outcomes_of(cells), draws=draws, seed=seed, seed_sd=seed_sd)


def series_of(
    found: Iterable[Outcomes], *, draws: int = DRAWS, seed: int = 0, seed_sd: float | None = None
) -> list[Series]:
    """The same as `make_series`, from outcomes."""
    sources: dict[tuple[str, str], list[Outcomes]] = defaultdict(list)
    for one in found:
        sources[one.cell.dataset, one.cell.split].append(one)
    return [
        series for part in sources.values() for series in _of_source(part, draws, seed, seed_sd)
    ]


_Group = dict[Degradation, dict[int, list[int]]]


def _of_source(
    found: Sequence[Outcomes], draws: int, seed: int, seed_sd: float | None
) -> list[Series]:
    aligned = align(found)
    accuracies = bootstrap_accuracies(aligned.correct, draws, seed, aligned.seen)
    groups: dict[tuple[str, str, str], _Group] = {}
    for row, cell in enumerate(aligned.cells):
        accuracies[1:, row] += pseudo_images(cell.digest, draws, seed) / aligned.count_of(row)
        group = groups.setdefault((cell.method, cell.backbone, cell.trained_on), {})
        rows_of_seed = group.setdefault(cell.degradation, {}).setdefault(cell.train_seed, [])
        for other in rows_of_seed:
            if aligned.cells[other].seed == cell.seed:
                raise _indistinct(aligned.cells[other], cell)
        rows_of_seed.append(row)
    groups = {key: _each_training_once(group, aligned) for key, group in groups.items()}
    trained = {key: _train_seeds(group) for key, group in groups.items()}
    known = seed_sd is not None
    shared = list(dict.fromkeys(s for s in trained.values() if len(s) > 1 and not known))
    weights = {key: _weights(group, aligned) for key, group in groups.items()}
    networks = list(dict.fromkeys(weights.values())) if known else []
    sampling = Sampling(draws, len(aligned.index), tuple(map(len, shared)), len(networks))
    series = []
    for key, group in groups.items():
        seeds = trained[key]
        gaps: list[str] = []
        means: dict[Degradation, Floats] = {}
        by_training: dict[Degradation, Floats] = {}
        rows: dict[Degradation, dict[int, tuple[int, ...]]] = {}
        for degradation, of_seed in group.items():
            lacking = [s for s in seeds if s not in of_seed]
            if lacking:
                gaps.append(f"{degradation.label}: no train seed {', '.join(map(str, lacking))}")
                continue
            each = np.stack([accuracies[:, of_seed[s]].mean(axis=1) for s in seeds])
            means[degradation] = each.mean(axis=0)
            by_training[degradation] = each[:, 0]
            rows[degradation] = {s: tuple(of_seed[s]) for s in seeds}
        network = None
        if seed_sd is not None:
            network = networks.index(weights[key]), seed_sd / 100 / float(np.sqrt(len(seeds)))
        method, backbone, trained_on = key
        series.append(
            Series(
                dataset=aligned.cells[0].dataset,
                split=aligned.cells[0].split,
                method=method,
                backbone=backbone,
                trained_on=trained_on,
                train_seeds=seeds,
                accuracies=means,
                by_training=by_training,
                rows=rows,
                aligned=aligned,
                sampling=sampling,
                trained_with=shared.index(seeds) if seeds in shared else None,
                network=network,
                gaps=tuple(gaps),
            )
        )
    return series


def _each_training_once(group: _Group, aligned: Aligned) -> _Group:
    """Without train seeds that repeat an earlier one: the same networks, of which none is trained."""
    networks: dict[int, set[str]] = {}
    for of_seed in group.values():
        for seed, rows in of_seed.items():
            networks.setdefault(seed, set()).update(aligned.cells[row].weights for row in rows)
    first: dict[frozenset[str], int] = {}
    kept = {seed: first.setdefault(frozenset(networks[seed]), seed) for seed in sorted(networks)}
    once: _Group = {}
    for degradation, of_seed in group.items():
        found = once.setdefault(degradation, {})
        for seed in sorted(of_seed):
            found.setdefault(kept[seed], of_seed[seed])
    return once


def _train_seeds(group: _Group) -> tuple[int, ...]:
    return tuple(sorted({s for trained in group.values() for s in trained}))


def _weights(group: _Group, aligned: Aligned) -> tuple[str, ...]:
    """Which networks a series is made of; methods without weights of their own share them."""
    rows = (row for trained in group.values() for found in trained.values() for row in found)
    return tuple(sorted({aligned.cells[row].weights for row in rows}))


def _indistinct(one: Cell, other: Cell) -> RobobenchError:
    differ = [f.name for f in fields(Cell) if getattr(one, f.name) != getattr(other, f.name)]
    told = ", ".join(
        f"{name} {getattr(one, name)!r} and {getattr(other, name)!r}" for name in differ
    )
    return RobobenchError(
        f"two cells of {one.title} differ only in {told or 'nothing'}: "
        "averaging would hide this; give each its own run (--out)"
    )


def scope(*compared: Series) -> str:
    """What the intervals of series speak of: these trained networks, or trainings like them."""
    given = any(s.network is not None for s in compared)
    if given:
        return "trainings with the given spread"
    counts = sorted({len(s.train_seeds) for s in compared if len(s.train_seeds) > 1})
    if not counts:
        return THESE
    return f"{' or '.join(map(str, counts))} trainings"


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
