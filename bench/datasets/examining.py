"""Which image files are whole, before any work depends on them."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from PIL import Image

from robobench.datasets.decoding import check_regular, decode, in_one_line
from robobench.errors import RobobenchError

__all__ = ["Glance", "attempt_each", "broken_files", "glance", "reading_threads"]

T = TypeVar("T")

_END_BYTES: Final = 64
_ORIENTATION: Final = 0x0112  # EXIF tag; 5 to 8 swap width and height
# How whole files end; anything else is decoded to know, since bytes may follow the image.
_ENDS: Final = {
    "JPEG": b"\xff\xd9",
    "PNG": b"\0\0\0\0IEND\xaeB`\x82",
    "GIF": b"\x3b",
}


@dataclass(frozen=True)
class Glance:
    """What header and end of an image file tell.

    Attributes:
        size: Width and height of the upright image, in pixels.
        whole: Whether it certainly was not cut short; if not, only decoding it can tell.
    """

    size: tuple[int, int]
    whole: bool


def glance(path: Path) -> Glance:
    """Look at header and end of an image file, without decoding it.

    Raises:
        RobobenchError: The header cannot be read; the text does not name the file.
    """
    check_regular(path)
    try:
        with Image.open(path) as image:
            kind, (width, height) = image.format or "", image.size
            turned = kind == "JPEG" and image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
        with path.open("rb") as file:
            file.seek(-min(_END_BYTES, path.stat().st_size), os.SEEK_END)
            end = file.read()
    except Exception as error:
        raise RobobenchError(in_one_line(error)) from error
    whole = kind in _ENDS and end.rstrip(b"\0").endswith(_ENDS[kind])
    return Glance((height, width) if turned else (width, height), whole)


def broken_files(root: Path, files: Sequence[str], workers: int | None = None) -> list[str]:
    """Those files that cannot be decoded, each having been tried.

    Args:
        root: Folder that the paths are relative to.
        files: Relative paths.
        workers: Threads that decode; None takes one per processor, at most eight.
    """

    def try_out(path: Path) -> None:
        decode(path)

    outcomes = attempt_each(try_out, [root / file for file in files], reading_threads(workers))
    return [file for file, outcome in zip(files, outcomes, strict=True) if outcome is not None]


def attempt_each(
    function: Callable[[Path], T], paths: Sequence[Path], workers: int
) -> list[T | RobobenchError]:
    """Apply a function to files in threads; where it fails, its error takes the result's place."""

    def attempt(path: Path) -> T | RobobenchError:
        try:
            return function(path)
        except RobobenchError as error:
            return error
        except OSError as error:
            return RobobenchError(error.strerror or type(error).__name__)

    if min(workers, len(paths)) <= 1:
        return [attempt(path) for path in paths]
    with ThreadPoolExecutor(workers, thread_name_prefix="robobench-read") as pool:
        return list(pool.map(attempt, paths))


def reading_threads(workers: int | None) -> int:
    """How many threads read files: as asked for, else one per processor, at most eight."""
    return workers or min(8, os.cpu_count() or 1)
