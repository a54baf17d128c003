"""ImageNet (ILSVRC 2012): its validation and training folders."""

from pathlib import Path
from typing import Final

from robobench.datasets.classes import imagenet_classes, match_classes
from robobench.datasets.files import FileDataset
from robobench.datasets.finding import image_files, subfolders
from robobench.datasets.folder import gather, part_of_training
from robobench.datasets.places import check_split, data_root, locate
from robobench.errors import RobobenchError
from robobench.registry import dataset

__all__ = ["class_folders", "find_imagenet", "imagenet"]

_HOMES: Final = ("imagenet", "ImageNet", "ILSVRC2012", ".")
_PARTS: Final = {"test": ("val", "validation"), "train": ("train",)}
_VALIDATION: Final = 10  # images of each class that are held out of training


@dataset("imagenet")
def imagenet(
    *, split: str, root: str | Path | None, workers: int | None, skip_broken: bool = False
) -> FileDataset:
    """ImageNet: its 50,000 validation images, in class folders (imagenet/val/n01440764).

    Class folders are named by wnid, class index or class name. The published validation set is the
    test split here, since accuracies are usually reported on it. For model selection, ten images
    per class are held out of ``imagenet/train`` (``validation``); the rest is ``train``.

    Args:
        split: ``test``, ``validation`` or ``train``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.
        skip_broken: Whether images that cannot be read are left out.

    Raises:
        RobobenchError: The folder is missing, or its sub-folders are not classes.
    """
    check_split("imagenet", split, ["test", "validation", "train"])
    place = data_root(root)
    part = "test" if split == "test" else "train"
    home = find_imagenet(place, part)
    if home is None:
        home = locate(
            "imagenet",
            place,
            [f"imagenet/{_PARTS[part][0]}"],
            "ImageNet has a licence of its own: put its class folders there by hand",
        )
    opened = class_folders("imagenet", split, home, workers, skip=skip_broken)
    if split == "test":
        return opened
    return part_of_training(opened, split, _VALIDATION)


def find_imagenet(place: Path, part: str) -> Path | None:
    """The folder of validation (``test``) or training images below a root, or None."""
    for home in _HOMES:
        for name in _PARTS[part]:
            if (place / home / name).is_dir():
                return place / home / name
    return None


def class_folders(
    name: str,
    split: str,
    home: Path,
    workers: int | None,
    *,
    prepared: bool = False,
    skip: bool = False,
) -> FileDataset:
    """Make a data set from folders named after ImageNet's classes.

    Args:
        name: Name of the data set.
        split: Split of the data set.
        home: Folder that holds the class folders.
        workers: Threads that decode.
        prepared: See `FileDataset`.
        skip: See `gather`.

    Raises:
        RobobenchError: There are no class folders, or they are not ImageNet's classes.
    """
    wnids, names = imagenet_classes()
    found = subfolders(home)
    if not found:
        loose, _ = image_files(home)
        what = f"got {len(loose)} images without one" if loose else "it is empty"
        raise RobobenchError(
            f"dataset {name}: expected class folders (n01440764, ...) in {home}, {what}"
        )
    opened = gather(
        name,
        split,
        root=home,
        labels=match_classes(found, names),
        class_names=names,
        profile="imagenet-c",
        workers=workers,
        prepared=prepared,
        skip=skip,
    )
    if len(found) < len(wnids):
        opened.notes += (f"{home}: {len(found)} of {len(wnids)} class folders are there",)
    return opened
