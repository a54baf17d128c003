"""Tiny ImageNet: 64 x 64, two hundred classes, in the layout that its archive unpacks to."""

from pathlib import Path
from typing import Final

import numpy as np

from robobench.datasets.classes import wnid_names
from robobench.datasets.files import FileDataset, image_files, some, subfolders
from robobench.datasets.folder import gather
from robobench.datasets.order import hold_out
from robobench.datasets.places import data_root, locate
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import dataset

__all__ = ["tiny_imagenet"]

_NAME: Final = "tiny-imagenet"
_PROFILE: Final = "tiny-imagenet-c"
_VALIDATION: Final = 25  # images of each class that are held out of training


@dataset("tiny-imagenet", training_images=True)
def tiny_imagenet(*, split: str, root: str | Path | None, workers: int | None) -> FileDataset:
    """Tiny ImageNet: 64 x 64, 200 classes, its 10,000 validation images.

    The labels of its own test images were never published. To choose by, 25 images a class are held
    out of the training images (``validation``), the rest is ``train``. Classes are in the order of
    their sorted wnids, as nearly all published networks have them (wnids.txt is in another).

    Args:
        split: ``test``, ``validation`` or ``train``.
        root: As `data_root` has it.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder is missing, or not as its archive unpacks.
    """
    if split not in ("test", "validation", "train"):
        raise unknown_name(f"split of {_NAME}", split, ["test", "validation", "train"])
    advice = "unpack tiny-imagenet-200.zip there"
    home = locate(_NAME, data_root(root), ["tiny-imagenet-200", _NAME], advice)
    wnids = _wnids(home)
    if split == "test":
        if (home / "val" / "val_annotations.txt").is_file():
            return _annotated(home / "val", wnids, workers)
        return _in_folders(home / "val", split, wnids, workers)
    opened = _in_folders(home / "train", split, wnids, workers)
    train, validation = hold_out(opened.labels, _VALIDATION * len(wnids))
    return opened.part(train if split == "train" else validation)


def _wnids(home: Path) -> list[str]:
    try:
        wnids = sorted((home / "wnids.txt").read_text(encoding="utf-8").split())
    except OSError as error:
        raise RobobenchError(f"{home / 'wnids.txt'} cannot be read: {error.strerror}") from None
    if not wnids or len(set(wnids)) != len(wnids):
        raise RobobenchError(f"{home / 'wnids.txt'}: one wnid a line is expected, each once")
    return wnids


def _in_folders(home: Path, split: str, wnids: list[str], workers: int | None) -> FileDataset:
    """Images below one folder a wnid, as the training images come (and some sort the others)."""
    found = subfolders(home)
    if sorted(found) != wnids:
        odd = sorted({*found} ^ {*wnids})
        raise RobobenchError(
            f"dataset {_NAME}: {home} should hold the {len(wnids)} folders that wnids.txt names; "
            f"missing or not named there: {some(odd, 3)}"
        )
    return gather(
        _NAME,
        split,
        root=home,
        labels={wnid: index for index, wnid in enumerate(wnids)},
        class_names=wnid_names(wnids),
        profile=_PROFILE,
        workers=workers,
    )


def _annotated(home: Path, wnids: list[str], workers: int | None) -> FileDataset:
    """Images in one folder, whose classes stand in val_annotations.txt."""
    annotations = home / "val_annotations.txt"
    places = {wnid: index for index, wnid in enumerate(wnids)}
    labels: dict[str, int] = {}
    for number, line in enumerate(annotations.read_text(encoding="utf-8").splitlines(), start=1):
        file, wnid, *_ = [*line.split("\t"), ""]
        if wnid not in places:
            raise RobobenchError(
                f"{annotations}, line {number}: file and wnid, divided by a tab, are expected; "
                f"{wnid!r} is not in wnids.txt"
            )
        labels[file] = places[wnid]
    files, notes = image_files(home / "images")
    odd = sorted({*files} ^ {*labels})
    if odd:
        raise RobobenchError(
            f"dataset {_NAME}: {home / 'images'} and {annotations.name} do not name the same images: "
            f"{some(odd, 3)} is in one only"
        )
    return FileDataset(
        _NAME,
        "test",
        root=home / "images",
        files=files,
        labels=np.array([labels[file] for file in files], dtype=np.int64),
        class_names=wnid_names(wnids),
        profile=_PROFILE,
        workers=workers,
        notes=notes,
    )
