"""Other photographs and pictures of ImageNet's classes: V2, A, R and Sketch, as published."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from robobench.datasets.classes import imagenet_classes, imagenet_subset
from robobench.datasets.files import FileDataset
from robobench.datasets.finding import some, subfolders
from robobench.datasets.imagenet import class_folders
from robobench.datasets.places import check_split, data_root, locate
from robobench.datasets.readout import Readout
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import dataset

__all__ = ["imagenet_a", "imagenet_r", "imagenet_sketch", "imagenet_v2"]

_V2: Final = ("matched-frequency", "threshold0.7", "top-images")


@dataset("imagenet-v2", networks_of="imagenet")
def imagenet_v2(
    *, argument: str | None, split: str, root: str | Path | None, workers: int | None
) -> FileDataset:
    """ImageNet-V2 as published (Recht et al. 2019): 10,000 images in folders 0 to 999.

    ``imagenet-v2`` is matched-frequency; ``imagenet-v2:threshold0.7`` and ``imagenet-v2:top-images``
    are the two others.

    Args:
        argument: Which of the three.
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: There is no such set, or its folder is missing or has other classes.
    """
    kind = _V2[0] if argument is None else argument
    if kind not in _V2:
        raise unknown_name("set of imagenet-v2", kind, _V2)
    published = f"imagenetv2-{kind}-format-val"
    homes = [f"imagenet-v2/{published}", published, f"imagenetv2/{published}"]
    name = "imagenet-v2" if kind == _V2[0] else f"imagenet-v2:{kind}"
    home = _home(name, split, root, homes, f"unpack imagenetv2-{kind}.tar.gz there")
    return class_folders(name, split, home, workers)


@dataset("imagenet-sketch", networks_of="imagenet")
def imagenet_sketch(*, split: str, root: str | Path | None, workers: int | None) -> FileDataset:
    """ImageNet-Sketch as published (Wang et al. 2019): 50,889 sketches in folders by wnid.

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: Its folder is missing or has other classes.
    """
    homes = ["imagenet-sketch", "imagenet-sketch/sketch", "sketch", "ImageNet-Sketch"]
    home = _home("imagenet-sketch", split, root, homes, "unpack ImageNet-Sketch.zip there")
    if subfolders(home) == ["sketch"]:
        home /= "sketch"
    return class_folders("imagenet-sketch", split, home, workers)


@dataset("imagenet-a", networks_of="imagenet")
def imagenet_a(*, split: str, root: str | Path | None, workers: int | None) -> FileDataset:
    """ImageNet-A as published (Hendrycks et al. 2021): 200 classes, the only ones that count.

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: Its folder is missing or has other classes than the published 200.
    """
    return _of_200("imagenet-a", split, root, workers)


@dataset("imagenet-r", networks_of="imagenet")
def imagenet_r(*, split: str, root: str | Path | None, workers: int | None) -> FileDataset:
    """ImageNet-R as published (Hendrycks et al. 2021): 200 classes, the only ones that count.

    Args:
        split: ``test``.
        root: Folder of the data sets, see `data_root`.
        workers: Threads that decode.

    Raises:
        RobobenchError: Its folder is missing or has other classes than the published 200.
    """
    return _of_200("imagenet-r", split, root, workers)


def _of_200(name: str, split: str, root: str | Path | None, workers: int | None) -> FileDataset:
    home = _home(name, split, root, [name], f"unpack {name}.tar there")
    wnids, _ = imagenet_classes()
    members = imagenet_subset(name)
    if odd := [one for one in subfolders(home) if one in wnids and one not in members]:
        raise RobobenchError(
            f"dataset {name}: {home} has {some(odd, 3)}, not among its {len(members)} published "
            "classes"
        )
    opened = class_folders(name, split, home, workers)
    indices = [wnids.index(wnid) for wnid in members]
    opened.readout = Readout.of_some(indices, outputs=len(wnids))
    opened.notes += (
        f"Only the {len(members)} classes of {name} count, as published: the softmax is over them.",
    )
    return opened


def _home(name: str, split: str, root: str | Path | None, homes: list[str], advice: str) -> Path:
    check_split(name, split, ["test"])
    return locate(name, data_root(root), homes, advice)
