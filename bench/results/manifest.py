"""The record of what a run's numbers were made from: ``manifest.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robobench.errors import RobobenchError
from robobench.files import write_aside

MANIFEST_FORMAT = 1


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
