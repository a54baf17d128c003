"""Several runs as one, so that sections need not know how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial, reduce
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robobench.errors import RobobenchError, unknown_name
from robobench.reports.blocks import counted
from robobench.results.manifest import timed_methods
from robobench.results.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from robobench.analysis.outcomes import Outcomes
    from robobench.analysis.series import Series
    from robobench.types import Cell, Predictions

_BoardKey = tuple[str, str, str]
_Shown = tuple[str, str, str, str, str]  # board, method, trained_on


def join(runs: Sequence[Run], normalizer: str | None = None) -> Run:
    """One run for all: a single run on the same images throughout is returned as it is.

    Args:
        runs: At least one.
        normalizer: Reference method that losses are relative to, instead of ``org``.

    Raises:
        RobobenchError: No run has the method, or cells of a data set have no image in common.
    """
    if len(runs) == 1 and normalizer in (None, "org"):
        _ = runs[0].frame  # its outcomes are kept, so that no file is read twice
        if not _common_images(runs):
            return runs[0]
    return JoinedRun(runs, normalizer or "org")


class JoinedRun(Run):
    """Runs side by side, on the images that all cells of a data set have.

    What differs between runs under the same name (weights, precision, seeds, versions) stands under
    the name and that of its run; none is left out.

    Args:
        runs: At least one.
        reference: Reference method that losses are relative to.

    Attributes:
        runs: As given.
        reference: As given.
        references: The reference's name on each leaderboard where it differs between runs: that of
            the first run.
        conflicts: Conflicts found while joining, as sentences for readers.

    Raises:
        RobobenchError: No run has the method, or cells of a data set have no image in common.
    """

    def __init__(self, runs: Sequence[Run], reference: str = "org") -> None:
        self.runs = tuple(runs)
        self.reference = reference
        self.references: dict[_BoardKey, str] = {}
        self.conflicts: list[str] = []
        self.folder = runs[0].folder
        self.store = runs[0].store
        self.draws = max(run.draws for run in runs)
        self.seed_sd = runs[0].seed_sd
        self._names = _distinct_labels(runs)
        self._other_images = self._images_in_conflict()
        self._common = {} if self._other_images else _common_images(runs)
        self._say_what_images()
        self._apart, self._twice = self._names_in_conflict()
        self.manifest = self._joined_manifest()
        self._sources = self._chosen_sources()
        known = {cell.method for run in runs for cell in run.cells}
        if known and reference not in known:
            raise unknown_name("method of these runs for --normalizer", reference, known)

    @property
    def disagrees(self) -> bool:
        """Whether runs have something else under the same name."""
        return bool(self._other_images or self._apart or self._twice)

    @property
    def label(self) -> str:
        """The names of all runs."""
        return " and ".join(self._names)

    @property
    def planned(self) -> int:
        """Number of cells that the runs were to compute, those that several share counted once."""
        lacking = sum(max(0, run.planned - len(run.cells)) for run in self.runs)
        return len(self.cells) + lacking

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell once, under the name it has here."""
        return list(self._sources)

    def predictions(self, cell: Cell) -> Predictions:
        """What was predicted in one cell, on the images that all cells have."""
        run, original = self._sources[cell]
        found = run.predictions(original)
        common = self._common.get((original.dataset, original.split))
        return found if common is None else _on(found, common)

    def _chosen_sources(self) -> dict[Cell, tuple[Run, Cell]]:
        """The source of each cell; what is the same in several runs is shown once."""
        found: dict[Cell, tuple[Run, Cell]] = {}
        for run, name in zip(self.runs, self._names, strict=True):
            for cell in run.cells:
                found.setdefault(self._renamed(cell, name), (run, cell))
        return found

    def _say_what_images(self) -> None:
        for (dataset, split), index in self._common.items():
            self.conflicts.append(
                f"Not all cells of `{dataset}` ({split}) have the same images: everything here is of "
                f"the {counted(len(index), 'image')} that all of them have."
            )

    @cached_property
    def joint_series(self) -> list[Series]:
        """The series of all leaderboards, on the images that all of them have."""
        from robobench.analysis.series import series_of

        return series_of(self.outcomes, draws=self.draws, seed_sd=self.seed_sd)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The long table of all runs."""
        import pandas as pd

        from robobench.analysis.long_table import results
        from robobench.analysis.outcomes import keeping_outcomes

        images = max(int(run.manifest.get("dataset", {}).get("count") or 0) for run in self.runs)
        found: list[Outcomes] = []
        parts = [
            results(keeping_outcomes(self.each(cells), found), profile=profile, images=images)
            for profile, cells in self._by_board()
        ]
        self.outcomes = found  # the files need not be read again for the other tables
        return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]

    @cached_property
    def series(self) -> list[Series]:
        """The series of all leaderboards."""
        return [series for _, part in self._series_by_board for series in part]

    @cached_property
    def _series_by_board(self) -> list[tuple[str, list[Series]]]:
        """The series of each leaderboard with its severity table; gaps in one affect no other."""
        from robobench.analysis.series import series_of

        known = {one.cell: one for one in self.outcomes}
        make = partial(series_of, draws=self.draws, seed_sd=self.seed_sd)
        return [(name, make([known[cell] for cell in cells])) for name, cells in self._by_board()]

    @cached_property
    def _summary(self) -> pd.DataFrame:
        """The summary of all runs, relative to one reference."""
        import pandas as pd

        from robobench.analysis.summary import summarise

        parts = [
            summarise(series, profile=profile, reference=self._reference_of(series))
            for profile, series in self._series_by_board
        ]
        whole = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        whole.attrs["notes"] = [note for part in parts for note in part.attrs.get("notes", [])]
        return whole

    def _reference_of(self, series: Sequence[Series]) -> str:
        places = [(one.dataset, one.split, one.backbone) for one in series[:1]]
        return next((self.references[p] for p in places if p in self.references), self.reference)

    def _by_board(self) -> list[tuple[str, list[Cell]]]:
        """The cells of each leaderboard with its severity table."""
        profiles: dict[_BoardKey, str] = {}
        parts: dict[_BoardKey, list[Cell]] = {}
        for cell, (run, _) in self._sources.items():
            profiles.setdefault(_board(cell), run.manifest["profile"])
            parts.setdefault(_board(cell), []).append(cell)
        return [(profiles[board], cells) for board, cells in parts.items()] or [("", [])]

    def _renamed(self, cell: Cell, name: str) -> Cell:
        if (cell.dataset, cell.split) in self._other_images:
            return replace(cell, dataset=f"{cell.dataset} [{name}]")
        if _board(cell) in self._apart:
            return replace(cell, backbone=f"{cell.backbone} [{name}]")
        if (*_board(cell), cell.method, cell.trained_on) in self._twice:
            return replace(cell, method=f"{cell.method} [{name}]")
        return cell

    def _images_in_conflict(self) -> set[tuple[str, str]]:
        """Data sets that have the same name but different images in two runs."""
        known: dict[tuple[str, str], str] = {}
        found: set[tuple[str, str]] = set()
        for run in self.runs:
            fingerprint = str(run.manifest.get("dataset", {}).get("fingerprint", ""))
            for cell in run.cells:
                place = cell.dataset, cell.split
                if known.setdefault(place, fingerprint) != fingerprint:
                    found.add(place)
        for dataset, split in sorted(found):
            self.conflicts.append(
                f"`{dataset}` ({split}) does not contain the same images in all runs (the "
                "fingerprints differ). The runs are shown separately, each with its name."
            )
        return found

    def _names_in_conflict(self) -> tuple[set[_BoardKey], set[_Shown]]:
        """Leaderboards to be shown apart, and methods to be shown once for each run.

        A method that differs between runs stands in one table with itself, unless the runs have other
        levels or severities: then nothing can be averaged alike.
        """
        boards: dict[_BoardKey, list[tuple[str, set[tuple[str, float]]]]] = {}
        shown: dict[_Shown, list[_Version]] = {}
        for run in self.runs:
            grids: dict[_BoardKey, set[tuple[str, float]]] = {}
            versions: dict[_Shown, _Version] = {}
            for cell in run.cells:
                board = _board(cell)
                if board[:2] in self._other_images:
                    continue
                grids.setdefault(board, set()).add((cell.corruption, cell.level))
                key = (*board, cell.method, cell.trained_on)
                version = versions.setdefault(key, _Version(run))
                version.add(cell)
            for board, grid in grids.items():
                boards.setdefault(board, []).append((str(run.manifest["profile"]), grid))
            for key, version in versions.items():
                shown.setdefault(key, []).append(version)
        twice = {
            key
            for key, versions in shown.items()
            if any(not one.agrees(other) for one, other in combinations(versions, 2))
        }
        apart = set()
        for board, found in boards.items():
            several = {key for key in twice if key[:3] == board}
            other_grid = any(grid != found[0][1] for _, grid in found)
            if len({profile for profile, _ in found}) > 1 or (several and other_grid):
                apart.add(board)
                twice -= several
                self.conflicts.append(_of_board(board, "are shown separately, each with its name"))
            elif several:
                names = ", ".join(dict.fromkeys(f"`{key[3]}`" for key in sorted(several)))
                each = "what differs stands in the tables once for each run, under its name"
                self.conflicts.append(_of_board(board, f"differ in {names}; {each}"))
                if any(key[3] == self.reference for key in several):
                    self.references[board] = f"{self.reference} [{self._names[0]}]"
        return apart, twice

    def _sampled(self, method: str, name: str) -> str:
        return f"{method} [{name}]" if any(key[3] == method for key in self._twice) else method

    def _joined_manifest(self) -> dict[str, Any]:
        first = self.runs[0].manifest
        methods, refused, samples = [], [], []

        def methods_of(run: Run) -> list[tuple[str, str, str]]:
            entries = run.manifest.get("methods", [])
            return [(m.get("backbone", ""), m["method"], m["trained_on"]) for m in entries]

        for run, name in zip(self.runs, self._names, strict=True):
            for entry in timed_methods(run.manifest):
                backbone = entry.get("backbone", "")
                if any(board[2] == backbone for board in self._apart):
                    methods.append({**entry, "backbone": f"{backbone} [{name}]"})
                shown = backbone, entry["method"], entry["trained_on"]
                if any(key[2:] == shown for key in self._twice):
                    methods.append({**entry, "method": f"{entry['method']} [{name}]", "run": name})
                alone = sum(shown in methods_of(run) for run in self.runs) == 1
                methods.append({**entry, "run": name} if alone else entry)
            refused += run.manifest.get("not_applicable", [])
            samples += [
                {
                    **entry,
                    "file": str(Path(run.folder.resolve(), entry["file"])),
                    "method": self._sampled(entry["method"], name),
                }
                for entry in run.manifest.get("samples", [])
            ]
        seen: dict[tuple[Any, ...], Any] = {}
        for entry in samples:
            seen.setdefault((entry["corruption"], entry["level"], entry["method"]), entry)
        joined = {
            **first,
            "configuration": {**first.get("configuration", {}), "normalizer": self.reference},
            "methods": methods,
            "not_applicable": refused,
            "samples": list(seen.values()),
        }
        if len(self.runs) > 1:
            joined.pop("cells", None)  # each run plans its own
        return joined


def _board(cell: Cell) -> _BoardKey:
    return cell.dataset, cell.split, cell.backbone


class _Version:
    """What a run has under one name: a method with its weights, precision, seeds and versions."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.precision = run.manifest.get("machine", {}).get("precision")
        self.cells: dict[tuple[str, float], dict[str, Cell]] = {}

    def add(self, cell: Cell) -> None:
        self.cells.setdefault((cell.corruption, cell.level), {})[cell.digest] = cell

    def agrees(self, other: _Version) -> bool:
        """Whether both are the same where they have the same levels."""
        common = [level for level in self.cells if level in other.cells]
        if any(self.cells[level].keys() != other.cells[level].keys() for level in common):
            return False
        if common and self.precision != other.precision:
            return False
        return all(
            _same(self.run.predictions(cell), other.run.predictions(cell))
            for level in common
            for cell in self.cells[level].values()
        )


