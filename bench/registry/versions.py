"""Which version of a registered definition computed something: declared, or its source's digest."""

from __future__ import annotations

import hashlib
import inspect
import marshal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from robobench.registry.names import Entry

_LENGTH = 12  # of a digest: enough to tell sources from one another, short enough to read
_FIRST = "1"


def version_of(entry: Entry) -> str:
    """The version of a registered definition, for the identity of what it computes.

    Args:
        entry: A method, corruption, data set or backbone.

    Returns:
        What the decorator declares (``version=2``); else 1 for built-in definitions, and for those
        of plug-ins the beginning of the SHA-256 of their source file.
    """
    declared = entry.options.get("version")
    if declared is not None:
        return str(declared)
    if entry.module.partition(".")[0] == "robobench":
        return _FIRST
    if entry.target is not None:
        return source_digest(entry.target)
    spec = find_spec(entry.module)
    return _of_file(Path(spec.origin)) if spec is not None and spec.origin else _FIRST


def source_digest(target: Any) -> str:
    """The beginning of the SHA-256 of the file in which a class or function is defined.

    What has no file, as in a notebook, is known by its compiled code.
    """
    try:
        return _of_file(Path(inspect.getsourcefile(target) or ""))
    except (TypeError, OSError):
        return hashlib.sha256(b"".join(_code(target))).hexdigest()[:_LENGTH]


def _of_file(file: Path) -> str:
    return _of_state(file, file.stat().st_mtime_ns, file.stat().st_size)


@cache  # asked for every cell
def _of_state(file: Path, modified: int, size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:_LENGTH]


def _code(target: Any) -> list[bytes]:
    """The compiled code of a function, or of a class and what it inherits, in a fixed order."""
    if isinstance(target, FunctionType):
        return [marshal.dumps(_anonymous(target.__code__))]
    found = []
    for kind in getattr(target, "__mro__", ()):
        for name, member in sorted(vars(kind).items()):
            function = getattr(member, "__func__", member)
            if isinstance(function, FunctionType):
                found += [name.encode(), marshal.dumps(_anonymous(function.__code__))]
    return found


def _anonymous(code: CodeType) -> CodeType:
    """The same code without file and line: a cell of a notebook may move."""
    return code.replace(co_filename="", co_firstlineno=1, co_linetable=b"")
