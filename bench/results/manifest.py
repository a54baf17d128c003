"""The record of what a run's numbers were made from: ``manifest.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.types import Cell

MANIFEST_FORMAT = 2
MANIFEST, COPY = "manifest.json", "manifest.copy.json"
TABLES = ("results.parquet", "results.csv")
DRIFT = "drift.csv"  # of the features, where it was measured
# Of a method in a manifest and in its cells: what its numbers depend on beside its weights.
IDENTITY = ("normalisation", "layer", "method_version", "backbone_version", "compiled")


class DamagedManifest(RobobenchError):
    """A manifest that is there and is not what was written."""


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` of a run, whole or not at all, with a checksum; then its copy.

    `robobench.results.mending.restore_manifest` puts the copy in its place if it is damaged.
    """
    content = json.loads(json.dumps({"format": MANIFEST_FORMAT, **manifest}))
    content["checksum"] = _checksum(content)
    text = (json.dumps(content, indent=1) + "\n").encode()
    for name in (MANIFEST, COPY):
        write_aside(folder / name, text)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest in a run's folder, or None if there is neither a manifest nor a copy of it.

    Raises:
        RobobenchError: It is missing or damaged, or of another format.
    """
    try:
        manifest = parse_manifest(folder / MANIFEST)
    except DamagedManifest as error:
        raise DamagedManifest(f"{error}; {_remedy(folder)}") from error
    if manifest is None and (folder / COPY).exists():
        raise DamagedManifest(f"{folder / MANIFEST} is missing; {_remedy(folder)}")
    return manifest


def parse_manifest(path: Path) -> dict[str, Any] | None:
    """One manifest file, None if it is missing.

    Raises:
        DamagedManifest: It is not what was written.
        RobobenchError: It is of another format, or cannot be read.
    """
    try:
        manifest = dict(json.loads(path.read_text(encoding="utf-8")))
        found = manifest["format"]
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise RobobenchError(f"{path} cannot be read: {error.strerror}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedManifest(f"{path} is not a robobench manifest: {error}") from error
    # Runs made before there were checksums have none; `verify` says so.
    if "checksum" in manifest and manifest["checksum"] != _checksum(manifest):
        raise DamagedManifest(f"{path} is damaged: its checksum does not match")
    if found != MANIFEST_FORMAT:
        raise RobobenchError(
            f"{path} has format {found}, but this version reads {MANIFEST_FORMAT}: read it with "
            f"the version that wrote it ({manifest.get('versions', {}).get('robobench', 'unknown')})"
        )
    return manifest


def _remedy(folder: Path) -> str:
    """What to do about a manifest that is not there as it was written."""
    try:
        copy = parse_manifest(folder / COPY)
    except RobobenchError:
        copy = None
    if copy is None:
        return "there is no intact copy of it either: run again into another folder (--out)"
    return f"{how_to_repeat(copy)} restores it from its copy"


def how_to_repeat(manifest: Mapping[str, Any]) -> str:
    """The command of a run, as the subject of a sentence."""
    command = str(manifest.get("command", ""))
    return f"`{command}`" if command.startswith("robobench ") else "the same run, repeated,"


def _checksum(manifest: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def recorded_checksums(manifest: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """SHA-256 of every cell file as it was last written, and its number of images.

    Args:
        manifest: As `read_manifest` returns it.

    Returns:
        By the part of the cell's digest that is in its file name.
    """
    found: dict[str, tuple[str, int]] = {}
    for session in manifest.get("sessions", ()):
        made = session.get("made", ())
        if isinstance(made, Mapping):  # a list of digests where an earlier version ran
            sizes = session.get("sizes", {})  # of cells that have some of the images, by design
            images = session["images"]
            found.update({c: (sums, sizes.get(c, images)) for c, sums in made.items()})
    return found


def timed_methods(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The methods of a manifest, with how long they took where a session measured it.

    Returns:
        Its entries; those measured also have ``milliseconds`` per image, the images of a ``batch``, and
        ``timed_on``, the machine in words. The last session that measured a method counts.
    """
    times: dict[tuple[str, str, str, int], dict[str, Any]] = {}
    for session in manifest.get("sessions", ()):
        for told in session.get("times", ()):
            machine = manifest["environments"][session["environment"]]["machine"]
            times[row_of(told)] = {
                "milliseconds": told["milliseconds"],
                "batch": told["batch"],
                "timed_on": _in_words(machine),
            }
    found = [{**times.get(row_of(entry), {}), **entry} for entry in manifest.get("methods", ())]
    for entry in found:
        if "timed_on" in entry and entry.get("compiled"):
            entry["timed_on"] += ", compiled"
    return found


def compilation_of(manifest: Mapping[str, Any]) -> str:
    """Whether a run compiles networks: ``always`` or ``never``, which earlier versions did not tell."""
    return str(manifest.get("configuration", {}).get("compile", "never"))


def _in_words(machine: Mapping[str, Any]) -> str:
    """Device, threads and precision: ``x86_64, 2 threads, fp32``."""
    name, device = str(machine.get("device_name", "")), str(machine.get("device", ""))
    parts = [name or device, machine.get("precision", "")]
    if device == "cpu":
        threads = machine.get("threads", "?")
        parts.insert(1, f"{threads} thread{'' if threads == 1 else 's'}")
    return ", ".join(filter(None, parts))


class ListedCells:
    """The cells that a manifest accounts for: made by the methods, weights and code that it names.

    A folder may also hold cells of weights or code that have changed since.

    Args:
        manifest: As `read_manifest` returns it.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._methods = {row_of(m): m for m in manifest["methods"]}
        self._corruptions = manifest.get("corruption_versions", {})
        self._dataset = manifest["dataset"].get("version", "")

    def __contains__(self, cell: Cell) -> bool:
        key = cell.backbone, cell.method, cell.trained_on, cell.train_seed
        listed = self._methods.get(key)
        return (
            listed is not None
            and cell.weights in listed["weights"].values()
            and all(getattr(cell, name) == listed.get(name, "") for name in IDENTITY)
            and cell.corruption_version == self._corruptions.get(cell.corruption, "")
            and cell.dataset_version == self._dataset
        )


def row_of(method: Mapping[str, Any]) -> tuple[str, str, str, int]:
    """Which row of the tables an entry of a manifest's methods is."""
    return method["backbone"], method["method"], method["trained_on"], method["train_seed"]
