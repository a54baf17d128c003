"""The record of what a run's numbers were made from: ``manifest.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.types import Cell

MANIFEST_FORMAT = 2
# Of a method in a manifest and in its cells: what its numbers depend on beside its weights.
IDENTITY = ("normalisation", "layer", "method_version", "backbone_version")


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` of a run, whole or not at all."""
    text = json.dumps({"format": MANIFEST_FORMAT, **manifest}, indent=1, sort_keys=False)
    write_aside(folder / "manifest.json", text.encode() + b"\n")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest in a run's folder, or None if it is missing.

    Raises:
        RobobenchError: The file is not a manifest, or of another format.
    """
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RobobenchError(f"{path} is not a robobench manifest: {error}") from error
    if found != MANIFEST_FORMAT:
        raise RobobenchError(
            f"{path} has format {found}, but this version reads {MANIFEST_FORMAT}: read it with "
            f"the version that wrote it ({manifest.get('versions', {}).get('robobench', 'unknown')})"
        )
    return dict(manifest)


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
