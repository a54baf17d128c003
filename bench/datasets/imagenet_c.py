"""ImageNet-C, read from the folders as published."""

import hashlib
from pathlib import Path, PurePosixPath

import numpy as np

from robobench.datasets.degraded import Degraded
from robobench.datasets.files import FileDataset
from robobench.datasets.finding import some, subfolders
from robobench.datasets.imagenet import class_folders, find_imagenet
from robobench.datasets.places import data_root, locate
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import dataset

__all__ = ["imagenet_c"]

_SEVERITIES = frozenset("12345")


@dataset("imagenet-c", networks_of="imagenet")
def imagenet_c(*, split: str, root: str | Path | None, workers: int | None) -> Degraded:
    """ImageNet-C as published (corruption/severity/wnid, also below blur, noise, ...).

    The images were resized and cropped to 224 x 224 before they were degraded, so they are not
    resized again: see `FileDataset` on *prepared* images.

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder is missing or does not have this layout.
    """
    name = "imagenet-c"
    if split != "test":
        raise unknown_name(f"split of {name}", split, ["test"])
    place = data_root(root)
    advice = "unpack the tar files of Zenodo record 2235448 there"
    base = locate(name, place, ["ImageNet-C", "imagenet-c", "Imagenet-C"], advice)
    copies = _find_copies(base)
    if not copies:
        raise RobobenchError(
            f"dataset {name}: no folder <corruption>/<severity> in {base}; {advice}"
        )
    first = class_folders(name, split, copies[min(copies)], workers, prepared=True)

    def open_copy(corruption: str, severity: int) -> FileDataset:
        opened = class_folders(name, split, copies[corruption, severity], workers, prepared=True)
        odd = sorted({*opened.files} ^ {*first.files})
        if odd:
            raise RobobenchError(
                f"{opened.root} and {first.root} hold different images, only one has {some(odd, 3)}: "
                "unpack them again"
            )
        opened.files = first.files  # one list of 50,000 names, not one per copy
        return opened

    def open_clean() -> FileDataset | None:
        home = find_imagenet(place, "test")
        if home is None:
            return None
        return _matching(class_folders("imagenet", split, home, workers), first)

    opened = Degraded(
        name,
        labels=first.labels,
        class_names=first.class_names,
        profile="imagenet-c",
        copies=list(copies),
        open_copy=open_copy,
        open_clean=open_clean,
        identify=lambda: hashlib.sha256(
            f"{sorted(copies)} {first.fingerprint()}".encode()
        ).hexdigest(),
    )
    opened.notes = first.notes
    return opened


def _find_copies(base: Path) -> dict[tuple[str, int], Path]:
    """Corruption and severity to folder, also one level down, as the tar files unpack."""
    copies = {}
    for folder in (base, *(base / name for name in subfolders(base))):
        for corruption in subfolders(folder):
            severities = subfolders(folder / corruption)
            if severities and _SEVERITIES.issuperset(severities):
                for severity in severities:
                    copies[corruption, int(severity)] = folder / corruption / severity
    return copies


def _matching(clean: FileDataset, degraded: FileDataset) -> FileDataset:
    """The clean images that the degraded ones were made from, in their order."""

    def identity(dataset: FileDataset, index: int) -> tuple[int, str]:
        return int(dataset.labels[index]), PurePosixPath(dataset.files[index]).stem

    places = {identity(clean, index): index for index in range(len(clean))}
    wanted = [identity(degraded, index) for index in range(len(degraded))]
    missing = [stem for label, stem in wanted if (label, stem) not in places]
    if missing:
        raise RobobenchError(
            f"{clean.root} lacks {some(missing, 3)}, which {degraded.root} has degraded copies of: "
            "the clean images of imagenet-c are ImageNet's validation images of the same names"
        )
    return clean.part(np.array([places[key] for key in wanted], dtype=np.int64))