def _same(one: Predictions, other: Predictions) -> bool:
    """Whether two runs agree on their common images."""
    _, mine, theirs = np.intersect1d(one.index, other.index, return_indices=True)
    return np.array_equal(one.predicted[mine], other.predicted[theirs])


def _on(found: Predictions, index: NDArray[np.int64]) -> Predictions:
    """The predictions for some of the images."""
    index = np.intersect1d(found.index, index)
    rows = np.searchsorted(found.index, index)
    return replace(
        found,
        index=index,
        label=found.label[rows],
        predicted=found.predicted[rows],
        confidence=found.confidence[rows],
        true_probability=found.true_probability[rows],
        extra={name: values[rows] for name, values in found.extra.items()},
    )


def _of_board(board: _BoardKey, what: str) -> str:
    dataset, split, backbone = board
    return (
        f"The runs disagree on `{backbone}` on `{dataset}` ({split}): weights, precision, seeds, "
        f"versions, geometry, severity table or levels per image are not the same. The runs {what}."
    )


def _common_images(runs: Sequence[Run]) -> dict[tuple[str, str], NDArray[np.int64]]:
    """The images that all cells have, of each data set whose cells do not have the same ones."""
    found: dict[tuple[str, str], dict[int, NDArray[np.int64]]] = {}
    for run in runs:
        for one in run.outcomes:
            if one.cell.sweep:  # has images of its own by design
                continue
            place = one.cell.dataset, one.cell.split
            found.setdefault(place, {})[id(one.index)] = one.index
    common = {}
    for (dataset, split), known in found.items():
        index = reduce(np.intersect1d, known.values())
        if all(len(other) == len(index) for other in known.values()):
            continue
        if not len(index):
            raise RobobenchError(
                f"the cells of {dataset} have no image in common: compare runs on the same images"
            )
        common[dataset, split] = index
    return common


def _distinct_labels(runs: Sequence[Run]) -> list[str]:
    """The runs' names, numbered where two are the same."""
    labels = [run.label for run in runs]
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: place + 1].count(label)})"
        for place, label in enumerate(labels)
    ]
