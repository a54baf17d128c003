"""Where data sets are kept on this machine."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import platformdirs

from robobench.errors import RobobenchError, unknown_name

__all__ = ["VARIABLE", "check_split", "data_root", "fetch", "locate"]

VARIABLE: Final = "ROBOBENCH_DATA"


def data_root(root: str | Path | None = None, *, create: bool = False) -> Path:
    """The folder of the data sets: the one given, ``ROBOBENCH_DATA``, or the user's data folder.

    Args:
        root: Value of ``--data-root``, or None.
        create: Create the folder if it does not exist, because data will be written to it.

    Raises:
        RobobenchError: The folder given, or named by the variable, does not exist or cannot be
            created.
    """
    origin = "--data-root"
    given = root
    if given is None:
        origin = VARIABLE
        given = os.environ.get(VARIABLE) or None
    if given is None:
        folder = Path(platformdirs.user_data_dir("robobench")) / "data"
    else:
        folder = Path(given).expanduser()
        if not create and not folder.is_dir():
            raise RobobenchError(f"{origin} {given}: no such folder")
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RobobenchError(
                f"{origin} {folder}: the folder cannot be created: {error.strerror}"
            ) from None
    return folder


def check_split(dataset: str, split: str, known: Iterable[str]) -> None:
    """Refuse a split that a data set does not have.

    Raises:
        RobobenchError: With the nearest known ones.
    """
    if split not in known:
        raise unknown_name(f"split of {dataset}", split, known)


def locate(dataset: str, root: Path, candidates: Iterable[str], advice: str) -> Path:
    """The first of several folders below a root that exists.

    Args:
        dataset: Name of the data set, for the message.
        root: Folder of the data sets, from `data_root`.
        candidates: Relative paths, the most common first.
        advice: How to get the data there, for the message.

    Raises:
        RobobenchError: None of them exists; the message names the first and the root.
    """
    candidates = list(candidates)
    for candidate in candidates:
        if (root / candidate).is_dir():
            return root / candidate
    raise RobobenchError(
        f"dataset {dataset}: no folder {candidates[0]} in {root} "
        f"(set by --data-root or {VARIABLE}); {advice}"
    )


def fetch(url: str, md5: str, folder: Path) -> None:
    """Download an archive with torchvision, check it, and unpack it.

    Args:
        url: URL of the archive.
        md5: Its published MD5 sum.
        folder: Folder that the archive and its content are put into.

    Raises:
        RobobenchError: The download failed, or is not what was published.
    """
    try:
        from robobench.backbones.vision import import_torchvision

        import_torchvision()
        from torchvision.datasets.utils import download_and_extract_archive

        download_and_extract_archive(url, str(folder), md5=md5)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise RobobenchError(
            f"--download: {url} could not be downloaded to {folder} ({type(error).__name__}: "
            f"{reason}); download and unpack it there by hand"
        ) from error
