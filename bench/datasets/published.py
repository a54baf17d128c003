"""Degraded images published as folders: corruption, severity, class, image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from robobench.corruptions.catalogue import announce_published
from robobench.datasets.degraded import Degraded
from robobench.datasets.files import FileDataset
from robobench.datasets.finding import some, subfolders
from robobench.datasets.places import check_split, data_root, locate
from robobench.errors import RobobenchError

__all__ = ["matching", "open_published", "plain_severities"]

Severities = Callable[[str, Sequence[str]], Mapping[str, int]]
_PLAIN: Final = frozenset("12345")


def plain_severities(corruption: str, folders: Sequence[str]) -> Mapping[str, int]:
    """Severity by folder name, ``1`` to ``5``; empty if there are others."""
    return {name: int(name) for name in folders} if _PLAIN.issuperset(folders) else {}


def open_published(
    name: str,
    *,
    split: str,
    root: str | Path | None,
    homes: Sequence[str],
    advice: str,
    open_folder: Callable[[Path], FileDataset],
    open_clean: Callable[[Path, FileDataset], FileDataset | None] = lambda place, first: None,
    severities: Severities = plain_severities,
    identity: Callable[[str], str] = lambda file: file,
) -> Degraded:
    """Open the folders of a published set.

    Args:
        name: Name of the data set; also the group of corruptions that robobench cannot compute.
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        homes: Names of the set's folder, the most common first.
        advice: How to get it, for messages.
        open_folder: Opens the class folders of one corruption at one severity.
        open_clean: Opens the clean images, given the root and the first copy.
        severities: Corruption and names of folders in it to the severity of each, or to nothing if
            they are no severities.
        identity: A file's path below the severity to what it has in common with its other copies.

    Raises:
        RobobenchError: The folder is missing or does not have this layout, or copies hold different
            images.
    """
    check_split(name, split, ["test"])
    place = data_root(root)
    base = locate(name, place, homes, advice)
    copies = _find_copies(base, severities)
    if not copies:
        raise RobobenchError(
            f"dataset {name}: no folder <corruption>/<severity> in {base}; {advice}"
        )
    announce_published({corruption for corruption, _ in copies}, name)
    first = open_folder(copies[min(copies)])
    known = [identity(file) for file in first.files]

    def open_copy(corruption: str, severity: int) -> FileDataset:
        opened = open_folder(copies[corruption, severity])
        if opened.files == first.files:
            opened.files = first.files  # one list of 50,000 names, not one per copy
            return opened
        own = [identity(file) for file in opened.files]
        if odd := sorted({*own} ^ {*known}):
            raise RobobenchError(
                f"{opened.root} and {first.root} hold different images, only one has {some(odd, 3)}: "
                "unpack them again"
            )
        if own == known:
            return opened
        places = {file: index for index, file in enumerate(own)}
        return opened.part(np.array([places[k] for k in known]))

    opened = Degraded(
        name,
        labels=first.labels,
        class_names=first.class_names,
        profile=first.profile,
        copies=list(copies),
        open_copy=open_copy,
        open_clean=lambda: open_clean(place, first),
        identify=lambda: hashlib.sha256(
            f"{sorted(copies)} {first.fingerprint()}".encode()
        ).hexdigest(),
    )
    opened.notes = first.notes
    return opened


def _find_copies(base: Path, severities: Severities) -> dict[tuple[str, int], Path]:
    """Corruption and severity to folder, also one level down, as some tar files unpack."""
    copies = {}
    for folder in (base, *(base / name for name in subfolders(base))):
        for corruption in subfolders(folder):
            inside = subfolders(folder / corruption)
            for name, severity in severities(corruption, inside).items():
                copies[corruption, severity] = folder / corruption / name
    return copies


def matching(clean: FileDataset, degraded: FileDataset, name: str) -> FileDataset:
    """The clean images that the degraded ones were made from, in their order.

    Raises:
        RobobenchError: Some are missing.
    """

    def identity(dataset: FileDataset, index: int) -> tuple[int, str]:
        return int(dataset.labels[index]), PurePosixPath(dataset.files[index]).stem

    places = {identity(clean, index): index for index in range(len(clean))}
    wanted = [identity(degraded, index) for index in range(len(degraded))]
    missing = [stem for label, stem in wanted if (label, stem) not in places]
    if missing:
        raise RobobenchError(
            f"{clean.root} lacks {some(missing, 3)}, which {degraded.root} has degraded copies of: "
            f"the clean images of {name} are those of the same names"
        )
    return clean.part(np.array([places[key] for key in wanted], dtype=np.int64))
