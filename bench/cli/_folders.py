"""Which runs a command works on: those named, else the newest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.errors import RobobenchError

if TYPE_CHECKING:
    from robobench.results.run import Run

RUNS = Path("runs")


def open_runs(named: Sequence[str]) -> list[Run]:
    """The runs named on the command line; without a name the newest under ``runs/``.

    Raises:
        RobobenchError: A folder is not a run, or no run can be found.
    """
    from robobench.results.run import load

    return [load(folder) for folder in named] or [load(newest())]


def newest() -> Path:
    """The folder under ``runs/`` whose manifest was written last.

    Raises:
        RobobenchError: There is no run.
    """
    found = [*RUNS.glob("*/manifest.json"), *RUNS.glob("*/*/manifest.json")]
    if not found:
        raise RobobenchError(
            f"no run under {RUNS}/ in this folder: name a run's folder, or create one with "
            "`robobench run`"
        )
    return max(found, key=lambda path: (path.stat().st_mtime_ns, str(path))).parent
