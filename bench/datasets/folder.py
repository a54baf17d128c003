"""`folder:PATH`: your own images, in one folder per class."""

from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Final

import numpy as np

from robobench.datasets.classes import match_classes, read_classes_file
from robobench.datasets.files import FileDataset, image_files, natural_profile, some, subfolders
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import dataset

__all__ = ["folder", "gather"]

_SPLITS: Final = {
    "test": ("test",),
    "validation": ("validation", "val", "valid"),
    "train": ("train", "training"),
}
_ALL: Final = {name for names in _SPLITS.values() for name in names}


@dataset("folder")
def folder(
    *,
    argument: str | None,
    split: str,
    classes: str | Path | None,
    class_names: Sequence[str] | EllipsisType | None,
    workers: int | None,
) -> FileDataset:
    """Your own images (folder:PATH), in one sub-folder per class.

    A folder of class folders is a test split. One with only ``train``, ``validation`` (or ``val``)
    and ``test`` folders in it has those splits.

    Args:
        argument: Path of the folder.
        split: ``test``, ``validation`` or ``train``.
        classes: File that maps folders to classes, see `read_classes_file`.
        class_names: The classifier's classes, see `match_classes`; None takes the folder names.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder, the split or its images are missing, or a class folder's name
            matches no class.
    """
    if split not in _SPLITS:
        raise unknown_name("split of folder", split, _SPLITS)
    if not argument:
        raise RobobenchError("dataset folder: the path is missing: write folder:PATH")
    if class_names is ...:
        raise RobobenchError(
            f"dataset folder:{argument}: class_names is missing: pass the classifier's, or None to "
            "use the folder names"
        )
    path = Path(argument).expanduser()
    if not path.is_dir():
        problem = "a file, not a folder" if path.exists() else "no such folder"
        raise RobobenchError(f"dataset folder:{argument}: {problem}")
    home, siblings = _split_folder(path, split)
    mapping = read_classes_file(classes) if classes else None
    found = _class_folders(home)
    if class_names is not None:
        names: Sequence[str] = class_names
        labels = match_classes(list(found), class_names, mapping)
    else:
        # The same indices in every split, even where a split lacks a class.
        every = sorted({name for sibling in siblings for name in subfolders(sibling)})
        own = dict(zip(every, every, strict=True)) if mapping is None else mapping
        absent = [name for name in every if name not in own]
        if absent:
            raise RobobenchError(f"--classes {classes} does not list folder {some(absent, 3)}")
        names = sorted({own[name] for name in every})
        labels = {name: names.index(own[name]) for name in found}
    return gather(
        f"folder:{path.resolve().name}",
        split,
        root=home,
        labels=labels,
        class_names=names,
        workers=workers,
    )


def gather(
    name: str,
    split: str,
    *,
    root: Path,
    labels: dict[str, int],
    class_names: Sequence[str],
    profile: str | None = None,
    workers: int | None = None,
    prepared: bool = False,
) -> FileDataset:
    """Make a data set from the images in class folders.

    Args:
        name: Name of the data set.
        split: Split of the data set.
        root: Folder that holds the class folders.
        labels: Class folder to class index.
        class_names: Names of the classes, in the order of the indices.
        profile: Severity table; None takes the one with the nearest image size.
        workers: Threads that decode.
        prepared: See `FileDataset`.

    Returns:
        The images, ordered by folder and file name; notes name empty class folders.

    Raises:
        RobobenchError: No folder contains an image.
    """
    files: list[str] = []
    truth: list[int] = []
    empty: list[str] = []
    notes: list[str] = []
    for class_folder, label in labels.items():
        inside, remarks = image_files(root / class_folder)
        files += [f"{class_folder}/{file}" for file in inside]
        truth += [label] * len(inside)
        notes += remarks
        if not inside:
            empty.append(class_folder)
    if not files:
        raise RobobenchError(f"dataset {name}: no image in the class folders of {root}")
    if empty:
        notes.append(f"{root}: left out {some(empty, 3)}: class folders without an image")
    return FileDataset(
        name,
        split,
        root=root,
        files=files,
        labels=np.array(truth, dtype=np.int64),
        class_names=class_names,
        profile=profile or natural_profile([root / file for file in files]),
        workers=workers,
        notes=notes,
        prepared=prepared,
    )


def _split_folder(path: Path, split: str) -> tuple[Path, list[Path]]:
    """The folder of a split's class folders, and those of all splits."""
    inside = subfolders(path)
    lower = {name.lower(): name for name in inside}
    if inside and set(lower) <= _ALL:
        for name in _SPLITS[split]:
            if name in lower:
                return path / lower[name], [path / other for other in inside]
        raise RobobenchError(
            f"dataset folder:{path} has {', '.join(inside)} but no {split}: rename one of them to "
            f"{split}, or choose another with --split or folder:{path / inside[0]}"
        )
    others = [name for name in inside if name.lower() not in _ALL]
    if len(among := [name for name in inside if name.lower() in _ALL]) > 1:
        raise RobobenchError(
            f"dataset folder:{path} has {', '.join(among)} next to {some(others, 3)}: write "
            f"folder:{path / among[0]} or similar, or move the others elsewhere"
        )
    if split != "test":
        raise RobobenchError(
            f"dataset folder:{path} has no {split} split, its class folders are a test split: put "
            f"them into folders train, validation and test, and the images to train on into {split}"
        )
    return path, [path]


def _class_folders(home: Path) -> list[str]:
    found = subfolders(home)
    if not found:
        loose, _ = image_files(home)
        what = f"got {len(loose)} images without one" if loose else "it is empty"
        raise RobobenchError(f"dataset folder:{home}: expected one sub-folder per class, {what}")
    return found
