"""The baseline file of a check: which images each cell of a run classified correctly.

JSON, so that it can be committed and inspected. Format 1::

    format       1
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

from robobench.analysis.outcomes import Outcomes
from robobench.errors import RobobenchError
from robobench.types import Cell

BASELINE_FORMAT = 2
_KEPT = ("command", "configuration", "profile", "versions", "machine")
_METHOD = ("label", "backbone", "train_seed", "weights")
_DATASET = ("name", "split", "fingerprint", "count", "indices_digest")


@dataclass(frozen=True)
class Baseline:
    """A frozen run.

    Attributes:
        outcomes: The outcomes of every cell.
        facts: The rest of the file, as parsed.
    """

    outcomes: tuple[Outcomes, ...]
    facts: Mapping[str, Any]


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
    content["digest"] = _digest(content)
    # One line per cell, so that a diff shows what changed.
    text = json.dumps({**content, "cells": None}, indent=1)
    lines = ",\n".join("  " + json.dumps(cell) for cell in frozen)
    return text.replace('"cells": null', f'"cells": [\n{lines}\n ]').encode() + b"\n"


def read_baseline(path: str | Path) -> Baseline:
    """A baseline file, complete and unaltered.

    Raises:
        RobobenchError: It is missing, not a baseline, of another format, or its digest is wrong; or
            a cell has no bits.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
    except FileNotFoundError:
        raise RobobenchError(
            f"{path}: no such baseline; `robobench freeze RUN --out {path}` creates one"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RobobenchError(
            f"{path} is not a robobench baseline ({error}): create one with `robobench freeze`"
        ) from error
    if found != BASELINE_FORMAT:
        raise RobobenchError(
            f"{path} has baseline format {found}, but this version reads {BASELINE_FORMAT}: freeze "
            "the run again"
        )
    if content.get("digest") != _digest(content):
        raise RobobenchError(f"{path} was altered or truncated (its digest does not match)")
    index = {
        name: np.cumsum(_unpack(entry["index"], np.int64))
        for name, entry in content["images"].items()
    }
    found = []
    for entry in content.pop("cells"):
        images = index[entry.pop("images")]
        bits, right = entry.pop("correct", None), entry.pop("right", None)
        if bits is None:
            raise RobobenchError(
                f"{path} has only the number of right images ({right}) for one of its cells, not which "
                "they are: freeze the run again"
            )
        correct = np.unpackbits(_unpack(bits, np.uint8), count=len(images)).astype(np.bool_)
        found.append(Outcomes(Cell.from_dict({**content["common"], **entry}), images, correct))
    return Baseline(tuple(found), content)


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in content.items() if k != "digest"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _pack(array: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()


def _unpack(text: str, kind: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)
