"""Everything that defines a run, as one frozen object: the arguments of ``robobench run``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from robobench.analysis.draws import DRAWS, check_draws
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
        classes: File that maps folder names to classes, or ``sorted``.
        skip_broken: Leave out image files that cannot be read.
        severities: Severities of corruptions given without levels, e.g. ``1-5``.
        levels_per_image: In a sweep, at how many of the levels each image is evaluated; None for all.
        profile: Severity table; the data set's by default.
        save_jpeg85: Save as JPEG of quality 85 after the corruption, as ImageNet-C does.
        engine: ``native``, or ``imagecorruptions`` for the reference package.
        seed: Seed of the corruptions, or several, e.g. ``0-2``.
        backbone: Classifier; the data set's own by default.
        weights: File of the classifier's weights.
        layer: Layer after which the classifier is split for plug-in modules; by default by its family.
        train_seeds: Which trainings to evaluate, e.g. ``0-2``.
        train_missing: Train what is missing first.
        images: Folder of photographs that it trains on; the data set's training split by default.
        no_reference: Leave out ``org``.
        stream: Order in which images come to methods that adapt: ``iid`` (shuffled) or ``by-class``.
        adapt: ``continual``: such methods carry on from batch to batch of a condition; ``episodic``:
            they start anew with every batch.
        resize: Shorter side to resize to. This and the next four override the backbone's geometry.
        crop: Side of the central square.
        interpolation: Resampling filter of the resize.
        mean: Mean that the backbone normalises by, three numbers on 0..1.
        std: Standard deviation that it normalises by, three numbers on 0..1.
        corrupt_at: ``crop`` or ``native``.
        device: ``auto`` or a torch device; ``cuda`` stands for all GPUs of the machine.
        precision: ``fp32``, ``bf16``, or ``auto``: that of the folder, or the faster one here.
        compile: Whether networks are compiled: ``never``, ``always``, or ``auto``: as in the folder, or
            if it pays here.
        batch_size: Images read and degraded at once; does not affect results. ``auto`` halves it where
            memory does not suffice.
        workers: Threads that read files.
        executor: ``local`` or ``ray``.
        ray_address: Address of a running Ray cluster; one of this machine alone by default.
        shard: Compute one of several disjoint parts, ``3/8``; they may write to one folder at once.
        keep: ``logits`` stores every class's logit with each prediction, float16.
        draws: Bootstrap samples behind the intervals.
        seed_sd: Standard deviation of accuracies between trainings, in points, where it is known.
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
    skip_broken: bool = False
    severities: str | int | tuple[int, ...] = "1-5"
    levels_per_image: int | None = None
    profile: str | None = None
    save_jpeg85: bool = False
    engine: str = "native"
    seed: str | int | tuple[int, ...] = "0"
    backbone: str | None = None
    weights: str | None = None
    models: str | None = None
    label: str | None = None
    layer: str | None = None
    train_seeds: str | int | tuple[int, ...] = "0"
    train_missing: bool = False
    images: str | None = None
    no_reference: bool = False
    stream: str | None = None
    adapt: str | None = None
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    corrupt_at: str = "crop"
    device: str = "auto"
    precision: str = "fp32"
    compile: str = "never"
    batch_size: int | str | None = None
    workers: int | None = None
    executor: str = "local"
    ray_address: str | None = None
    shard: str | None = None
    keep: str | None = None
    draws: int = DRAWS
    seed_sd: float | None = None
    plugin: tuple[str, ...] = ()
    out: str | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values before anything is loaded."""
        for name, value in asdict(self).items():
            check_setting(f"--{name.replace('_', '-')}", name, value)
        for option, named in (("--methods", self.methods), ("--corruptions", self.corruptions)):
            if not any(n.strip() for n in (named.split(",") if isinstance(named, str) else named)):
                raise RobobenchError(f"{option}: at least one is expected, got {named!r}")
        _one_of("--corrupt-at", self.corrupt_at, ("crop", "native"))
        _one_of("--engine", self.engine, ("native", "imagecorruptions"))
        _one_of("--precision", self.precision, ("fp32", "bf16", "auto"))
        _one_of("--compile", self.compile, ("auto", "always", "never"))
        for option, chosen, allowed in (
            ("--stream", self.stream, ("iid", "by-class")),
            ("--adapt", self.adapt, ("continual", "episodic")),
            ("--keep", self.keep, ("logits",)),
        ):
            if chosen is not None:
                _one_of(option, chosen, allowed)
        _one_of("--executor", self.executor, ("local", "ray"))
        batch_size = self.batch_size
        if isinstance(batch_size, str):
            if batch_size != "auto":
                raise RobobenchError(
                    f"--batch-size: expected a whole number of 1 or more, or auto, got {batch_size!r}"
                )
            batch_size = None
        for option, value in (
            ("--limit", self.limit),
            ("--levels-per-image", self.levels_per_image),
            ("--batch-size", batch_size),
            ("--workers", self.workers),
            ("--resize", self.resize),
            ("--crop", self.crop),
        ):
            if value is not None and value < 1:
                raise RobobenchError(f"{option}: expected a whole number of 1 or more, got {value}")
        check_draws(self.draws, self.seed_sd)
        for option, value, most in (
            ("--batch-size", batch_size, 10**6),
            ("--workers", self.workers, 1024),
        ):
            if value is not None and value > most:
                raise RobobenchError(f"{option}: expected at most {most:,}, got {value}")
        if self.shard is not None:
            from robobench.evaluation.grid import parse_shard

            parse_shard(self.shard)
            if self.executor == "ray":
                raise RobobenchError(
                    "--shard: Ray divides a run by itself; leave out --shard or --executor ray"
                )
        if self.mean is not None or self.std is not None:
            from robobench.backbones.overrides import check_normalisation

            check_normalisation(self.mean, self.std)

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
        return cls(**{name: _plain(value) for name, value in settings.items()})


