"""Files written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robobench.errors import RobobenchError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder, which replaces `path` if nothing goes wrong.

    Raises:
        OSError: The folder is not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        mask = os.umask(0)
        os.umask(mask)
        aside.chmod(0o666 & ~mask)  # mkstemp makes files that only their owner can read
        aside.replace(path)
    except BaseException:  # a full disk, Ctrl-C while writing
        aside.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a temporary file next to it, then renamed into place.

    Raises:
        OSError: The folder is not writable or the disk is full; nothing is left behind.
    """
    with whole_file(path) as aside:
        aside.write_bytes(data)


def write_aside(path: Path, data: bytes) -> None:
    """Write a file of a run, whole or not at all.

    Raises:
        RobobenchError: The folder is not writable or the disk is full; nothing is left behind.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> RobobenchError:
    return RobobenchError(
        f"cannot write {path}: {error.strerror or error}; free disk space or choose a writable "
        "folder with --out (what is stored is kept, and the same command resumes from there)"
    )
