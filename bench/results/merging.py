"""Runs of one evaluation, made on several machines, as one run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.results.manifest import IDENTITY, ListedCells, row_of, write_manifest
from robobench.results.run import Run, load, write_tables
from robobench.results.store import Store
from robobench.types import Cell

# What makes results comparable cell by cell: one folder holds one of each.
_SAME: Mapping[str, tuple[str, ...]] = {
    "data set": ("dataset", "name"),
    "split": ("dataset", "split"),
    "fingerprint of the images": ("dataset", "fingerprint"),
    "number of images": ("dataset", "count"),
    "version of the data set": ("dataset", "version"),
    "severity table": ("profile",),
    "geometry": ("geometry_key",),
    "place of corruption": ("corrupt_at",),
    "precision": ("machine", "precision"),
    "saving as JPEG 85": ("save_jpeg85",),
    "number of levels per image": ("levels_per_image",),
}
_NAMED = 5  # conflicts in one message


def merge(runs: Sequence[str | Path], out: Path) -> tuple[Run, list[str]]:
    """Join runs into a new folder; cell files are copied byte for byte.

    A cell that several runs have is taken from the first, where they predict the same classes. Probabilities
    may differ in their last digits between machines; the notes tell by how much.

    Args:
        runs: The runs' folders.
        out: The new folder; nothing may be in it.

    Returns:
        The new run, and notes on what a reader should know.

    Raises:
        RobobenchError: The runs are not of one evaluation, or disagree about a cell or about the
            weights or the code behind a name; or a cell is damaged. Nothing is written then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RobobenchError(f"{out} is not empty: choose a new folder with --out")
    opened = [load(folder) for folder in runs]
    if len({run.folder.resolve() for run in opened}) < 2:
        raise RobobenchError("two or more runs are expected: name their folders")
    for other in opened[1:]:
        _refuse_other_evaluation(opened[0], other)
    sources, notes = _choose(opened)
    taken = [{c.digest[:16] for c, source in sources.items() if source is run} for run in opened]
    manifest = _join([run.manifest for run in opened], taken)
    listed = ListedCells(manifest)
    manifest["cells"] = max(
        sum(cell in listed for cell in sources),
        *(int(run.manifest["cells"]) for run in opened),
    )
    notes += [
        f"{run.folder} has {len(run.cells)} of its {run.manifest['cells']} cells"
        for run in opened
        if not run.is_complete
    ]
    return _write(out, opened, sources, manifest), notes


