"""Several runs as one, so that sections need not know how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robobench.errors import unknown_name
from robobench.reports.blocks import counted
from robobench.results.manifest import timed_methods
from robobench.results.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from robobench.analysis.outcomes import Outcomes
    from robobench.analysis.series import Series
    from robobench.types import Cell, Predictions

_BoardKey = tuple[str, str, str]


def join(runs: Sequence[Run], normalizer: str | None = None) -> Run:
    """One run for all: a single run is returned as it is unless a normalizer is given.

    Args:
        runs: At least one.
        normalizer: Reference method that losses are relative to, instead of ``org``.

    Raises:
        RobobenchError: No run has the method.
    """
    if len(runs) == 1 and normalizer in (None, "org"):
        return runs[0]
    return JoinedRun(runs, normalizer or "org")


class JoinedRun(Run):
    """Runs side by side; what cannot share a table is labelled with the run's name.

    Args:
        runs: At least one.
        reference: Reference method that losses are relative to.

    Attributes:
        runs: As given.
        reference: As given.
        conflicts: Conflicts found while joining, as sentences for readers.

    Raises:
        RobobenchError: No run has the method.
    """

    def __init__(self, runs: Sequence[Run], reference: str = "org") -> None:
        self.runs = tuple(runs)
        self.reference = reference
        self.conflicts: list[str] = []
        self.folder = runs[0].folder
        self.store = runs[0].store
        self.draws = max(run.draws for run in runs)
        self.seed_sd = runs[0].seed_sd
        self._names = _distinct_labels(runs)
        self._other_images = self._images_in_conflict()
        self._apart = self._boards_in_conflict()
        self.manifest = self._joined_manifest()
        self._sources = self._chosen_sources()
        known = {cell.method for cell in self.cells}
        if known and reference not in known:
            raise unknown_name("method of these runs for --normalizer", reference, known)

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
        """What was predicted in one cell."""
        run, original = self._sources[cell]
        return run.predictions(original)

    def _chosen_sources(self) -> dict[Cell, tuple[Run, Cell]]:
        """The source of each cell: the run with most images of it, the first in case of ties."""
        found: dict[Cell, tuple[Run, Cell]] = {}
        changed: dict[str, int] = {}
        for run, name in zip(self.runs, self._names, strict=True):
            for cell in run.cells:
                renamed = self._renamed(cell, name)
                if renamed not in found:
                    found[renamed] = run, cell
                    continue
                earlier, original = found[renamed]
                same, more = _compared(earlier.predictions(original), run.predictions(cell))
                if not same:
                    changed[name] = changed.get(name, 0) + 1
                if more:
                    found[renamed] = run, cell
        for name, cells in changed.items():
            self.conflicts.append(
                f"{counted(cells, 'cell')} of `{name}` also occur in another run, with different "
                "predictions from the same weights and images; only one of the two is shown."
            )
        return found

    @cached_property
    def joint_series(self) -> list[Series]:
        """The series of all leaderboards, on the images that all of them have."""
        from robobench.analysis.series import series_of

        return series_of(self._outcomes, draws=self.draws, seed_sd=self.seed_sd)

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
        self._outcomes = found  # the files need not be read again for the other tables
        return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]

    @cached_property
    def series(self) -> list[Series]:
        """The series of all leaderboards."""
        return [series for _, part in self._series_by_board for series in part]

    @cached_property
    def _series_by_board(self) -> list[tuple[str, list[Series]]]:
        """The series of each leaderboard with its severity table; gaps in one affect no other."""
        from robobench.analysis.series import make_series

        return [
            (profile, make_series(self.each(cells), draws=self.draws, seed_sd=self.seed_sd))
            for profile, cells in self._by_board()
        ]

    @cached_property
    def _summary(self) -> pd.DataFrame:
        """The summary of all runs, relative to one reference."""
        import pandas as pd

        from robobench.analysis.summary import summarise

        parts = [
            summarise(series, profile=profile, reference=self.reference)
            for profile, series in self._series_by_board
        ]
        whole = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        whole.attrs["notes"] = [note for part in parts for note in part.attrs.get("notes", [])]
        return whole

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

    def _boards_in_conflict(self) -> set[_BoardKey]:
        """Leaderboards that have the same name but differ in weights or geometry in two runs."""
        seen: dict[tuple[Any, ...], str] = {}
        profiles: dict[_BoardKey, str] = {}
        found: set[_BoardKey] = set()
        for run in self.runs:
            for cell in run.cells:
                board = _board(cell)
                if board[:2] in self._other_images:
                    continue
                if profiles.setdefault(board, run.manifest["profile"]) != run.manifest["profile"]:
                    found.add(board)
                shown = (*board, cell.method, cell.trained_on, cell.train_seed)
                place = (*shown, cell.corruption, cell.level, cell.seed)
                if seen.setdefault(place, cell.digest) != cell.digest:
                    found.add(board)
        for dataset, split, backbone in sorted(found):
            self.conflicts.append(
                f"The runs disagree on `{backbone}` on `{dataset}` ({split}): weights, geometry, "
                "severity table or levels per image differ. The runs are shown separately, each with its name."
            )
        return found

    def _joined_manifest(self) -> dict[str, Any]:
        first = self.runs[0].manifest
        methods, refused, samples = [], [], []
        for run, name in zip(self.runs, self._names, strict=True):
            for entry in timed_methods(run.manifest):
                backbone = entry.get("backbone", "")
                apart = any(board[2] == backbone for board in self._apart)
                methods.append({**entry, "backbone": f"{backbone} [{name}]"} if apart else entry)
            refused += run.manifest.get("not_applicable", [])
            samples += [
                {**entry, "file": str(Path(run.folder.resolve(), entry["file"]))}
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


def _compared(one: Predictions, other: Predictions) -> tuple[bool, bool]:
    """Whether two runs agree on their common images; whether the other one has more images."""
    _, mine, theirs = np.intersect1d(one.index, other.index, return_indices=True)
    same = np.array_equal(one.predicted[mine], other.predicted[theirs])
    return same, len(other) > len(one)


def _distinct_labels(runs: Sequence[Run]) -> list[str]:
    """The runs' names, numbered where two are the same."""
    labels = [run.label for run in runs]
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: place + 1].count(label)})"
        for place, label in enumerate(labels)
    ]
