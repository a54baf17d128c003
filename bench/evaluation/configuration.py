"""Everything that defines a run, as one frozen object: the arguments of ``robobench run``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from robobench.errors import RobobenchError, unknown_name


@dataclass(frozen=True)
class Configuration:
    """What to evaluate, on which images, how, and where the results go.

    Attributes:
        methods: ``NAME`` or ``NAME@TRAINED_ON``, comma-separated or a sequence.
        corruptions: Selectors: names, groups, sweeps, mixtures.
        dataset: Registered name, or ``folder:PATH``.
        split: Split of the data set.
        data_root: Folder of the data sets; ``ROBOBENCH_DATA`` by default.
        limit: Use only this many images, class-balanced and nested; None for all.
        download: Allow downloads of the data set and pretrained weights.
        classes: File that maps folder names to classes.
        severities: Severities of corruptions given without levels, e.g. ``1-5``.
        profile: Severity table; the data set's by default.
        save_jpeg85: Save as JPEG of quality 85 after the corruption, as ImageNet-C does.
        engine: ``native``, or ``imagecorruptions`` for the reference package.
        seed: Seed of the corruptions, or several, e.g. ``0-2``.
        backbone: Classifier; the data set's own by default.
        weights: File of the classifier's weights.
        layer: Layer after which the classifier is split for plug-in modules; by default by its family.
        train_seeds: Which trainings to evaluate, e.g. ``0-2``.
        train_missing: Train what is missing first.
        no_reference: Leave out ``org``.
        resize: Shorter side to resize to. This and the next four override the backbone's geometry.
        crop: Side of the central square.
        interpolation: Resampling filter of the resize.
        mean: Mean that the backbone normalises by, three numbers on 0..1.
        std: Standard deviation that it normalises by, three numbers on 0..1.
        corrupt_at: ``crop`` or ``native``.
        device: ``auto`` or a torch device.
        precision: ``fp32`` or ``bf16``.
        batch_size: Images read and degraded at once; does not affect results.
        workers: Threads that read files.
        executor: ``local`` or ``ray``.
        ray_address: Address of a running Ray cluster.
        plugin: Python files that register additions.
        out: Folder for the run; ``runs/DATASET`` by default.
    """

    methods: str | tuple[str, ...] = "org"
    corruptions: str | tuple[str, ...] = "common"
    dataset: str = "shapes10"
    split: str = "test"
    data_root: str | None = None
    limit: int | None = None
    download: bool = False
    classes: str | None = None
    severities: str = "1-5"
    profile: str | None = None
    save_jpeg85: bool = False
    engine: str = "native"
    seed: str = "0"
    backbone: str | None = None
    weights: str | None = None
    layer: str | None = None
    train_seeds: str = "0"
    train_missing: bool = False
    no_reference: bool = False
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    corrupt_at: str = "crop"
    device: str = "auto"
    precision: str = "fp32"
    batch_size: int | None = None
    workers: int | None = None
    executor: str = "local"
    ray_address: str | None = None
    plugin: tuple[str, ...] = ()
    out: str | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values before anything is loaded."""
        _one_of("--corrupt-at", self.corrupt_at, ("crop", "native"))
        _one_of("--engine", self.engine, ("native", "imagecorruptions"))
        _one_of("--precision", self.precision, ("fp32", "bf16"))
        _one_of("--executor", self.executor, ("local", "ray"))
        for option, value in (
            ("--limit", self.limit),
            ("--batch-size", self.batch_size),
            ("--workers", self.workers),
            ("--resize", self.resize),
            ("--crop", self.crop),
        ):
            if value is not None and value < 1:
                raise RobobenchError(f"{option}: expected a whole number of 1 or more, got {value}")
        if self.std is not None and min(self.std) <= 0:
            raise RobobenchError(f"--std: expected three numbers above 0, got {self.std}")

    @property
    def root(self) -> Path | None:
        """Folder of the data sets: ``--data-root``, else ``ROBOBENCH_DATA``."""
        root = self.data_root or os.environ.get("ROBOBENCH_DATA")
        return Path(root) if root else None

    @property
    def folder(self) -> Path:
        """The run's folder."""
        if self.out:
            return Path(self.out)
        kind, _, argument = self.dataset.partition(":")
        return Path("runs") / (f"{kind}-{Path(argument).name}" if argument else kind)

    def as_dict(self) -> dict[str, Any]:
        """The settings as a plain dict, for the manifest."""
        return asdict(self)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Configuration:
        """A configuration from keyword settings.

        Raises:
            RobobenchError: A name is not a setting; the message suggests the nearest one.
        """
        known = {f.name for f in fields(cls)}
        for name in settings:
            if name not in known:
                raise unknown_name("setting", name, known)
        plain: dict[str, Any] = {
            k: os.fspath(v) if isinstance(v, Path) else v for k, v in settings.items()
        }
        return cls(**plain)


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RobobenchError(f"{option}: expected {' or '.join(allowed)}, got {value!r}")


def read_settings(path: str | Path) -> dict[str, Any]:
    """Settings from a TOML file (``--config``); keys are the long options, with - or _.

    Raises:
        RobobenchError: The file is missing or not valid TOML, or a key is not a setting.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise RobobenchError(f"--config {path}: {error.strerror}; expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RobobenchError(f"--config {path} is not valid TOML: {error}") from error
    known = {f.name for f in fields(Configuration)}
    settings: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            raise unknown_name(f"key in {path}", key, [k.replace("_", "-") for k in known])
        settings[name] = tuple(value) if isinstance(value, list) else value
    return settings
