"""The baseline file of a check: which images each cell of a run classified correctly.

JSON, so that it can be committed and inspected. Format 2::

    format       2
    robobench    version that wrote it
    command      of the run
    configuration, profile, versions, machine    as in the run's manifest.json
    dataset      name, split, fingerprint, count, indices_digest
    methods      label, backbone, train_seed and weights (digests) of each
    common       fields that all cells share
    images       {name: {count, index}}: zlib-compressed differences of sorted int64 indices, base64
    cells        [{the other fields, images: name, right: count, correct: bits}], bits being
                 numpy.packbits of "classified correctly" per image, zlib-compressed, base64
    digest       SHA-256 of all of the above as JSON with sorted keys

A cell may lack ``correct``: it then has ``right`` and the number of its images, as ``count`` or that of
its ``images``. In a baseline made from published accuracies all do, fields that the publication does
not tell are absent, and the file has no more than ``format``, ``dataset``, ``common``, ``images`` (none),
``cells`` and ``digest``.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.outcomes import Outcomes, Tally
from robobench.errors import RobobenchError
from robobench.types import Cell

BASELINE_FORMAT = 2
_KEPT = ("command", "configuration", "profile", "versions", "machine")
_METHOD = ("label", "backbone", "train_seed", "weights")
_DATASET = ("name", "split", "fingerprint", "count", "indices_digest")
# Fields of a cell that was published, as far as it was not told what they are.
_BLANK = {f.name: 0 if f.name in ("seed", "train_seed") else "" for f in fields(Cell)}


@dataclass(frozen=True)
class Baseline:
    """A frozen run.

    Attributes:
        outcomes: The outcomes of every cell, or how many of its images are right.
        facts: The rest of the file, as parsed.
        untold: Fields of cells that are not known: they are blank.
    """

    outcomes: tuple[Outcomes | Tally, ...]
    facts: Mapping[str, Any]
    untold: tuple[str, ...] = ()


def freeze(found: Sequence[Outcomes], manifest: Mapping[str, Any]) -> bytes:
    """A run as the content of a baseline file.

    Args:
        found: The outcomes of all cells of the run.
        manifest: The run's ``manifest.json``.

    Raises:
        RobobenchError: There are no cells.
    """
    if not found:
        raise RobobenchError("the run has no cells to freeze: compute them with `robobench run`")
    rows = [asdict(one.cell) for one in found]
    common = {
        f.name: rows[0][f.name]
        for f in fields(Cell)
        if all(row[f.name] == rows[0][f.name] for row in rows)
    }
    images: dict[str, dict[str, Any]] = {}
    frozen = []
    for row, one in zip(rows, found, strict=True):
        index = np.ascontiguousarray(one.index, dtype=np.int64)
        name = hashlib.sha256(index.tobytes()).hexdigest()[:12]
        images.setdefault(name, {"count": len(index), "index": _pack(np.diff(index, prepend=0))})
        own = {k: v for k, v in row.items() if k not in common}
        right = one.correct
        frozen.append(
            {**own, "images": name, "right": int(right.sum()), "correct": _pack(np.packbits(right))}
        )
    dataset = manifest.get("dataset", {})
    content = {
        "format": BASELINE_FORMAT,
        "robobench": manifest.get("versions", {}).get("robobench", ""),
        **{key: manifest[key] for key in _KEPT if key in manifest},
        "dataset": {key: dataset[key] for key in _DATASET if key in dataset},
        "methods": [{k: m[k] for k in _METHOD if k in m} for m in manifest.get("methods", [])],
        "common": common,
        "images": images,
        "cells": frozen,
    }
    return _written(content)


def freeze_published(cells: Sequence[Mapping[str, Any]], dataset: Mapping[str, Any]) -> bytes:
    """Published accuracies as the content of a baseline file.

    Args:
        cells: The fields of each `Cell` that are known, with ``count`` and ``right``, numbers of images.
        dataset: What is known of the data set: name, split.
    """
    return _written(
        {
            "format": BASELINE_FORMAT,
            "dataset": dict(dataset),
            "common": {},
            "images": {},
            "cells": [dict(cell) for cell in cells],
        }
    )


def _written(content: dict[str, Any]) -> bytes:
    """The file, with its digest; one line per cell, so that a diff shows what changed."""
    content["digest"] = _digest(content)
    text = json.dumps({**content, "cells": None}, indent=1)
    lines = ",\n".join("  " + json.dumps(cell) for cell in content["cells"])
    return text.replace('"cells": null', f'"cells": [\n{lines}\n ]').encode() + b"\n"


def read_baseline(path: str | Path) -> Baseline:
    """A baseline file, complete and unaltered.

    Raises:
        RobobenchError: It is missing, not a baseline, of another format, or its digest is wrong; or
            a cell has neither bits nor numbers of images.
    """
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        raise RobobenchError(
            f"{path}: no such baseline; `robobench freeze RUN --out {path}` creates one"
        ) from None
    except OSError as error:
        raise _no_baseline(path, error) from error
    return parse_baseline(text, path)


def parse_baseline(text: bytes, path: str | Path) -> Baseline:
    """The content of a baseline file, complete and unaltered.

    Args:
        text: The content.
        path: The file's name, for errors.

    Raises:
        RobobenchError: As `read_baseline`.
    """
    try:
        content = json.loads(text)
        version = content["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise _no_baseline(path, error) from error
    if version != BASELINE_FORMAT:
        raise RobobenchError(
            f"{path} has baseline format {version}, but this version reads {BASELINE_FORMAT}: freeze "
            "the run again"
        )
    if content.get("digest") != _digest(content):
        raise RobobenchError(f"{path} was altered or truncated (its digest does not match)")
    index = {
        name: np.cumsum(_unpack(entry["index"], np.int64))
        for name, entry in content["images"].items()
    }
    found: list[Outcomes | Tally] = []
    known = {f.name for f in fields(Cell)}
    told = set(known)
    for entry in content.pop("cells"):
        images, bits = entry.pop("images", None), entry.pop("correct", None)
        right, count = entry.pop("right", None), entry.pop("count", None)
        cell = {**content["common"], **entry}
        if bits is not None:
            correct = np.unpackbits(_unpack(bits, np.uint8), count=len(index[images]))
            found.append(Outcomes(Cell.from_dict(cell), index[images], correct.astype(np.bool_)))
            continue
        count = content["images"][images]["count"] if images in index else count
        if not (isinstance(right, int) and isinstance(count, int) and 0 <= right <= count > 0):
            raise RobobenchError(
                f"{path}: a cell has {right} right of {count} images, and does not tell which: two "
                "numbers are expected; freeze the run again"
            )
        told &= cell.keys()
        found.append(Tally(Cell.from_dict({**_BLANK, **cell}), count, right))
    return Baseline(tuple(found), content, tuple(sorted(known - {"sweep"} - told)))


def _no_baseline(path: str | Path, error: Exception) -> RobobenchError:
    return RobobenchError(
        f"{path} is not a robobench baseline ({error}): create one with `robobench freeze`"
    )


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in content.items() if k != "digest"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _pack(array: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()


def _unpack(text: str, kind: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)
