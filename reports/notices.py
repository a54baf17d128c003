"""What a reader must know before using any number, for the top of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robobench.reports.blocks import Text
from robobench.reports.completeness import lacks_cells
from robobench.reports.leaderboard import leaderboards

if TYPE_CHECKING:
    from robobench.results.run import Run


def notices(run: Run) -> list[Text]:
    """Differences between runs, missing cells, and the run's own notes."""
    runs: Sequence[Run] = getattr(run, "runs", (run,))
    return [
        *differences_of_machines(runs),
        *(Text(text, "warning") for text in getattr(run, "conflicts", ())),
        *_gaps(run),
        *_notes(run, runs),
    ]


def differences_of_machines(runs: Sequence[Run]) -> list[Text]:
    """How the machines and libraries of several runs differ."""
    found = []
    for part, what in (("machine", "machine"), ("versions", "version")):
        told = [_flat(run.manifest.get(part, {})) for run in runs]
        for key in dict.fromkeys(key for one in told for key in one):
            values = [one.get(key, "unknown") for one in told]
            if len(set(values)) > 1:
                each = ", ".join(
                    f"{value} ({run.label})" for run, value in zip(runs, values, strict=True)
                )
                found.append(f"{what}, {key.replace('_', ' ')}: {each}")
    if not found:
        return []
    return [
        Text(
            "These runs were made under different conditions: small differences between them may "
            "come from the machine or a library rather than from a method.",
            "warning",
            tuple(found),
        )
    ]


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def _gaps(run: Run) -> list[Text]:
    """Cells that are missing."""
    found = []
    for board in leaderboards(run):
        where = "" if board.alone else f"{board.title}: "
        found += [f"{where}{lacking}" for lacking in lacks_cells(board)]
    if not found:
        return []
    return [
        Text(
            "The run is incomplete. Numbers that need a missing cell are left blank; "
            "repeating the same `robobench run` computes the missing cells.",
            "warning",
            tuple(dict.fromkeys(found)),
        )
    ]


def _notes(run: Run, runs: Sequence[Run]) -> list[Text]:
    """The notes of the runs and of their summary."""
    told = dict.fromkeys(str(note) for one in runs for note in one.manifest.get("notes", []))
    told |= dict.fromkeys(str(note) for note in run.summary().attrs.get("notes", []))
    return [Text(note, "note") for note in told]
