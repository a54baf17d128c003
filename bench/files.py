"""Files written whole or not at all, into what is there."""

import errno
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


def write_aside(path: Path, data: bytes, option: str = "--out") -> None:
    """Write a file that a user asked for, whole or not at all.

    Args:
        path: Where.
        data: Its content.
        option: The command-line option that chooses another place, for messages.

    Raises:
        RobobenchError: The folder is not writable, something else is in the way, or the disk is full;
            nothing is left behind.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        why = _obstacle(path) or str(error.strerror or error)
        raise RobobenchError(f"cannot write {path}: {why}; {_way_out(error, option)}") from error


def refuse_blocked_folder(folder: Path) -> None:
    """Refuse a folder to be written to whose place a file takes, before the work.

    Raises:
        RobobenchError: A file is in the way.
    """
    if why := _obstacle(folder / "any"):
        raise RobobenchError(f"cannot write to {folder}: {why}; choose another place with --out")


def _obstacle(path: Path) -> str:
    """What is in the way of a file and is no matter of permissions or space; empty if nothing is."""
    if os.path.isdir(path):
        return f"{path} is a folder, a file is expected"
    there = next((parent for parent in path.parents if os.path.exists(parent)), path.parent)
    return f"{there} is a file, a folder is expected" if os.path.isfile(there) else ""


def _way_out(error: OSError, option: str) -> str:
    """What would work."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"free disk space or choose another place with {option} (what is stored is kept, and the "
            "same command resumes from there)"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"choose a place that you may write to with {option}"
    return f"choose another place with {option}"
