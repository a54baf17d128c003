"""`folder:PATH`: your own images, in one folder per class."""

from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Final

import numpy as np

from robobench.datasets.classes import match_classes, read_classes_file
from robobench.datasets.files import FileDataset, natural_profile
from robobench.datasets.finding import (
    FoundFiles,
    find_files,
    image_files,
    note_of_others,
    refuse_unread,
    skip_broken,
    some,
    subfolders,
)
from robobench.datasets.order import hold_out
from robobench.datasets.places import check_split
from robobench.errors import RobobenchError
from robobench.registry import dataset

__all__ = ["existing_folder", "folder", "gather"]

#: What ``--classes`` takes for the convention of torchvision's ImageFolder.
SORTED: Final = "sorted"

_SPLITS: Final = {
    "test": ("test",),
    "validation": ("validation", "val", "valid"),
    "train": ("train", "training"),
}
_ALL: Final = {name for names in _SPLITS.values() for name in names}


@dataset("folder", version=2)
def folder(
    *,
    argument: str | None,
    split: str,
    classes: str | Path | None,
    class_names: Sequence[str] | EllipsisType | None,
    workers: int | None,
    skip_broken: bool = False,
) -> FileDataset:
    """Your own images (folder:PATH), in one sub-folder per class.

    A folder of class folders is a test split. One with only ``train``, ``validation`` (or ``val``)
    and ``test`` folders in it has those splits.

    Args:
        argument: Path of the folder.
        split: ``test``, ``validation`` or ``train``.
        classes: File that maps folders to classes, see `read_classes_file`; or ``sorted``: the
            sub-folders sorted by name are the classes in order, as in torchvision's ImageFolder.
        class_names: The classifier's classes, see `match_classes`; None takes the folder names.
        workers: Threads that decode.
        skip_broken: Whether images that cannot be read are left out.

    Raises:
        RobobenchError: The folder, the split or its images are missing, or a class folder's name
            matches no class.
    """
    check_split("folder", split, _SPLITS)
    if not argument:
        raise RobobenchError("dataset folder: the path is missing: write folder:PATH")
    if class_names is ...:
        raise RobobenchError(
            f"dataset folder:{argument}: class_names is missing: pass the classifier's, or None to "
            "use the folder names"
        )
    path = existing_folder(argument)
    home, siblings = _split_folder(path, split)
    # The same indices in every split, even where a split lacks a class.
    every = sorted({name for sibling in siblings for name in subfolders(sibling)})
    labels, names = _label(_class_folders(home), every, classes, class_names)
    opened = gather(
        f"folder:{path.resolve().name}",
        split,
        root=home,
        labels=labels,
        class_names=names,
        workers=workers,
        skip=skip_broken,
    )
    if classes == SORTED:
        last = len(every) - 1
        opened.notes += (
            f"{home}: the class folders are in sorted order, {every[0]!r} is 0, {every[-1]!r} {last}",
        )
    return opened


def existing_folder(argument: str) -> Path:
    """The folder that ``folder:PATH`` means.

    Raises:
        RobobenchError: There is none.
    """
    path = Path(argument).expanduser()
    if not path.is_dir():
        problem = "a file, not a folder" if path.exists() else "no such folder"
        raise RobobenchError(f"dataset folder:{argument}: {problem}")
    return path


def _label(
    found: Sequence[str],
    every: Sequence[str],
    classes: str | Path | None,
    class_names: Sequence[str] | None,
) -> tuple[dict[str, int], Sequence[str]]:
    """Class folder to class index, and the names of the classes.

    Args:
        found: Class folders of the split.
        every: Class folders of all splits, sorted.
        classes: As for `folder`.
        class_names: The classifier's classes, None where there is no classifier.
    """
    if classes == SORTED:
        if class_names is not None and len(class_names) != len(every):
            raise RobobenchError(
                f"--classes {SORTED}: expected one sub-folder for each of the classifier's "
                f"{len(class_names)} classes, got {len(every)} ({some(every, 3)})"
            )
        return {name: every.index(name) for name in found}, class_names or every
    mapping = read_classes_file(classes) if classes else None
    if isinstance(mapping, tuple):  # names of the classes, in order
        if class_names is not None and len(class_names) != len(mapping):
            raise RobobenchError(
                f"--classes {classes}: expected one name for each of the classifier's "
                f"{len(class_names)} classes, got {len(mapping)}"
            )
        return match_classes(found, mapping), mapping
    if class_names is not None:
        return match_classes(found, class_names, mapping), class_names
    own = dict(zip(every, every, strict=True)) if mapping is None else mapping
    absent = [name for name in every if name not in own]
    if absent:
        raise RobobenchError(f"--classes {classes} does not list folder {some(absent, 3)}")
    names = sorted({own[name] for name in every})
    return {name: names.index(own[name]) for name in found}, names


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
    skip: bool = False,
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
        skip: Whether images that cannot be read are left out, as if they were not there.

    Returns:
        The images, ordered by folder and file name; notes name empty class folders.

    Raises:
        RobobenchError: No folder contains an image, or one has a format that cannot be read.
    """
    found = FoundFiles([], [], [])
    empty: list[str] = []
    notes: list[str] = []
    for class_folder in labels:
        inside = find_files(root / class_folder)
        found.images.extend(f"{class_folder}/{file}" for file in inside.images)
        found.unread.extend(f"{class_folder}/{file}" for file in inside.unread)
        notes += note_of_others(root / class_folder, inside.others)
        if not inside.images:
            empty.append(class_folder)
    if skip:
        files, skipped, remarks = skip_broken(root, found, workers)
        notes += remarks
    else:
        refuse_unread(root, found.unread)
        files, skipped = found.images, []
    if not files:
        left = f" but {len(skipped)} that cannot be read" if skipped else ""
        raise RobobenchError(f"dataset {name}: no image in the class folders of {root}{left}")
    if empty:
        notes.append(f"{root}: left out {some(empty, 3)}: class folders without an image")
    return FileDataset(
        name,
        split,
        root=root,
        files=files,
        labels=np.array([labels[file.partition("/")[0]] for file in files], dtype=np.int64),
        class_names=class_names,
        profile=profile or natural_profile([root / file for file in files]),
        workers=workers,
        notes=notes,
        skipped=skipped,
        prepared=prepared,
    )


def part_of_training(opened: FileDataset, split: str, per_class: int) -> FileDataset:
    """A part of published training images, of which some are held out for model selection.

    Args:
        opened: The training images.
        split: ``train`` or ``validation``.
        per_class: How many of each class are held out.
    """
    count = per_class * len(set(opened.labels.tolist()))
    train, validation = hold_out(opened.labels, count)
    return opened.part(train if split == "train" else validation)


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
