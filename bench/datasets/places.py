"""Where data sets lie on this machine."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import platformdirs

from robobench.errors import RobobenchError

__all__ = ["VARIABLE", "data_root", "fetch", "locate"]

VARIABLE: Final = "ROBOBENCH_DATA"


def data_root(root: str | Path | None = None, *, create: bool = False) -> Path:
    """The folder that holds data sets: the one given, or ``ROBOBENCH_DATA``, or the user's own.

    Args:
        root: What ``--data-root`` said; None where it said nothing.
        create: Make the folder if it is not there, because something will be put into it.

    Raises:
        RobobenchError: The folder that was given, or that the variable names, does not exist or
            cannot be made.
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
            raise RobobenchError(f"{origin} {given}: there is no such folder")
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RobobenchError(
                f"{origin} {folder}: the folder cannot be made: {error.strerror}"
            ) from None
    return folder


def locate(dataset: str, root: Path, candidates: Iterable[str], advice: str) -> Path:
    """The first of several folders below a root that exists.

    Args:
        dataset: Its name, for the message.
        root: From `data_root`.
        candidates: Relative paths, the most usual first.
        advice: What would put the data there.

    Raises:
        RobobenchError: None of them exists; the message names the first and the root.
    """
    candidates = list(candidates)
    for candidate in candidates:
        if (root / candidate).is_dir():
            return root / candidate
    raise RobobenchError(
        f"dataset {dataset}: no folder {candidates[0]} in {root} "
        f"(--data-root or {VARIABLE} says where data lies); {advice}"
    )


def fetch(url: str, md5: str, folder: Path) -> None:
    """Download an archive with torchvision, check it, and unpack it.

    Args:
        url: Of the archive.
        md5: Its published sum.
        folder: Where the archive and what is in it are put.

    Raises:
        RobobenchError: It could not be fetched, or is not what was published.
    """
    try:
        from robobench.backbones.vision import import_torchvision

        import_torchvision()
        from torchvision.datasets.utils import download_and_extract_archive

        download_and_extract_archive(url, str(folder), md5=md5)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise RobobenchError(
            f"--download: {url} could not be fetched into {folder} ({type(error).__name__}: "
            f"{reason}); fetch and unpack it there by hand"
        ) from error
