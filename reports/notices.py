"""What a reader must know before using any number, for the top of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robobench.reports.blocks import Text
from robobench.reports.leaderboard import leaderboards

if TYPE_CHECKING:
    from robobench.results.run import Run

_SHOWN = 6  # cells named before the rest is counted


def notices(run: Run) -> list[Text]:
    """Differences between runs, missing cells, and the run's own notes."""
    runs: Sequence[Run] = getattr(run, "runs", (run,))
    return [
        *_differences(runs),
        *(Text(text, "warning") for text in getattr(run, "conflicts", ())),
        *_gaps(run),
        *_notes(run, runs),
    ]


def _differences(runs: Sequence[Run]) -> list[Text]:
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
    """Cells that some methods have and others lack."""
    found = []
    for board in leaderboards(run):
        for row in board.rows:
            lacking = board.lacking(row)
            if lacking:
                more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
                where = "" if board.alone else f" on {board.title}"
                named = ", ".join(lacking[:_SHOWN])
                found.append(f"`{row.label}`{where}: {named}{more}")
    planned, stored = run.manifest.get("cells"), len(run.cells)
    if not found and (not isinstance(planned, int) or stored >= planned):
        return []
    short = isinstance(planned, int) and stored < planned
    count = f" {stored} of {planned} cells are stored." if short else ""
    return [
        Text(
            f"The run is incomplete.{count} Numbers that need a missing cell are left blank; "
            "repeating the same `robobench run` computes the missing cells.",
            "warning",
            tuple(found),
        )
    ]


def _notes(run: Run, runs: Sequence[Run]) -> list[Text]:
    """The notes of the runs and of their summary."""
    told = dict.fromkeys(str(note) for one in runs for note in one.manifest.get("notes", []))
    told |= dict.fromkeys(str(note) for note in run.summary().attrs.get("notes", []))
    return [Text(note, "note") for note in told]
