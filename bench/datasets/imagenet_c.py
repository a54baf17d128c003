"""ImageNet-C and its relatives, read from the folders as published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from robobench.corruptions.catalogue import severity_table
from robobench.datasets.classes import wnid_names
from robobench.datasets.degraded import Degraded
from robobench.datasets.files import FileDataset
from robobench.datasets.finding import subfolders
from robobench.datasets.folder import gather
from robobench.datasets.imagenet import class_folders, find_imagenet
from robobench.datasets.laion_classes import SUPERCLASSES
from robobench.datasets.places import data_root
from robobench.datasets.published import matching, open_published, plain_severities
from robobench.datasets.readout import Readout
from robobench.datasets.tiny_imagenet import TINY_HOMES, tiny_imagenet, wnids_of
from robobench.errors import RobobenchError
from robobench.registry import CORRUPTIONS, dataset

__all__ = ["imagenet_3dcc", "imagenet_c", "imagenet_c_bar", "laion_c", "tiny_imagenet_c"]

_IMAGENET_CLASSES: Final = 1000
_TINY_CLASSES: Final = 200
_LEVEL: Final = re.compile(r"(?:intensity_(?:level_)?)?([1-5])")
# What LAION-C's script adds to the name of the image that it was made from.
_MADE_BY: Final = re.compile(
    r"\.?_(?:geometric_shapes|stickers?|luminance|glitched|vertical_lines|mosaic)_[1-5]$"
)


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
    homes = ["ImageNet-C", "imagenet-c", "Imagenet-C"]
    advice = "unpack the tar files of Zenodo record 2235448 there"
    return _of_imagenet("imagenet-c", split, root, workers, homes, advice)


@dataset("imagenet-c-bar", networks_of="imagenet")
def imagenet_c_bar(*, split: str, root: str | Path | None, workers: int | None) -> Degraded:
    """ImageNet-C-bar as published (Mintun et al. 2021): corruption/severity/wnid.

    Severities are 1 to 5, as in the published archive, or the parameters that the published script
    names its folders by (``caustic_refraction/2.35``).

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder is missing or does not have this layout.
    """
    homes = ["imagenet-c-bar", "imagenet_c_bar", "ImageNet-C-Bar", "ImageNet-C-bar"]
    advice = "unpack imagenet_c_bar.tar.gz of facebookresearch/augmentation-corruption there"
    return _of_imagenet(
        "imagenet-c-bar", split, root, workers, homes, advice, severities=_by_parameter
    )


def _by_parameter(corruption: str, folders: Sequence[str]) -> Mapping[str, int]:
    plain = plain_severities(corruption, folders)
    if plain or corruption not in CORRUPTIONS:
        return plain
    try:
        levels = severity_table(corruption, "imagenet-c")
    except RobobenchError:
        return {}
    numbers = [level for level in levels if isinstance(level, int | float)]
    severities = {f"{level:.2f}": k for k, level in enumerate(numbers, start=1)}
    return {f: severities[f] for f in folders} if {*folders} <= {*severities} else {}


@dataset("imagenet-3dcc", networks_of="imagenet")
def imagenet_3dcc(*, split: str, root: str | Path | None, workers: int | None) -> Degraded:
    """ImageNet-3DCC as published (Kar et al. 2022): near_focus/1/n01440764 and so on.

    Its corruptions need the depth of a scene: they exist as published files only.

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder is missing or does not have this layout.
    """
    homes = ["imagenet_3dcc", "imagenet-3dcc", "ImageNet-3DCC"]
    advice = "unpack the tar.gz files of 3dcommoncorruptions.epfl.ch there"
    return _of_imagenet("imagenet-3dcc", split, root, workers, homes, advice)


def _of_imagenet(
    name: str,
    split: str,
    root: str | Path | None,
    workers: int | None,
    homes: Sequence[str],
    advice: str,
    **layout: object,
) -> Degraded:
    """Copies of ImageNet's validation images in folders named after its classes."""

    def clean(place: Path, first: FileDataset) -> FileDataset | None:
        home = find_imagenet(place, "test")
        if home is None:
            return None
        return matching(class_folders("imagenet", split, home, workers), first, name)

    return open_published(
        name,
        split=split,
        root=root,
        homes=homes,
        advice=advice,
        open_folder=lambda at: class_folders(name, split, at, workers, prepared=True),
        open_clean=clean,
        **layout,  # type: ignore[arg-type]
    )


