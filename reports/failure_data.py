"""What the failure browser of a page shows, as JSON: predictions of some images, and thumbnails."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robobench.reports import markup
from robobench.reports.by_severity import strength
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.per_image import ABSENT, INVALID, PerImage, images_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from robobench.types import Degradation

_MOST_SHOWN = 200  # images in one page
_MOST_BYTES = 1_000_000  # of their predictions
_COLUMNS = 20
_NARROW = 254  # classes that one byte can name, with two values left
_INVALID_BYTE, _ABSENT_BYTE = 254, 255
_INVALID_WORD, _ABSENT_WORD = 65534, 65535


def failure_data(board: Leaderboard, found: PerImage) -> tuple[str, int]:
    """The data of the browser, and the number of images in it."""
    names = _class_names(board)
    classes = max(len(names), int(max(found.truth.max(), found.predicted.max())) + 1)
    wide = classes > _NARROW
    kept = _most_disputed(found, 3 if wide else 2)
    predicted = found.predicted[:, :, kept]
    coded = np.where(predicted == INVALID, _INVALID_WORD if wide else _INVALID_BYTE, predicted)
    coded = np.where(predicted == ABSENT, _ABSENT_WORD if wide else _ABSENT_BYTE, coded)
    index = found.index[kept]
    data = {
        "methods": found.labels,
        "conditions": [_named(board, d) for d in found.conditions],
        "images": index.tolist(),
        "truth": found.truth[kept].tolist(),
        "names": names,
        "classes": classes,
        "total": found.total,
        "start": _start(board, found.labels),
        "predicted": _text(coded.astype("<u2" if wide else "u1")),
        "confidence": _text(found.confidence[:, :, kept]),
        "counts": _text(found.better.astype("<u4")),
        "atlas": _atlas(board, index),
    }
    return markup.script_json(data), len(kept)


def _most_disputed(found: PerImage, bytes_of_one: int) -> NDArray[np.int64]:
    """Places of the images on which methods disagree under most conditions, in order of the images."""
    right = found.predicted == found.truth
    some, every = right.any(axis=1), (right | (found.predicted == ABSENT)).all(axis=1)
    disputed = (some & ~every).sum(axis=0)
    conditions, methods, images = found.predicted.shape
    room = _MOST_BYTES // max(1, conditions * methods * bytes_of_one)
    best = np.argsort(-disputed, kind="stable")[: max(1, min(images, _MOST_SHOWN, room))]
    places: NDArray[np.int64] = np.sort(best)
    return places


def _start(board: Leaderboard, labels: list[str]) -> list[int]:
    """The pair that is shown first: the best method that is usable as it is, and the reference."""
    means = {
        row.label: board.summed(row, MEAN, "accuracy").value or 0.0
        for row in board.others
        if row.label in labels and not row.told
    }
    reference = labels.index(board.reference) if board.reference in labels else 0
    rivals = [label for label in labels if label != labels[reference]]
    best = max(means or dict.fromkeys(rivals, 0.0), key=lambda label: means.get(label, 0.0))
    return [labels.index(best), reference]


def _class_names(board: Leaderboard) -> list[str]:
    told = images_of(board).get("dataset", {})
    return [str(name) for name in told.get("class_names", [])]


def _named(board: Leaderboard, degradation: Degradation) -> tuple[str, str]:
    if degradation.is_clean:
        return degradation.corruption, "as they are"
    profile = str(board.run.manifest.get("profile", ""))
    return degradation.corruption, strength(degradation, profile)


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _atlas(board: Leaderboard, index: NDArray[np.int64]) -> dict[str, Any] | None:
    """The thumbnails of these images in one file; None where the run has none of them."""
    from PIL import Image

    told = images_of(board).get("thumbnails") or {}
    file = board.run.folder / str(told.get("file", ""))
    places = {number: place for place, number in enumerate(told.get("index", []))}
    if not told or not file.is_file() or any(int(i) not in places for i in index):
        return None
    side, columns = int(told["side"]), int(told["columns"])
    sheet = Image.new("RGB", (_COLUMNS * side, -(-len(index) // _COLUMNS) * side))
    with Image.open(file) as opened:
        whole = opened.convert("RGB")
    for place, number in enumerate(index):
        found = _tile(whole, places[int(number)], side, columns)
        sheet.paste(found, (place % _COLUMNS * side, place // _COLUMNS * side))
    written = io.BytesIO()
    sheet.save(written, "WEBP", quality=80)
    source = f"url(data:image/webp;base64,{base64.b64encode(written.getvalue()).decode()})"
    return {"source": source, "columns": _COLUMNS}


def _tile(whole: Image, place: int, side: int, columns: int) -> Image:
    x, y = place % columns * side, place // columns * side
    return whole.crop((x, y, x + side, y + side))
