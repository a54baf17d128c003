"""Files written whole or not at all, into what is there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from robobench.errors import RobobenchError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder, which replaces `path` if nothing goes wrong.

    What is there stays what it is: through a symbolic link its target is replaced, and the content
    is copied into a device or pipe (``/dev/stdout``).

    Raises:
        OSError: The folder is not writable.
    """
    stream = is_stream(path)
    folder = None
    if not stream:
        path = Path(os.path.realpath(path))
        folder = path.parent
        folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=folder)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        if stream:
            with aside.open("rb") as content, _opened(path) as into:
                shutil.copyfileobj(content, into)
            aside.unlink()
            return
        mask = os.umask(0)
        os.umask(mask)
        aside.chmod(0o666 & ~mask)  # mkstemp makes files that only their owner can read
        aside.replace(path)
    except BaseException:  # a full disk, Ctrl-C while writing
        aside.unlink(missing_ok=True)
        raise


def is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe or a descriptor of this process, not a file."""
    if str(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return path.exists()
    return path.exists() and not path.is_file() and not path.is_dir()


def _opened(path: Path) -> BinaryIO:
    """A stream, opened for writing; this process's own output goes on where it is."""
    for descriptor in (1, 2):
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return os.fdopen(os.dup(descriptor), "wb")
    return path.open("wb")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a temporary file next to it, then renamed into place.

    Raises:
        OSError: The folder is not writable or the disk is full; nothing is left behind.
    """
    with whole_file(path) as aside:
        aside.write_bytes(data)


def check_writable(folder: Path) -> None:
    """Try whether files can be written to a folder, or to the one in which it would be made.

    Nothing is left behind.

    Raises:
        OSError: They cannot, or what is there is not a folder.
    """
    there = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
    tempfile.TemporaryFile(dir=there).close()


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
