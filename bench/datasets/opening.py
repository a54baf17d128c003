"""Open any data set by the name users type, and validate it."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any, Final

import numpy as np

from robobench.contracts import Dataset
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import DATASETS

__all__ = ["check_dataset_name", "open_dataset"]

_REFUSALS: Final = {
    "argument": "takes nothing after a colon",
    "classes": "has class names of its own: --classes is for folder:PATH",
    "skip_broken": "is not made of image files that may be left out: --skip-broken is for folder:PATH",
    "download": "cannot be downloaded by robobench: put it into --data-root by hand",
}
_PARTS = (
    *("name", "split", "class_names", "profile", "labels"),
    *("__len__", "fingerprint", "read"),
)


def open_dataset(
    name: str,
    *,
    split: str = "test",
    root: str | Path | None = None,
    download: bool = False,
    classes: str | Path | None = None,
    class_names: Sequence[str] | EllipsisType | None = ...,
    workers: int | None = None,
    skip_broken: bool = False,
) -> Dataset:
    """Open a data set by its registered name; no image is read.

    Args:
        name: E.g. ``cifar10``, or with an argument after a colon ``folder:PATH``.
        split: ``test``, ``validation`` or ``train``.
        root: Folder of the data sets; None takes ``ROBOBENCH_DATA``, then the user's data folder.
        download: Whether missing data may be downloaded.
        classes: File that maps folders to classes, or ``sorted``, for ``folder:PATH``.
        class_names: The classifier's classes in the order of its outputs, which folder names are
            matched with. An explicit None says that there is no classifier yet: then the sorted
            folder names are the classes.
        workers: Threads that decode image files; None takes one per processor, at most eight.
        skip_broken: Whether image files that cannot be read are left out: each is then decoded once
            to find out.

    Raises:
        RobobenchError: Nothing is registered under that name, an option does not apply to it, or
            the data is missing or malformed.
    """
    base, colon, argument = check_dataset_name(name)
    options: dict[str, Any] = {
        "argument": argument if colon else None,
        "split": split,
        "root": root,
        "download": download,
        "classes": classes,
        "class_names": class_names,
        "workers": workers,
        "skip_broken": skip_broken,
    }
    factory = DATASETS[base]
    taken = inspect.signature(factory).parameters
    for option, reason in _REFUSALS.items():
        if option not in taken and options[option]:
            raise RobobenchError(f"dataset {base} {reason}")
    with DATASETS.running(base):
        opened: Dataset = factory(**{k: value for k, value in options.items() if k in taken})
    _look_over(name, opened)
    return opened


def check_dataset_name(name: str) -> tuple[str, str, str]:
    """Refuse a name that means no data set, or a folder that does not exist; nothing is opened.

    Returns:
        What is before the colon, the colon if there is one, and what is after it.

    Raises:
        RobobenchError: Nothing is registered under that name, or ``folder:PATH`` does not exist.
    """
    base, colon, argument = name.partition(":")
    if base not in DATASETS:
        advice = f"for a folder of your own write folder:{name}" if Path(name).is_dir() else ""
        raise unknown_name("dataset", base, DATASETS, advice)
    if argument and DATASETS.entry(base).origin == "robobench.datasets.folder.folder":
        from robobench.datasets.folder import existing_folder

        existing_folder(argument)
    return base, colon, argument


def _look_over(name: str, opened: Dataset) -> None:
    """Check a data set, built in or from a plug-in, for what the rest relies on."""
    if lacking := [part for part in _PARTS if not hasattr(opened, part)]:
        raise RobobenchError(
            f"dataset {name}: expected an object with {', '.join(_PARTS)}, got a "
            f"{type(opened).__name__} without {', '.join(lacking)}"
        )
    labels = opened.labels
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.ndim != 1:
        raise RobobenchError(
            f"dataset {name}: expected labels as one int64 array, got {type(labels).__name__}"
        )
    if len(labels) != len(opened):
        raise RobobenchError(f"dataset {name} has {len(opened)} images but {len(labels)} labels")
    if not len(labels):
        raise RobobenchError(f"dataset {name} has no image in its {opened.split} split")
    if labels.max() >= len(opened.class_names) or labels.min() < -1:
        raise RobobenchError(
            f"dataset {name} has labels from {labels.min()} to {labels.max()} and "
            f"{len(opened.class_names)} class names"
        )
