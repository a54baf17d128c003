"""What sections need from a run: its methods, corruptions and cells, in the order of a table.

A `Leaderboard` is a part of a run whose numbers are comparable: one data set and one classifier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from robobench.analysis.pairwise import PairwiseTests
from robobench.reports.blocks import Value, name_in_files
from robobench.reports.method_row import MARKS, MethodRow
from robobench.results.manifest import timed_methods
from robobench.types import CLEAN, Degradation

if TYPE_CHECKING:
    import pandas as pd

    from robobench.analysis.series import Series
    from robobench.results.run import Run

MEAN = "mean"
_KEYS = ["dataset", "split", "backbone"]


_Key = tuple[str, str, str]  # method, trained_on, corruption


@dataclass(frozen=True)
class Point:
    """An accuracy along an axis, with its interval; fractions."""

    x: float
    value: float
    low: float
    high: float

    @property
    def shown(self) -> Value:
        """The accuracy in a table."""
        return Value(self.value, self.low, self.high)


@dataclass(frozen=True)
class _Cell:
    severity: float  # NaN where the level is not a severity
    level: float
    seed: int
    point: Point


@dataclass(frozen=True)
class Leaderboard:
    """One data set and one classifier of a run: what may share a table.

    Attributes:
        run: The run that it is part of.
        dataset: Name of the data set.
        split: Split of the data set.
        backbone: Name of the classifier.
        reference: Label of the method that losses are relative to.
        alone: Whether it is the run's only leaderboard.
    """

    run: Run
    dataset: str
    split: str
    backbone: str
    reference: str = "org"
    alone: bool = True

    @property
    def title(self) -> str:
        """Its title, for headings and captions."""
        return f"`{self.dataset}` ({self.split}), `{self.backbone}`"

    @property
    def suffix(self) -> str:
        """The suffix of its tables' and plots' names, so that no two leaderboards share a file."""
        parts = "" if self.alone else f"-{self.dataset}-{self.split}-{self.backbone}"
        return name_in_files(parts)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The long table of this leaderboard."""
        return self._part(self.run.frame)

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """The accuracies in it: one row per cell."""
        return self.frame[self.frame["metric"] == "accuracy"]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per method and corruption, with ``mean`` over all of them."""
        table = self.run.summary()
        wanted = (table["dataset"] == self.dataset) & (table["backbone"] == self.backbone)
        if "split" in table:
            wanted &= table["split"] == self.split
        return table[wanted]

    @cached_property
    def series(self) -> dict[str, Series]:
        """The series (accuracies with their bootstrap samples) by label of the row."""
        mine = (self.dataset, self.split, self.backbone)
        found = {
            (s.method, s.trained_on): s
            for s in self.run.series
            if (s.dataset, s.split, s.backbone) == mine
        }
        return {row.label: found[row.method, row.trained_on] for row in self.rows}

    @cached_property
    def levels(self) -> dict[str, list[Degradation]]:
        """For ``clean`` and each corruption, every degradation that a method has."""
        found: dict[str, set[Degradation]] = {name: set() for name in (CLEAN, *self.corruptions)}
        for series in self.series.values():
            for degradation in series.rows:
                found[degradation.corruption].add(degradation)
        return {name: sorted(degradations) for name, degradations in found.items()}

    @cached_property
    def tests(self) -> PairwiseTests:
        """The tests of all pairs of methods: what is bold, level or worse follows from them alone."""
        return PairwiseTests(self.series, self.levels)

    def _part(self, frame: pd.DataFrame) -> pd.DataFrame:
        mine = (self.dataset, self.split, self.backbone)
        wanted = frame["method"].notna()
        for key, value in zip(_KEYS, mine, strict=True):
            wanted &= frame[key] == value
        return frame[wanted]

    @cached_property
    def rows(self) -> list[MethodRow]:
        """The methods: the reference first, the others in the order of the run."""
        pairs = list(
            dict.fromkeys(zip(self.accuracy["method"], self.accuracy["trained_on"], strict=True))
        )
        names = [method for method, _ in pairs]
        told = [
            entry
            for entry in timed_methods(self.run.manifest)
            if entry.get("backbone", self.backbone) == self.backbone
        ]
        rows = []
        for method, trained_on in pairs:
            entry: dict[str, Any] = next(
                (e for e in told if (e["method"], e["trained_on"]) == (method, trained_on)), {}
            )
            several = names.count(method) > 1 and bool(trained_on)
            rows.append(
                MethodRow(
                    label=f"{method}@{trained_on}" if several else method,
                    method=method,
                    trained_on=trained_on,
                    oracle=bool(entry.get("oracle")),
                    adapts=bool(entry.get("adapts")),
                    parameters=entry.get("parameters"),
                    macs=entry.get("macs"),
                    milliseconds=entry.get("milliseconds"),
                    timed_on=entry.get("timed_on", ""),
                    run=str(entry.get("run", "")),
                )
            )
        place = {(e["method"], e["trained_on"]): i for i, e in enumerate(told)}
        return sorted(
            rows,
            key=lambda row: (
                row.label != self.reference,
                place.get((row.method, row.trained_on), len(place)),
            ),
        )

    @property
    def labels(self) -> list[str]:
        """Labels of `rows`."""
        return [row.label for row in self.rows]

    @property
    def reference_row(self) -> MethodRow | None:
        """The reference, if it was evaluated."""
        return next((row for row in self.rows if row.label == self.reference), None)

    @property
    def others(self) -> list[MethodRow]:
        """All rows but the reference."""
        return [row for row in self.rows if row.label != self.reference]

    @property
    def degraded(self) -> list[str]:
        """The corruptions, and their mean where there are several."""
        return [*self.corruptions, MEAN] if len(self.corruptions) > 1 else self.corruptions

    @property
    def conditions(self) -> list[str]:
        """The clean images, then `degraded`."""
        return [CLEAN, *self.degraded]

    @cached_property
    def corruptions(self) -> list[str]:
        """The corruptions evaluated: published ones first, in published order."""
        from robobench.corruptions.catalogue import GROUPS

        published = list(GROUPS["all"])
        found = [name for name in dict.fromkeys(self.accuracy["corruption"]) if name != CLEAN]
        return sorted(
            found, key=lambda name: published.index(name) if name in published else len(published)
        )

    @cached_property
    def sweeps(self) -> list[str]:
        """Corruptions evaluated at levels that are not severities."""
        table = self.accuracy[self.accuracy["corruption"] != CLEAN]
        unnamed = set(table.loc[table["severity"].isna(), "corruption"])
        return [name for name in self.corruptions if name in unnamed]

    @property
    def graded(self) -> list[str]:
        """Corruptions evaluated at severities only."""
        return [name for name in self.corruptions if name not in self.sweeps]

    @cached_property
    def images(self) -> int:
        """Number of images in the largest cell."""
        return int(self.accuracy["n"].max()) if len(self.accuracy) else 0

    def divided(self, corruption: str) -> str:
        """What to know of a sweep whose levels are divided among the images; else empty."""
        counts = self.accuracy.loc[self.accuracy["corruption"] == corruption, "n"]
        if not len(counts) or corruption not in self.run.manifest.get("sweeps", {}):
            return ""
        levels, each = len(self._levels[corruption]), float(counts.mean())
        wider = math.sqrt(max(self.images / each, 1.0))
        if wider == 1.0:
            return ""
        return (
            f"`{corruption}`: each of the {levels} levels has about {each:,.0f} of the {self.images:,} "
            f"images, so intervals of single levels are about {wider:.1f} times as wide as with all."
        )

    @cached_property
    def _cells(self) -> dict[_Key, list[_Cell]]:
        """The accuracies by method, training and corruption."""
        table = self.accuracy
        severities = table["severity"].astype("Float64").to_numpy(float, na_value=math.nan)
        found: dict[_Key, list[_Cell]] = {}
        for place, severity in zip(table.itertuples(index=False), severities, strict=True):
            cell: Any = place
            found.setdefault((cell.method, cell.trained_on, cell.corruption), []).append(
                _Cell(
                    float(severity),
                    float(cell.level),
                    int(cell.seed),
                    Point(0.0, float(cell.value), float(cell.ci_low), float(cell.ci_high)),
                )
            )
        return found

    @cached_property
    def _summed(self) -> dict[_Key, Mapping[str, Any]]:
        """The rows of the summary by method, training and corruption."""
        lines = self.summary.to_dict("records")
        return {
            (str(line["method"]), str(line["trained_on"]), str(line["corruption"])): {
                str(name): value for name, value in line.items()
            }
            for line in lines
        }

    def points(
        self, row: MethodRow, corruption: str, axis: Literal["severity", "level"]
    ) -> list[Point]:
        """The accuracies along a corruption, by ascending x.

        Several seeds are averaged; the interval is then the hull of their intervals, which is at
        least as wide as that of their mean.

        Args:
            row: A method.
            corruption: A corruption, or ``clean``.
            axis: The quantity on x.
        """
        grouped: dict[float, list[Point]] = {}
        for cell in self._cells.get((row.method, row.trained_on, corruption), []):
            x = cell.severity if axis == "severity" else cell.level
            if not math.isnan(x):
                grouped.setdefault(x, []).append(cell.point)
        return [
            Point(
                x,
                sum(point.value for point in found) / len(found),
                min(point.low for point in found),
                max(point.high for point in found),
            )
            for x, found in sorted(grouped.items())
        ]

    def clean(self, row: MethodRow) -> Value:
        """Accuracy on clean images."""
        return self.summed(row, CLEAN, "accuracy", why="the clean images were not evaluated")

    def summed(self, row: MethodRow, corruption: str, column: str, why: str = "") -> Value:
        """A number of the summary with its interval; a dash with the reason where it is missing.

        A mean over only some of a corruption's levels is not comparable with means over all.
        """
        if not self.complete(row, corruption):
            return Value(None, why=self.reason(row, corruption))
        line = self._summed.get((row.method, row.trained_on, corruption), {})
        value = _number(line.get(column))
        if value is None:
            told = [part for part in str(line.get("missing", "")).split("; ") if ": " in part]
            said = dict(part.split(": ", 1) for part in told).get(column)
            return Value(None, why=said or why or self.reason(row, corruption))
        return Value(value, _number(line.get(f"{column}_low")), _number(line.get(f"{column}_high")))

    def reason(self, row: MethodRow, corruption: str) -> str:
        """Why a method has no number for a corruption."""
        for entry in self.run.manifest.get("not_applicable", []):
            if entry["method"] in (row.label, row.method) and entry["corruption"] == corruption:
                return f"not applicable: {entry['why']}"
        if corruption == MEAN and not self.corruptions:
            return "no degraded images were evaluated"
        if corruption == MEAN:
            return "no mean: the method lacks cells that others have"
        return "cells are missing"

    @cached_property
    def _levels(self) -> dict[str, dict[tuple[float, int], None]]:
        """Every level and seed that any method has, by corruption, in order."""
        found: dict[str, dict[tuple[float, int], None]] = {}
        for (_, _, corruption), cells in self._cells.items():
            known = found.setdefault(corruption, {})
            known.update(dict.fromkeys((cell.level, cell.seed) for cell in cells))
        return found

    def _absent(self, row: MethodRow, corruption: str) -> list[float]:
        """Levels of a corruption that others have and a method lacks."""
        cells = self._cells.get((row.method, row.trained_on, corruption), [])
        have = {(cell.level, cell.seed) for cell in cells}
        return [pair[0] for pair in self._levels.get(corruption, {}) if pair not in have]

    def complete(self, row: MethodRow, corruption: str) -> bool:
        """Whether a method has every level of a corruption that any method has."""
        return not self._absent(row, corruption)

    def lacking(self, row: MethodRow) -> list[str]:
        """Cells that other methods have and this one lacks, as readable names."""
        return [
            CLEAN if corruption == CLEAN else f"{corruption} {level:g}"
            for corruption in self._levels
            if not self.reason(row, corruption).startswith("not applicable")
            for level in self._absent(row, corruption)
        ]

    def marks(self, rows: Sequence[MethodRow] | None = None) -> list[str]:
        """The meaning of each mark that occurs in the row headings."""
        used = "".join(row.marks for row in (self.rows if rows is None else rows))
        return [f"{sign} {meaning}." for sign, meaning in MARKS.items() if sign in used]


def _number(value: Any) -> float | None:
    """A number, or None for what a data frame calls missing."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def leaderboards(run: Run) -> list[Leaderboard]:
    """The leaderboards of a run, in the order of its table; the same objects each time.

    What they compute is thus computed once for all sections.
    """
    known: list[Leaderboard] = vars(run).setdefault("_leaderboards", [])
    if known:
        return known
    frame = run.frame
    found = list(dict.fromkeys(zip(*(frame[key] for key in _KEYS), strict=True)))
    reference = str(run.manifest.get("configuration", {}).get("normalizer") or "org")
    references: Mapping[tuple[str, str, str], str] = getattr(run, "references", {})
    known += [
        Leaderboard(
            run,
            dataset,
            split,
            backbone,
            references.get((dataset, split, backbone), reference),
            alone=len(found) == 1,
        )
        for dataset, split, backbone in found
    ]
    return known
