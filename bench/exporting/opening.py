"""What is exported and what it is checked on: the classifier, its data set, images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robobench.backbones.backbone import Backbone
from robobench.backbones.overrides import overrides
from robobench.backbones.own import own_names
from robobench.contracts import Dataset
from robobench.datasets import open_dataset
from robobench.datasets.geometry import check_changes
from robobench.datasets.opening import check_dataset_name
from robobench.errors import RobobenchError
from robobench.exporting.images import CheckImages, folder_images, generated_images, read_images
from robobench.registry import DATASETS, METHODS
from robobench.weights.classifiers import (
    check_finite,
    dataset_options,
    default_backbone,
    load_backbone,
)
from robobench.weights.selection import bare_name
from robobench.weights.storage import base_dataset

_DEFAULT: Final = "shapes10"
_UNNAMED: Final = "folder:DIR"  # stands for the images of a training in messages


@dataclass(frozen=True)
class ExportRequest:
    """Which classifier is exported, and on what the file is checked: arguments of `export`.

    Attributes:
        dataset: Data set that trained weights belong to, as ``--dataset`` takes it; None where no
            weights depend on one.
        backbone: Name of the classifier; that of the data set if None.
        weights: File of the classifier's weights.
        layer: Layer after which a module is plugged in.
        train_seed: Training seed of the weights.
        data_root: Folder of the data sets.
        download: Whether downloads are allowed.
        classes: File that maps folder names to classes.
        check: Data set or folder of the images to check on; those of `dataset` if None.
        limit: Number of images to check on.
        resize: Shorter side to resize to. This and the next four override the classifier's geometry.
        crop: Side of the central square.
        interpolation: Resampling filter of the resize.
        mean: Mean that inputs are normalised by, three numbers on 0..1.
        std: Standard deviation that inputs are normalised by, three numbers on 0..1.
    """

    dataset: str | None = None
    backbone: str | None = None
    weights: str | None = None
    layer: str | None = None
    train_seed: int = 0
    data_root: str | None = None
    download: bool = False
    classes: str | None = None
    check: str | None = None
    limit: int = 64
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    @property
    def named_dataset(self) -> str | None:
        """The data set, or the default one if the classifier is built in."""
        own = self.backbone is None or self.backbone in own_names()
        return self.dataset or (_DEFAULT if own else None)

    @property
    def dataset_options(self) -> str:
        """The command-line options of the data set, for commands in messages."""
        return dataset_options(self, self.named_dataset)

    def refuse_mistakes(self, spec: str) -> None:
        """Refuse an impossible geometry, and a data set that does not exist or is not named.

        Args:
            spec: The method, as ``--methods`` takes it.

        Raises:
            RobobenchError: See above.
        """
        check_changes(overrides(self))
        if self.named_dataset is not None:
            check_dataset_name(self.named_dataset)
            return
        name = METHODS.canonical(bare_name(spec))
        if METHODS[name].weights_of in ("classifier", "restorer"):
            raise RobobenchError(
                f"the weights of {name} belong to a data set: name it with --dataset"
            )

    def load_backbone(self) -> Backbone:
        """The classifier, on the CPU and in full precision.

        Raises:
            RobobenchError: It is unknown, has no weights, or its logits are not finite.
        """
        backbone = load_backbone(
            self.backbone or default_backbone(self.named_dataset or _DEFAULT),
            dataset=self.named_dataset,
            weights=self.weights,
            layer=self.layer,
            download=self.download,
            train_seed=self.train_seed,
            options=self.dataset_options,
            **overrides(self),
        )
        check_finite(backbone)
        return backbone


@dataclass(frozen=True)
class OpenedDataset:
    """The data set of an export.

    Attributes:
        name: As in `Cell.dataset`.
        dataset: The data set; None if there is none here.
        reason: Why not.
    """

    name: str
    dataset: Dataset | None
    reason: str = ""


def open_for_export(request: ExportRequest, backbone: Backbone) -> OpenedDataset:
    """The data set that weights belong to, if it can be read: the weights alone are enough.

    Raises:
        RobobenchError: A folder that is named cannot be opened.
    """
    name = request.named_dataset
    if name is None:
        return OpenedDataset(_UNNAMED, None, "no --check and no --dataset")
    try:
        found = _open(request, name, backbone)
    except RobobenchError as error:
        if ":" in name:  # a folder of the user's own
            raise
        return OpenedDataset(base_dataset(name), None, str(error))
    return OpenedDataset(found.name, found)


def images_for_check(
    request: ExportRequest, opened: OpenedDataset, backbone: Backbone
) -> CheckImages:
    """The images to check on, of one size.

    Raises:
        RobobenchError: What is named with ``--check`` cannot be opened, or an image is broken, too
            small, or not of the classifier's size.
    """
    geometry, limit = backbone.geometry, request.limit
    if request.check is not None:
        known = request.check.partition(":")[0] in DATASETS
        if known and not Path(request.check).is_dir():
            return read_images(_open(request, request.check, backbone), geometry, limit)
        return folder_images(request.check, geometry, limit)
    if opened.dataset is not None:
        return read_images(opened.dataset, geometry, limit)
    return generated_images(backbone, limit, opened.reason)


def _open(request: ExportRequest, name: str, backbone: Backbone) -> Dataset:
    return open_dataset(
        name,
        root=request.data_root,
        download=request.download,
        classes=request.classes,
        class_names=backbone.class_names,
    )
