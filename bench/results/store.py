"""A run's folder: one file per cell, written atomically, each with a checksum.

A cell file is an npz of the arrays of `Predictions` (named by field, extra columns as
``extra.NAME``; those of `OPTIONAL` may be absent), the cell's fields as JSON (``cell``) and a
SHA-256 over both (``checksum``). The same predictions give the same bytes: nothing in the file
depends on when or where it was made.
"""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.types import Cell, Predictions

CELL_FORMAT = 2
_COLUMNS: Mapping[str, type[np.generic]] = {
    "index": np.int64,
    "label": np.int64,
    "predicted": np.int64,
    "confidence": np.float32,
    "true_probability": np.float32,
}
OPTIONAL: Mapping[str, type[np.generic]] = {
    "true_rank": np.int32,
    "second": np.int32,
    "second_probability": np.float32,
    "logits": np.float16,
}
"""Columns that the cells of earlier versions lack; ``logits`` is there on demand only."""

_REMEDY = "run again, which keeps the file aside and computes the cell anew"

# Whatever numpy, zipfile and zlib raise on a file that was cut short or has a wrong bit.
_BROKEN = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


class DamagedCell(RobobenchError):
    """A cell file that is not what was written; a run puts it aside and computes it anew."""


class Store:
    """The cells of one run's folder.

    Args:
        folder: The run's folder; created by the first `put`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def cells_folder(self) -> Path:
        """The folder of the cell files."""
        return self.folder / "cells"

    def path(self, cell: Cell) -> Path:
        """The file of a cell: a readable part, then the digest, which identifies it."""
        parts = [cell.method, cell.trained_on, cell.corruption, f"{cell.level:g}"]
        readable = "_".join(
            "".join(c if c.isalnum() or c in ".-+" else "-" for c in p) for p in parts if p
        )
        return self.cells_folder / f"{readable[:120]}_{cell.digest[:16]}.npz"

    def has(self, cell: Cell) -> bool:
        """Whether a file for this cell exists (`get` verifies its checksum)."""
        return self.path(cell).is_file()

    def put(self, cell: Cell, predictions: Predictions) -> Path:
        """Store a cell, whole or not at all.

        Raises:
            RobobenchError: The folder is not writable.
        """
        path = self.path(cell)
        write_aside(path, _encode(cell, predictions))
        return path

    def put_file(self, cell: Cell, content: bytes) -> Path:
        """Store the file of a cell that another store has made.

        Raises:
            RobobenchError: The folder is not writable.
        """
        path = self.path(cell)
        write_aside(path, content)
        return path

    def get(self, cell: Cell) -> Predictions:
        """The predictions of a cell.

        Raises:
            RobobenchError: It is missing or truncated, or its checksum does not match.
        """
        found, predictions = read_cell(self.path(cell))
        if found != cell:
            raise _misnamed(self.path(cell))
        return predictions

    def find(self, cell: Cell, *, mended: bool = True) -> Predictions | None:
        """The predictions of a cell, None if there are none.

        Args:
            cell: Which cell.
            mended: Whether damaged files have been kept aside; before that they count as missing.

        Raises:
            RobobenchError: See `get`.
        """
        with suppress(*(() if mended else (DamagedCell,))):
            return self.get(cell) if self.has(cell) else None
        return None

    def cells(self) -> list[Cell]:
        """All stored cells, sorted, clean ones first; only their headers are read.

        Raises:
            RobobenchError: A file is not a cell file, or holds another cell than its name says.
        """
        cells = [self._named(path) for path in sorted(self.cells_folder.glob("*.npz"))]
        return sorted(cells, key=lambda c: (not c.degradation.is_clean, c))

    def _named(self, path: Path) -> Cell:
        cell = read_cell_key(path)
        if self.path(cell) != path:
            raise _misnamed(path)
        return cell


def _misnamed(path: Path) -> RobobenchError:
    return DamagedCell(f"{path} holds another cell than its name says: {_REMEDY}")


def digest_in_name(path: Path) -> str:
    """The part of a cell's digest that its file name ends in."""
    return path.stem.rpartition("_")[2]


def file_checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _arrays(predictions: Predictions) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(getattr(predictions, name), dtype=kind)
        for name, kind in {**_COLUMNS, **OPTIONAL}.items()
        if getattr(predictions, name) is not None
    }
    for name in sorted(predictions.extra):
        arrays[f"extra.{name}"] = np.ascontiguousarray(predictions.extra[name], dtype=np.float32)
    return arrays


def _checksum(header: bytes, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256(header)
    for name in sorted(arrays):
        digest.update(f"{name}:{arrays[name].dtype.str}:{arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.digest()


def _encode(cell: Cell, predictions: Predictions) -> bytes:
    header = json.dumps({"format": CELL_FORMAT, "cell": cell.as_dict()}, sort_keys=True).encode()
    arrays: dict[str, Any] = _arrays(predictions)  # never of objects: nothing is pickled
    file = io.BytesIO()
    np.savez_compressed(
        file,
        cell=np.frombuffer(header, np.uint8),
        checksum=np.frombuffer(_checksum(header, arrays), np.uint8),
        **arrays,
    )
    return file.getvalue()


def _open(path: Path, read: Callable[[Any], Any]) -> Any:
    try:
        # np.load would leave a broken file open; this handle is always closed
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return read(file)
    except FileNotFoundError:
        raise RobobenchError(f"{path}: no such cell; `robobench run` computes it") from None
    except PermissionError as error:
        raise RobobenchError(f"{path} cannot be read: {error.strerror}") from error
    except _BROKEN as error:
        raise DamagedCell(f"{path} is not a complete cell file ({error}): {_REMEDY}") from error


def _cell(header: bytes, path: Path) -> Cell:
    try:
        values = json.loads(header)
        if values["format"] != CELL_FORMAT:
            raise RobobenchError(
                f"{path} has cell format {values['format']}, but this version reads {CELL_FORMAT}"
            )
        return Cell.from_dict(values["cell"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCell(f"{path} is not a robobench cell file ({error}): {_REMEDY}") from error


def read_cell_key(path: Path) -> Cell:
    """Which cell a file holds, without reading its arrays."""
    return _cell(_open(path, lambda file: file["cell"].tobytes()), path)


def read_cell(path: Path) -> tuple[Cell, Predictions]:
    """A cell file, read in full and verified.

    Raises:
        DamagedCell: The file is truncated or altered.
        RobobenchError: It is missing, cannot be read, or is of another format.
    """
    content = _open(path, lambda file: {name: file[name] for name in file.files})
    header, checksum = content.pop("cell", None), content.pop("checksum", None)
    if header is None or checksum is None or set(_COLUMNS) - set(content):
        raise DamagedCell(f"{path} is not a robobench cell file: {_REMEDY}")
    if _checksum(header.tobytes(), content) != checksum.tobytes():
        raise DamagedCell(f"{path} is damaged, its checksum does not match: {_REMEDY}")
    cell = _cell(header.tobytes(), path)
    extra = {n.removeprefix("extra."): a for n, a in content.items() if n.startswith("extra.")}
    kept = {name: content[name] for name in (*_COLUMNS, *OPTIONAL) if name in content}
    return cell, Predictions(**kept, extra=extra)
