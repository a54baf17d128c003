"""Who may write into a run's folder: one run, or disjoint shards of one at the same time.

A run holds ``.lock`` all the time. A shard holds a lock of its own, ``.lock-3-of-8``, and ``.lock`` only
while it begins, which keeps it and a run out of each other's way. Whoever changes what all share,
the manifest and the tables, holds ``.lock-manifest`` meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from robobench.errors import RobobenchError

# How long to wait for others to begin, or to write tables; a run that computes takes longer.
_SECONDS_TO_BEGIN, _SECONDS_FOR_TABLES = 10.0, 600.0


@contextmanager
def writing_to(folder: Path, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold a run's folder, whole or for one shard: two processes would compute the same cells.

    Raises:
        RobobenchError: Another process holds it, or the folder is not writable.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shard is None:
                held.enter_context(_lock(folder / ".lock"))
                for other in sorted(folder.glob(".lock-*-of-*")):
                    with _lock(other):
                        pass
            else:
                with _lock(folder / ".lock", _SECONDS_TO_BEGIN):
                    held.enter_context(_lock(folder / ".lock-{}-of-{}".format(*shard)))
        except Timeout as error:
            parts = Path(error.lock_file).name.removeprefix(".lock").strip("-").split("-of-")
            who = f"shard {'/'.join(parts)} of a run" if len(parts) == 2 else "another run"
            raise RobobenchError(
                f"{who} is writing to {folder}: wait for it, or choose another folder with --out"
            ) from None
        except OSError as error:
            raise RobobenchError(
                f"cannot write to {folder}: {error.strerror or error}; choose another folder with "
                "--out"
            ) from error
        yield


@contextmanager
def changing_manifest(folder: Path) -> Iterator[None]:
    """Hold the manifest and the tables of a run.

    Raises:
        RobobenchError: Another process has held them for ten minutes.
    """
    lock = FileLock(folder / ".lock-manifest", timeout=_SECONDS_FOR_TABLES)
    try:
        lock.acquire()
    except Timeout:
        raise RobobenchError(
            f"another shard has been writing the tables of {folder} for ten minutes: run again "
            "when it has ended"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _lock(path: Path, timeout: float = 0) -> FileLock:
    return FileLock(path, timeout=timeout)
