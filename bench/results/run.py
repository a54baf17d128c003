"""A run, read from its folder: its cells and every table that follows from them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.results.manifest import read_manifest
from robobench.results.store import Store
from robobench.types import Cell, Predictions

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """The folder of a run: its cells, its manifest, and every table that follows from them.

    Args:
        folder: As ``--out`` names it.

    Raises:
        RobobenchError: It is no folder of a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder) if self.folder.is_dir() else None
        if manifest is None:
            raise RobobenchError(
                f"{folder}: no run is there (a folder with manifest.json is expected); `robobench "
                "run --out` names where runs lie"
            )
        self.manifest: dict[str, Any] = manifest
        self.store = Store(self.folder)

    @property
    def label(self) -> str:
        """A short name, for tables of several runs."""
        return self.folder.name

    @cached_property
    def items(self) -> list[tuple[Cell, Predictions]]:
        """Every cell of this run with its predictions, checked.

        Cells of weights that were trained anew since are left aside: `robobench verify` names them.
        """
        current = {
            (m["method"], m["trained_on"], m["train_seed"]): set(m["weights"].values())
            for m in self.manifest["methods"]
        }
        return [
            (cell, predictions)
            for cell, predictions in self.store.items()
            if cell.weights in current.get((cell.method, cell.trained_on, cell.train_seed), ())
        ]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The long table: one row a cell and metric."""
        from robobench.analysis.summary import results

        return results(self.items, profile=self.manifest["profile"])

    def summary(self) -> pd.DataFrame:
        """One row a method and corruption: accuracy, intervals, CE, share recovered."""
        return self._summary

    @cached_property
    def _summary(self) -> pd.DataFrame:
        from robobench.analysis.summary import summarise

        return summarise(self.items, profile=self.manifest["profile"])

    def compare(self, a: str, b: str) -> pd.DataFrame:
        """Method `b` against method `a` on the same images, one row a corruption."""
        from robobench.analysis.summary import compare

        return compare(self.items, a, b)

    def predictions(self, cell: Cell) -> Predictions:
        """What was predicted in one cell."""
        return self.store.get(cell)


def load(folder: str | Path) -> Run:
    """The run that lies in a folder.

    Raises:
        RobobenchError: None does.
    """
    return Run(folder)


def write_tables(run_: Run) -> None:
    """Write ``results.parquet`` and ``results.csv`` of a run."""
    import io

    buffer = io.BytesIO()
    run_.frame.to_parquet(buffer, index=False)
    write_aside(run_.folder / "results.parquet", buffer.getvalue())
    text = run_.frame.to_csv(index=False, float_format="%.6g")
    write_aside(run_.folder / "results.csv", text.encode())
