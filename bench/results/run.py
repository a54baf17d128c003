"""A run, read from its folder: its cells and the tables derived from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.analysis.draws import DRAWS, check_draws
from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.results.manifest import TABLES, ListedCells, read_manifest
from robobench.results.store import Store
from robobench.types import Cell, Predictions

if TYPE_CHECKING:
    import pandas as pd

    from robobench.analysis.outcomes import Outcomes
    from robobench.analysis.series import Series


class Run:
    """The folder of a run: its cells, its manifest, and the tables derived from them.

    Args:
        folder: The folder given to ``--out``.

    Raises:
        RobobenchError: The folder does not contain a run.

    >>> import tempfile, robobench
    >>> run = robobench.run("org", "jpeg:10", limit=20, out=tempfile.mkdtemp())
    >>> [cell.degradation.label for cell in run.cells]
    ['clean', 'jpeg_compression 10']
    >>> run.summary()["corruption"].tolist()
    ['clean', 'jpeg_compression', 'mean']
    >>> run.confusion(run.cells[0]).to_numpy().sum()
    np.int64(20)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder) if self.folder.is_dir() else None
        if manifest is None:
            raise RobobenchError(
                f"{folder}: no run is there (a folder with manifest.json is expected); `robobench "
                "run --out` sets where runs are stored"
            )
        self.manifest: dict[str, Any] = manifest
        self.store = Store(self.folder)
        asked = manifest.get("configuration", {})
        self.draws = int(asked.get("draws", DRAWS))
        self.seed_sd: float | None = asked.get("seed_sd")

    def resample(self, draws: int | None = None, seed_sd: float | None = None) -> None:
        """Make intervals with other settings than the run was made with; None keeps one.

        Args:
            draws: Number of bootstrap samples.
            seed_sd: Standard deviation of accuracies between trainings, in points.

        Raises:
            RobobenchError: A setting makes no interval.
        """
        self.draws = self.draws if draws is None else draws
        self.seed_sd = self.seed_sd if seed_sd is None else seed_sd
        check_draws(self.draws, self.seed_sd)
        for derived in ("series", "joint_series", "_summary"):
            self.__dict__.pop(derived, None)

    @property
    def label(self) -> str:
        """A short name, for tables of several runs."""
        return self.folder.name

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell of this run, clean ones first.

        Cells of weights or code that have changed since are left out; `robobench verify` names them.
        """
        listed = ListedCells(self.manifest)
        return [cell for cell in self.store.cells() if cell in listed]

    @property
    def planned(self) -> int:
        """Number of cells that the run was to compute."""
        return int(self.manifest.get("cells", 0))

    @property
    def is_complete(self) -> bool:
        """Whether every planned cell is there."""
        return len(self.cells) >= self.planned

    def environment(self, cell: Cell) -> dict[str, Any]:
        """The versions and the machine that a cell was computed with.

        Raises:
            RobobenchError: No session of this run made it.
        """
        for session in reversed(self.manifest["sessions"]):
            if cell.digest[:16] in session.get("made", ()):
                return dict(self.manifest["environments"][session["environment"]])
        raise RobobenchError(f"{self.folder}: no session of this run made {cell.degradation.label}")

    def each(self, cells: Iterable[Cell] | None = None) -> Iterator[tuple[Cell, Predictions]]:
        """Cells with their predictions, read and checked one at a time.

        All predictions of a run may not fit in memory: keep only what is derived from them.

        Args:
            cells: Which cells; all by default.
        """
        for cell in self.cells if cells is None else cells:
            yield cell, self.predictions(cell)

    def predictions(self, cell: Cell) -> Predictions:
        """The predictions of one cell."""
        return self.store.get(cell)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the data set's classes, in the order of the labels."""
        return tuple(self.manifest["dataset"].get("class_names", ()))

    def class_accuracies(self, cells: Cell | Iterable[Cell]) -> pd.DataFrame:
        """Accuracy of each class over the images of one or several cells.

        Args:
            cells: A cell, or those whose images are counted together (the levels of a corruption).

        Returns:
            A row per class that has images: ``class``, ``name``, ``images``, ``accuracy`` and the
            ends of Wilson's 95 % interval, ``ci_low`` and ``ci_high``; fractions.
        """
        from robobench.analysis.by_class import class_accuracies, counted_together

        counts = counted_together(self._of(cells))
        return class_accuracies(counts, self.class_names)

    def confusion(self, cells: Cell | Iterable[Cell]) -> pd.DataFrame:
        """How many images of each class (rows) were taken for each class (columns).

        Args:
            cells: A cell, or those whose images are counted together.

        Returns:
            Counts by number of class, int64; the column -1 counts images without a valid prediction,
            where there are any. Classes that are neither true nor predicted anywhere are left out.
        """
        from robobench.analysis.by_class import counted_together

        return counted_together(self._of(cells))

    def _of(self, cells: Cell | Iterable[Cell]) -> Iterator[Predictions]:
        chosen = [cells] if isinstance(cells, Cell) else list(cells)
        return (predictions for _, predictions in self.each(chosen))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The long table: one row per cell and metric."""
        from robobench.analysis.long_table import results
        from robobench.analysis.outcomes import keeping_outcomes

        found: list[Outcomes] = []
        told = {
            "profile": self.manifest["profile"],
            "images": self.manifest.get("dataset", {}).get("count"),
        }
        frame = results(keeping_outcomes(self.each(), found), **told)
        self.outcomes = found  # the files need not be read again for the other tables
        return frame

    @cached_property
    def outcomes(self) -> list[Outcomes]:
        """Right or wrong, image by image: all that the tables need of the cells."""
        from robobench.analysis.outcomes import outcomes_of

        return outcomes_of(self.each())

    @cached_property
    def series(self) -> list[Series]:
        """The methods' accuracies with their bootstrap samples, computed once for all tables."""
        from robobench.analysis.series import series_of

        return series_of(self.outcomes, draws=self.draws, seed_sd=self.seed_sd)

    @property
    def joint_series(self) -> list[Series]:
        """The same, on the images that all cells of a data set have, so that any two can be compared."""
        return self.series

    def _repr_html_(self) -> str:
        """The summary, in a notebook."""
        shown = self.summary()
        keep = ["backbone", "method", "corruption", "accuracy", "accuracy_low", "accuracy_high"]
        wanted = [*keep, *(c for c in ("recovered", "recovered_low") if c in shown)]
        html: str = shown[[c for c in wanted if c in shown]].round(4).to_html(index=False)
        return html

    def summary(self) -> pd.DataFrame:
        """One row per method and corruption: accuracy, intervals, CE, share recovered."""
        return self._summary

    @cached_property
    def _summary(self) -> pd.DataFrame:
        from robobench.analysis.summary import summarise

        return summarise(self.series, profile=self.manifest["profile"])

    def compare(self, a: str | None = None, b: str | None = None) -> pd.DataFrame:
        """Method `b` against method `a` on the same images, one row per pair and corruption.

        Args:
            a: The method to compare with; without it, all pairs are compared.
            b: The method compared; without it, every other one.

        Returns:
            See `robobench.analysis.comparison.compare`, and docs/tables.md for each column.

        Raises:
            RobobenchError: A name is unknown or ambiguous, or no two have a cell in common.
        """
        from robobench.analysis.comparison import compare

        return compare(self.series, a, b)


def load(folder: str | Path) -> Run:
    """The run in a folder.

    Raises:
        RobobenchError: The folder does not contain a run.

    >>> import tempfile, robobench
    >>> made = robobench.run("org", "jpeg:10", limit=20, out=tempfile.mkdtemp())
    >>> load(made.folder).frame.equals(made.frame)
    True
    """
    return Run(folder)


def write_tables(run_: Run) -> dict[str, str]:
    """Write ``results.parquet`` and ``results.csv`` of a run; returns their SHA-256 by name."""
    import hashlib
    import io

    buffer = io.BytesIO()
    run_.frame.to_parquet(buffer, index=False)
    text = run_.frame.to_csv(index=False, float_format="%.6g")
    tables = dict(zip(TABLES, (buffer.getvalue(), text.encode()), strict=True))
    for name, content in tables.items():
        write_aside(run_.folder / name, content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in tables.items()}