@dataset("tiny-imagenet-c", networks_of="tiny-imagenet")
def tiny_imagenet_c(*, split: str, root: str | Path | None, workers: int | None) -> Degraded:
    """Tiny ImageNet-C as published (64 x 64): corruption/severity/wnid.

    Classes are ordered by wnid, as those of ``tiny-imagenet``. Its images are clean images of
    ``tiny-imagenet`` where these have the same names.

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder is missing or does not have this layout, or has not 200 classes.
    """
    name = "tiny-imagenet-c"
    place = data_root(root)
    listed = next(
        (wnids_of(place / home) for home in TINY_HOMES if (place / home / "wnids.txt").is_file()),
        None,
    )

    def open_folder(at: Path) -> FileDataset:
        found = subfolders(at)
        wnids = listed or found
        if len(wnids) != _TINY_CLASSES and listed is None:
            raise RobobenchError(
                f"dataset {name}: expected {_TINY_CLASSES} class folders in {at}, got {len(found)}"
            )
        if odd := [one for one in found if one not in wnids]:
            raise RobobenchError(f"dataset {name}: {at / odd[0]} is no class of wnids.txt")
        return gather(
            name,
            split,
            root=at,
            labels={wnid: wnids.index(wnid) for wnid in found},
            class_names=wnid_names(wnids),
            profile="tiny-imagenet-c",
            workers=workers,
            prepared=True,
        )

    def clean(at: Path, first: FileDataset) -> FileDataset | None:
        if listed is None:
            return None
        try:
            opened = tiny_imagenet(split="test", root=at, workers=workers)
            return matching(opened, first, name)
        except RobobenchError:  # other names: there is no telling which is which
            return None

    return open_published(
        name,
        split=split,
        root=root,
        homes=["Tiny-ImageNet-C", "tiny-imagenet-c", "TinyImageNet-C"],
        advice="unpack Tiny-ImageNet-C.tar of Zenodo record 2536630 there",
        open_folder=open_folder,
        open_clean=clean,
    )


@dataset("laion-c", networks_of="imagenet")
def laion_c(*, split: str, root: str | Path | None, workers: int | None) -> Degraded:
    """LAION-C as published (Li et al. 2025): distortion/intensity/superclass, 16 superclasses.

    The probability of a superclass is the mean over its ImageNet classes, as in the published
    evaluation. Intensities are folders ``1`` to ``5`` or ``intensity_level_1`` to ``5``. There are no
    clean images with it.

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: The folder is missing or does not have this layout, or a folder is no
            superclass.
    """
    name, names = "laion-c", tuple(SUPERCLASSES)

    def open_folder(at: Path) -> FileDataset:
        found = subfolders(at)
        if odd := [one for one in found if one not in names]:
            raise RobobenchError(
                f"dataset {name}: {at / odd[0]} is none of its superclasses {', '.join(names)}"
            )
        labels = {one: names.index(one) for one in found}
        return gather(
            name,
            split,
            root=at,
            labels=labels,
            class_names=names,
            profile="imagenet-c",
            workers=workers,
            prepared=True,
        )

    opened = open_published(
        name,
        split=split,
        root=root,
        homes=["laion-c", "LAION-C", "laionc"],
        advice="unpack the files of Zenodo record 14051887 there",
        open_folder=open_folder,
        severities=_by_intensity,
        identity=lambda file: _MADE_BY.sub("", file.rpartition(".")[0]),
    )
    opened.readout = Readout(list(SUPERCLASSES.values()), outputs=_IMAGENET_CLASSES)
    opened.notes += ("The 16 superclasses count: the mean probability of their ImageNet classes.",)
    return opened


def _by_intensity(corruption: str, folders: Sequence[str]) -> Mapping[str, int]:
    found = {name: _LEVEL.fullmatch(name) for name in folders}
    if not all(found.values()):
        return {}
    return {name: int(match[1]) for name, match in found.items() if match}
