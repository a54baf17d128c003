"""Damaged files of a run's folder are kept aside, so that the run makes them anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.results.manifest import (
    COPY,
    MANIFEST,
    DamagedManifest,
    parse_manifest,
    recorded_checksums,
)
from robobench.results.store import DamagedCell, Store, digest_in_name, file_checksum, read_cell


@dataclass(frozen=True)
class Damage:
    """A file of a run that was not what the run had written.

    Attributes:
        file: Its path in the run's folder.
        why: What is wrong with it.
        kept: The path under which it is kept; empty where there was nothing to keep.
    """

    file: str
    why: str
    kept: str = ""

    def __str__(self) -> str:
        """A sentence without its end, which says how the file comes back."""
        kept = f", kept as {self.kept}" if self.kept else ""
        return f"{self.file}: {self.why}{kept}"


def keep_aside(path: Path) -> Path:
    """Rename a damaged file to ``NAME.damaged``, or ``NAME.damaged-2`` and so on."""
    kept, count = path.with_name(f"{path.name}.damaged"), 1
    while kept.exists():
        count += 1
        kept = path.with_name(f"{path.name}.damaged-{count}")
    try:
        path.rename(kept)
    except OSError as error:
        raise RobobenchError(
            f"{path} is damaged and cannot be renamed: {error.strerror}; remove it and run again"
        ) from error
    return kept


def _aside(folder: Path, path: Path, why: str) -> Damage:
    return Damage(
        path.relative_to(folder).as_posix(), why, keep_aside(path).relative_to(folder).as_posix()
    )


def restore_manifest(folder: Path) -> list[Damage]:
    """Replace a damaged manifest, or one that is gone, by its copy; without an intact copy nothing is done.

    A damaged copy is kept aside: whoever writes the manifest next writes it anew.
    """
    whole: dict[str, bool] = {}
    for name in (MANIFEST, COPY):
        try:
            whole[name] = parse_manifest(folder / name) is not None
        except DamagedManifest:
            whole[name] = False
    main, copy = folder / MANIFEST, folder / COPY
    if whole[MANIFEST]:
        damaged = copy.exists() and not whole[COPY]
        return [_aside(folder, copy, "damaged")] if damaged else []
    if not whole[COPY]:
        return []
    damage = _aside(folder, main, "damaged") if main.exists() else Damage(MANIFEST, "missing")
    write_aside(main, copy.read_bytes())
    return [damage]


def mend_cells(
    store: Store, manifest: Mapping[str, Any], paths: Iterable[Path]
) -> tuple[list[Damage], dict[str, str]]:
    """Keep damaged cell files aside.

    Args:
        store: The run's cells.
        manifest: The run's manifest, which has the checksums of files.
        paths: Which files to look at.

    Returns:
        What was damaged; and of the intact files that no session of the manifest has written, the
        checksums by digest: a session that was killed made them, or extended them.

    Raises:
        RobobenchError: A file cannot be read, or is intact and of another format.
    """
    recorded = recorded_checksums(manifest)
    claimed = {digest for s in manifest.get("sessions", ()) for digest in s.get("made", ())}
    damages: list[Damage] = []
    unclaimed: dict[str, str] = {}
    for path in paths:
        digest = digest_in_name(path)
        written, images = recorded.get(digest, ("", 0))
        try:
            found = file_checksum(path) if path.is_file() else ""
        except OSError as error:
            raise RobobenchError(f"{path} cannot be read: {error.strerror}") from error
        if found and found == written:
            continue
        try:
            cell, predictions = read_cell(path)
        except DamagedCell:
            damages.append(_aside(store.folder, path, "damaged"))
            continue
        if store.path(cell) != path:
            damages.append(_aside(store.folder, path, "holds another cell than its name says"))
        elif written and len(predictions) <= images:
            damages.append(_aside(store.folder, path, "not the bytes that were written"))
        elif written or digest not in claimed:
            unclaimed[digest] = found
    return damages, unclaimed


def wrong_tables(
    folder: Path, manifest: Mapping[str, Any]
) -> dict[str, Literal["missing", "damaged"]]:
    """The tables that are not what the manifest says, by name."""
    found: dict[str, Literal["missing", "damaged"]] = {}
    for name, written in manifest.get("tables", {}).items():
        path = folder / name
        if not path.exists():
            found[name] = "missing"
        elif not path.is_file() or file_checksum(path) != written:
            found[name] = "damaged"
    return found


def mend_tables(folder: Path, manifest: Mapping[str, Any]) -> list[Damage]:
    """Keep tables aside that are not what the manifest says."""
    return [
        Damage(name, why) if why == "missing" else _aside(folder, folder / name, why)
        for name, why in wrong_tables(folder, manifest).items()
    ]
