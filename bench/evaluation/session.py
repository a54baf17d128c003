"""One session of a run: from the first look at its folder to what the manifest says of it afterwards.

The manifest lists a session from its beginning. One that was killed stays there without its
duration; the next one enters the cells that it had made, which no other session has written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.environment import command_line
from robobench.errors import RobobenchError
from robobench.evaluation.description import describe
from robobench.evaluation.locking import changing_manifest
from robobench.results.manifest import ListedCells, read_manifest, write_manifest
from robobench.results.mending import Damage, mend_cells, mend_tables, restore_manifest
from robobench.results.store import (
    DamagedCell,
    Store,
    digest_in_name,
    file_checksum,
    read_cell_key,
)
from robobench.types import Cell

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan


@dataclass
class Session:
    """A session that is going on.

    Attributes:
        folder: The run's folder.
        place: Its place in the manifest's list of sessions.
        made: Checksums of the cell files that it has written, by digest.
        times: How long its methods take, as `robobench.evaluation.timing.time_methods` returns it.
        batch_size: What ``--batch-size auto`` came to, here or in an earlier session on this machine.
    """

    folder: Path
    place: int
    made: dict[str, str] = field(default_factory=dict)
    times: list[dict[str, Any]] = field(default_factory=list)
    batch_size: int | None = None
    _began: float = field(default_factory=time.monotonic)

    def count(self, cell: Cell) -> None:
        """Enter a cell that is now stored."""
        self.made[cell.digest[:16]] = file_checksum(Store(self.folder).path(cell))

    def remember(self, batch_size: int) -> None:
        """Keep the number of images for which memory suffices."""
        self.batch_size = batch_size

    def end(self) -> None:
        """Write what was made into the manifest."""
        with changing_manifest(self.folder):
            manifest = manifest_of(self.folder)
            manifest["sessions"][self.place] |= {
                "seconds": round(time.monotonic() - self._began, 1),
                "cells": len(self.made),
                "made": self.made,
            }
            if self.times:
                manifest["sessions"][self.place]["times"] = self.times
            if self.batch_size is not None:
                manifest["sessions"][self.place]["batch_size"] = self.batch_size
            write_manifest(self.folder, manifest)


def begin(plan: Plan, tell: Callable[[str], None]) -> Session:
    """Mend the folder, and enter a new session into its manifest.

    Args:
        plan: The run, or a shard of it.
        tell: Called with a line for each damaged file.

    Raises:
        RobobenchError: The folder holds another run.
    """
    folder, shard = plan.configuration.folder, plan.configuration.shard
    with changing_manifest(folder):
        restored = restore_manifest(folder)
        before = read_manifest(folder)
        manifest = describe(plan, before)
        _remove_strays(plan)
        damages, unclaimed = mend_cells(Store(folder), before or {}, sorted(_own_files(plan)))
        _enter_killed(plan, manifest["sessions"], unclaimed)
        _account_for_cells(plan, manifest)
        mended = [
            f"{damage}; {_comes_back(plan, damage, manifest['sessions'])}"
            for damage in (*restored, *damages, *mend_tables(folder, before or {}))
        ]
        for line in mended:
            tell(line)
        environment = {key: manifest[key] for key in ("versions", "machine")}
        if environment not in manifest["environments"]:
            manifest["environments"].append(environment)
        entry: dict[str, Any] = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command_line(),
            "environment": manifest["environments"].index(environment),
            "images": len(plan.source),
        }
        if sizes := plan.part.sizes(plan.source.order):
            entry["sizes"] = {cell.digest[:16]: images for cell, images in sizes.items()}
        if shard is not None:
            entry["shard"] = shard
        if mended:
            entry["mended"] = mended
        manifest["sessions"].append(entry)
        write_manifest(folder, manifest)
    known = [
        session["batch_size"]
        for session in manifest["sessions"]
        if "batch_size" in session and session["environment"] == entry["environment"]
    ]
    return Session(folder, len(manifest["sessions"]) - 1, batch_size=known[-1] if known else None)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest that a session has written.

    Raises:
        RobobenchError: It is gone, or damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise RobobenchError(f"{folder}: its manifest was removed while the run was going on")
    return manifest


def _own_files(plan: Plan, shard: str | None = None) -> set[Path]:
    """The cell files that this session may write: all that are there, or those of its shard."""
    store = Store(plan.configuration.folder)
    found = set(store.cells_folder.glob("*.npz"))
    shard = shard or plan.configuration.shard
    if shard is None:
        return found
    return found & {store.path(cell) for cell in plan.grid.part(shard).cells()}


def _remove_strays(plan: Plan) -> None:
    """Remove what a run that was killed left half-written; shards leave each other's files alone."""
    folder = plan.configuration.folder
    if plan.configuration.shard is None:
        strays: Iterable[Path] = folder.glob("**/.*.tmp")
    else:
        store = Store(folder)
        own = {store.path(cell).name for cell in plan.part.cells()}
        in_cells = (p for p in store.cells_folder.glob(".*.tmp") if _target(p) in own)
        strays = [*folder.glob(".*.tmp"), *in_cells]
    for stray in strays:
        stray.unlink(missing_ok=True)


def _target(stray: Path) -> str:
    """The name of the file that a temporary one was to become."""
    return stray.name.removeprefix(".").rsplit(".", 2)[0]


def _enter_killed(plan: Plan, sessions: list[dict[str, Any]], unclaimed: dict[str, str]) -> None:
    """Enter the cells that sessions had made when they were killed."""
    shard = plan.configuration.shard
    killed = [
        session
        for session in sessions
        if not {"seconds", "killed"}.intersection(session)
        and (shard is None or session.get("shard") == shard)
    ]
    left = dict(unclaimed)
    for session in reversed(killed):
        own = {digest_in_name(path) for path in _own_files(plan, session.get("shard"))}
        made = {digest: sums for digest, sums in left.items() if digest in own}
        session["killed"] = True
        session["made"] = made
        session["cells"] = len(made)
        left = {digest: sums for digest, sums in left.items() if digest not in made}


def _account_for_cells(plan: Plan, manifest: dict[str, Any]) -> None:
    """Enter how many cells belong to the run, and which stored ones no longer do."""
    listed = ListedCells(manifest)
    stored = list(_readable(Store(plan.configuration.folder)))
    current = {cell for cell in stored if cell in listed}
    outdated = {cell.digest[:16] for cell in stored if cell not in listed}
    outdated |= set(manifest["outdated"]) - {cell.digest[:16] for cell in current}
    manifest["outdated"] = sorted(outdated)
    manifest["cells"] = len(current.union(plan.grid.cells()))


def _readable(store: Store) -> Iterator[Cell]:
    """The stored cells; those of another shard may be damaged, which that shard mends."""
    for path in store.cells_folder.glob("*.npz"):
        with suppress(DamagedCell):
            yield read_cell_key(path)


def _comes_back(plan: Plan, damage: Damage, sessions: list[dict[str, Any]]) -> str:
    """How a damaged file comes back."""
    store = Store(plan.configuration.folder)
    if not damage.file.startswith(f"{store.cells_folder.name}/"):
        return "it is written anew"
    path = store.folder / damage.file
    if path in {store.path(cell) for cell in plan.part.cells()}:
        return "it is computed anew"
    digest = digest_in_name(path)
    commands = [s["command"] for s in sessions if digest in s.get("made", ())]
    how = f"`{commands[-1]}` does" if commands else "the command that made it does"
    return f"this command does not compute it anew, {how}"