def _write(
    out: Path, runs: Sequence[Run], sources: Mapping[Cell, Run], manifest: dict[str, Any]
) -> Run:
    """Write the new folder beside its place, then move it there."""
    out = out.resolve()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise RobobenchError(f"cannot write {out}: {error.strerror or error}") from error
    try:
        new = Store(aside)
        for cell, run in sources.items():
            write_aside(new.path(cell), run.store.path(cell).read_bytes())
        for run in reversed(runs):  # the first run's are kept
            for picture in (*run.manifest.get("samples", ()), run.manifest.get("thumbnails")):
                if picture and (file := run.folder / picture["file"]).is_file():
                    write_aside(aside / picture["file"], file.read_bytes())
        write_manifest(aside, manifest)
        manifest["tables"] = write_tables(Run(aside))
        write_manifest(aside, manifest)
        aside.chmod(runs[0].folder.stat().st_mode)
        aside.replace(out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return load(out)


def _refuse_other_evaluation(first: Run, other: Run) -> None:
    for what, keys in _SAME.items():
        ours, theirs = (_at(run.manifest, keys) for run in (first, other))
        if ours != theirs:
            raise RobobenchError(
                f"cannot merge: {first.folder} has the {what} {str(ours)[:16]}, {other.folder} has "
                f"{str(theirs)[:16]}; report or compare them side by side instead"
            )


def _at(manifest: Mapping[str, Any], keys: Sequence[str]) -> Any:
    found: Any = manifest
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _choose(runs: Sequence[Run]) -> tuple[dict[Cell, Run], list[str]]:
    """Which run each cell is taken from.

    Raises:
        RobobenchError: Two runs predict different classes for the same images.
    """
    sources: dict[Cell, Run] = {}
    conflicts: list[str] = []
    largest, differing = 0.0, 0
    for run in runs:
        for cell in run.store.cells():
            mine = run.predictions(cell)  # verified, even where it is the only one
            if cell not in sources:
                sources[cell] = run
                continue
            theirs = sources[cell].predictions(cell)
            who = f"{sources[cell].label} and {run.label}"
            if not np.array_equal(mine.index, theirs.index):
                conflicts.append(f"{cell.title} ({who} have other images)")
            elif count := int((mine.predicted != theirs.predicted).sum()):
                conflicts.append(f"{cell.title} ({who} differ on {count} of {len(mine)} images)")
            elif not np.array_equal(mine.confidence, theirs.confidence, equal_nan=True):
                differing += 1
                gaps = np.abs(mine.confidence - theirs.confidence)
                largest = max(largest, float(np.nanmax(gaps, initial=0.0)))
    if conflicts:
        more = f" and {len(conflicts) - _NAMED} more" if len(conflicts) > _NAMED else ""
        raise RobobenchError(
            f"cannot merge: {len(conflicts)} cells are in conflict: {'; '.join(conflicts[:_NAMED])}"
            f"{more}; remove their files from the run that is not to be believed"
        )
    if not differing:
        return sources, []
    cells = "1 cell has" if differing == 1 else f"{differing} cells have"
    note = (
        f"{cells} the same predictions in several runs with probabilities that differ by "
        f"{largest:.2g} at most; those of the run named first are kept"
    )
    return sources, [note]


def _join(manifests: Sequence[Mapping[str, Any]], taken: Sequence[set[str]]) -> dict[str, Any]:
    """One manifest: the first, with the rows and sessions of all.

    Args:
        manifests: Those of the runs.
        taken: Digests of the cells that are taken from each.
    """
    joined: dict[str, Any] = dict(manifests[0])
    rows: dict[Any, dict[str, Any]] = {}
    environments: list[Any] = []
    sessions: list[Any] = []
    for manifest, own_cells in zip(manifests, taken, strict=True):
        for entry in manifest["methods"]:
            known = rows.setdefault(row_of(entry), entry)
            rows[row_of(entry)] = _joined_row(known, entry)
        for key in ("corruption_versions", "backbones", "sweeps"):
            joined[key] = _joined_table(key, joined.get(key, {}), manifest.get(key, {}))
        own = manifest.get("environments", [])
        environments += [one for one in own if one not in environments]
        for session in manifest.get("sessions", ()):
            place = session.get("environment")
            moved: dict[str, Any] = (
                {} if place is None else {"environment": environments.index(own[place])}
            )
            made = session.get("made", {})
            if isinstance(made, Mapping):
                moved["made"] = {cell: sums for cell, sums in made.items() if cell in own_cells}
            sessions.append({**session, **moved})
    for key in ("seeds", "notes", "outdated", "not_applicable", "samples"):
        together = [one for manifest in manifests for one in manifest.get(key, ())]
        joined[key] = [one for place, one in enumerate(together) if one not in together[:place]]
    thumbnails = (manifest.get("thumbnails") for manifest in manifests)
    return {
        **joined,
        "thumbnails": next(filter(None, thumbnails), {}),
        "methods": list(rows.values()),
        "environments": environments,
        "sessions": sessions,
        "merged": [manifest.get("command", "") for manifest in manifests],
        "tables": {},
    }


def _joined_row(known: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the methods, of which two runs tell.

    Raises:
        RobobenchError: They have other weights, or were made by other code.
    """
    label = entry.get("label", entry["method"])
    for name in IDENTITY:
        if known.get(name, "") != entry.get(name, ""):
            raise RobobenchError(
                f"cannot merge: {label} has the {name.replace('_', ' ')} "
                f"{known.get(name) or 'none'} in one run, {entry.get(name) or 'none'} in another"
            )
    return {**known, "weights": _joined_table(label, known["weights"], entry["weights"])}


def _joined_table(what: str, known: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables that agree where both have an entry.

    Raises:
        RobobenchError: They do not.
    """
    for key in known:
        if key in entry and known[key] != entry[key]:
            raise RobobenchError(
                f"cannot merge: {what.replace('_', ' ')} of {key or 'every corruption'} is "
                f"{str(known[key])[:16]} in one run, {str(entry[key])[:16]} in another"
            )
    return {**known, **entry}
