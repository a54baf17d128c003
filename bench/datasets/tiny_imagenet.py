"""Tiny ImageNet: 64 x 64, 200 classes, in the layout of the unpacked archive."""

from pathlib import Path
from typing import Final

import numpy as np

from robobench.datasets.classes import wnid_names
from robobench.datasets.files import FileDataset
from robobench.datasets.finding import image_files, some, subfolders
from robobench.datasets.folder import gather, part_of_training
from robobench.datasets.places import check_split, data_root, locate
from robobench.errors import RobobenchError
from robobench.registry import dataset

__all__ = ["TINY_HOMES", "tiny_imagenet", "wnids_of"]

_NAME: Final = "tiny-imagenet"
TINY_HOMES: Final = ("tiny-imagenet-200", _NAME)
_PROFILE: Final = "tiny-imagenet-c"
_VALIDATION: Final = 25  # images of each class that are held out of training


@dataset("tiny-imagenet", training_images=True)
def tiny_imagenet(*, split: str, root: str | Path | None, workers: int | None) -> FileDataset:
    """Tiny ImageNet: 64 x 64, 200 classes, its 10,000 validation images.

    The labels of its own test images were never published. For model selection, 25 images per class
    are held out of the training images (``validation``); the rest is ``train``. Classes are ordered
    by wnid, as in nearly all published networks (wnids.txt has another order).

    Args:
        split: ``test``, ``validation`` or ``train``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder is missing, or differs from the unpacked archive.
    """
    check_split(_NAME, split, ["test", "validation", "train"])
    advice = "unpack tiny-imagenet-200.zip there"
    home = locate(_NAME, data_root(root), TINY_HOMES, advice)
    wnids = wnids_of(home)
    if split == "test":
        if (home / "val" / "val_annotations.txt").is_file():
            return _annotated(home / "val", wnids, workers)
        return _in_folders(home / "val", split, wnids, workers)
    opened = _in_folders(home / "train", split, wnids, workers)
    return part_of_training(opened, split, _VALIDATION)


def wnids_of(home: Path) -> list[str]:
    """The classes that a folder's wnids.txt lists, sorted."""
    try:
        wnids = sorted((home / "wnids.txt").read_text(encoding="utf-8").split())
    except OSError as error:
        raise RobobenchError(f"{home / 'wnids.txt'} cannot be read: {error.strerror}") from None
    if not wnids or len(set(wnids)) != len(wnids):
        raise RobobenchError(f"{home / 'wnids.txt'}: expected one wnid per line, each once")
    return wnids


def _in_folders(home: Path, split: str, wnids: list[str], workers: int | None) -> FileDataset:
    """Images in one folder per wnid, like the training images (and often the validation images)."""
    found = subfolders(home)
    if sorted(found) != wnids:
        odd = sorted({*found} ^ {*wnids})
        raise RobobenchError(
            f"dataset {_NAME}: expected the {len(wnids)} folders of wnids.txt in {home}; "
            f"missing or not listed: {some(odd, 3)}"
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
    """Images in one folder, whose classes are listed in val_annotations.txt."""
    annotations = home / "val_annotations.txt"
    places = {wnid: index for index, wnid in enumerate(wnids)}
    labels: dict[str, int] = {}
    for number, line in enumerate(annotations.read_text(encoding="utf-8").splitlines(), start=1):
        file, wnid, *_ = [*line.split("\t"), ""]
        if wnid not in places:
            raise RobobenchError(
                f"{annotations}, line {number}: expected file and wnid, separated by a tab; "
                f"{wnid!r} is not in wnids.txt"
            )
        labels[file] = places[wnid]
    files, notes = image_files(home / "images")
    odd = sorted({*files} ^ {*labels})
    if odd:
        raise RobobenchError(
            f"dataset {_NAME}: {home / 'images'} and {annotations.name} list different images: "
            f"only one has {some(odd, 3)}"
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
