"""The files below a folder: which are images, which cannot be read, which are neither."""

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robobench.datasets.decoding import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from robobench.datasets.examining import broken_files
from robobench.errors import RobobenchError

__all__ = [
    "FoundFiles",
    "find_files",
    "image_files",
    "note_of_others",
    "refuse_unread",
    "skip_broken",
    "some",
    "subfolders",
]

_NAMED: Final = 5


@dataclass(frozen=True)
class FoundFiles:
    """The files below a folder, as relative paths with forward slashes.

    They come in the same order on every file system; hidden files (leading dot) are left out.

    Attributes:
        images: Those named like images.
        unread: Those named like images of a format that cannot be decoded.
        others: The rest.
    """

    images: list[str]
    unread: list[str]
    others: list[str]


def find_files(folder: Path) -> FoundFiles:
    """The files below a folder, at every depth.

    Raises:
        RobobenchError: A folder is not readable.
    """

    def stop(error: OSError) -> None:
        raise RobobenchError(f"folder {error.filename} cannot be read: {error.strerror}")

    found = FoundFiles([], [], [])
    entered = set()
    for at, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        place = os.stat(at)
        if (place.st_dev, place.st_ino) in entered:  # a symlink to a folder already visited
            folders.clear()
            continue
        entered.add((place.st_dev, place.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(at).relative_to(folder).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        for name in names:
            if name.startswith("."):
                continue
            suffix = os.path.splitext(name)[1].lower()
            if suffix in UNREAD_SUFFIXES:
                found.unread.append(prefix + name)
            else:
                (found.images if suffix in IMAGE_SUFFIXES else found.others).append(prefix + name)
    for files in (found.images, found.unread, found.others):
        files.sort(key=_place)
    return found


def image_files(folder: Path) -> tuple[list[str], list[str]]:
    """The image files below a folder, see `find_files`.

    Returns:
        Relative paths; and a note, if files that are not images were found.

    Raises:
        RobobenchError: Images have a format that cannot be decoded, or a folder is not readable.
    """
    found = find_files(folder)
    refuse_unread(folder, found.unread)
    return found.images, note_of_others(folder, found.others)


def refuse_unread(folder: Path, unread: Sequence[str]) -> None:
    """Refuse images of formats that cannot be decoded: all of them in one message.

    Raises:
        RobobenchError: There are any.
    """
    if unread:
        suffixes = sorted({os.path.splitext(name)[1].lower() for name in unread})
        what = "an image in a format" if len(unread) == 1 else f"{len(unread)} images in formats"
        heif = "pip install pillow-heif reads HEIF; " if {".heic", ".heif"} & {*suffixes} else ""
        raise RobobenchError(
            f"{folder} has {what} that cannot be read ({', '.join(suffixes)}): "
            f"{some(unread, _NAMED)}; {heif}convert to PNG or JPEG, or remove"
        )


def note_of_others(folder: Path, others: Sequence[str]) -> list[str]:
    """A note that files are not images, if there are any."""
    return [f"{folder}: left out {some(others, 3)}: not named like images"] if others else []


def skip_broken(
    root: Path, found: FoundFiles, workers: int | None = None
) -> tuple[list[str], list[str], list[str]]:
    """Try to decode every image, and leave out those that cannot be read.

    Args:
        root: The folder that was searched.
        found: What was found in it.
        workers: Threads that decode; None takes one per processor, at most eight.

    Returns:
        The images that can be read; those that cannot; and a note, if there are any.
    """
    skipped = [*broken_files(root, found.images, workers), *found.unread]
    left = set(skipped)
    count = len(found.images) + len(found.unread)
    note = (
        f"{root}: left out {len(skipped)} of {count} images that cannot be read: {some(skipped, 3)} "
        "(--skip-broken)"
    )
    return [f for f in found.images if f not in left], skipped, [note] if skipped else []


def subfolders(folder: Path) -> list[str]:
    """Names of the folders (or links to folders) in a folder, sorted, without hidden ones.

    Raises:
        RobobenchError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
    except OSError as error:
        raise RobobenchError(f"folder {folder} cannot be read: {error.strerror}") from None
    return sorted(names, key=_place)


def some(names: Sequence[str], count: int) -> str:
    """The first few of a list of names: ``a, b and 3 more``."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")


def _place(path: str) -> bytes:
    """Sort key of paths, equal on file systems that normalise accents differently."""
    if path.isascii():
        return path.encode()
    return unicodedata.normalize("NFC", path).encode(errors="surrogateescape")
