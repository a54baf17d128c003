"""How a table or figure is measured."""

from __future__ import annotations

from dataclasses import dataclass

from robobench.analysis.draws import DRAWS
from robobench.backbones.overrides import as_options, overrides


@dataclass(frozen=True)
class MeasurementSettings:
    """How a reproduction is measured; the options of ``robobench reproduce``.

    Attributes:
        limit: Number of images, class-balanced; None for all.
        data_root: Folder of the data sets.
        download: Whether downloads are allowed.
        device: ``auto`` or a torch device.
        precision: ``fp32``, ``bf16`` or ``auto``: that of the existing run, or else the faster one
            on this machine.
        batch_size: Number of images degraded together.
        train_seeds: Training seeds, as in ``0-2``. None for all trainings that have all networks,
            and with `all_rows` also those that can serve as a control.
        runs: Folder of the runs.
        published_only: Omit rows that the paper does not have.
        all_rows: Also evaluate the rows that are omitted by default.
        dataset: Data set, for tables that may be measured on any; that of the paper by default.
        backbone: Classifier, likewise.
        weights: File of its weights.
        classes: File that maps folder names to classes, or ``sorted``.
        layer: Layer after which the classifier is split.
        resize: Shorter side to resize to. This and the next four override the classifier's geometry.
        crop: Side of the central square.
        interpolation: Resampling filter of the resize.
        mean: Mean that inputs are normalised by, three numbers on 0..1.
        std: Standard deviation that inputs are normalised by, three numbers on 0..1.
        trained: Which of several trainings, see `robobench.reproductions.trainings.with_trainings`.
        draws: Number of bootstrap samples behind the intervals.
    """

    limit: int | None = None
    data_root: str | None = None
    download: bool = False
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | str | None = None
    train_seeds: str | None = None
    runs: str = "runs"
    published_only: bool = False
    all_rows: bool = False
    dataset: str | None = None
    backbone: str | None = None
    weights: str | None = None
    classes: str | None = None
    layer: str | None = None
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    trained: str | None = None
    draws: int = DRAWS

    @property
    def preparation(self) -> dict[str, str]:
        """The options that change what the classifier sees or where it is split, with their values."""
        layer = {} if self.layer is None else {"--layer": self.layer}
        return {**layer, **as_options(overrides(self))}