def _plain(value: Any) -> Any:
    """Paths as text, lists as tuples: what the manifest can hold."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return os.fspath(value) if isinstance(value, Path) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _are(is_one: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, tuple) and all(map(is_one, value))


# Annotation of a field -> what it is in words, and whether a value is that.
_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", _is_text),
    "int": ("a whole number", _is_whole),
    "float": ("a number", _is_number),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "tuple[str, ...]": ("a list of texts", lambda value: _are(_is_text, value)),
    "tuple[int, ...]": ("a list of whole numbers", lambda value: _are(_is_whole, value)),
    "tuple[float, float, float]": (
        "three numbers",
        lambda value: _are(_is_number, value) and len(value) == 3,
    ),
}


# What else the command line of ``robobench run`` says, and a file may say.
_OF_THE_COMMAND: Mapping[str, str] = dict.fromkeys(
    ("dry_run", "no_report", "full", "drift"), "bool"
)


def check_setting(called: str, name: str, value: Any) -> None:
    """Refuse a value of another type than the field's, and empty text, which is no default.

    Raises:
        RobobenchError: The message has the expected type and the value.
    """
    kind = _OF_THE_COMMAND.get(name) or str(Configuration.__dataclass_fields__[name].type)
    allowed = kind.split(" | ")
    words, tests = zip(*(_TYPES[kind] for kind in allowed if kind != "None"), strict=True)
    if value is None and "None" in allowed:
        return
    if not any(test(value) for test in tests):
        raise RobobenchError(
            f"{called}: expected {' or '.join(words)}, got {value!r} ({type(value).__name__})"
        )
    if "" in (value if isinstance(value, tuple) else [value]):
        raise RobobenchError(
            f"{called}: expected {words[0]}, got '' (leave it out for the default)"
        )


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RobobenchError(f"{option}: expected {' or '.join(allowed)}, got {value!r}")


def read_settings(path: str | Path) -> dict[str, Any]:
    """Settings from a TOML file (``--config``); keys are the long options, with - or _.

    ``dry_run`` and ``no_report``, which are no fields of `Configuration`, may be among them.

    Raises:
        RobobenchError: The file is missing or not valid TOML, a key is not a setting, or a value
            is of another type.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise RobobenchError(f"--config {path}: {error.strerror}; expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RobobenchError(f"--config {path} is not valid TOML: {error}") from error
    known = {f.name for f in fields(Configuration)} | set(_OF_THE_COMMAND)
    settings: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            raise unknown_name(f"key in {path}", key, [k.replace("_", "-") for k in known])
        settings[name] = _plain(value)
        check_setting(f"--config {path}: {key}", name, settings[name])
    return settings
