"""Sample images of each corruption and severity, as restored by each restorer, and thumbnails."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.evaluation.plan import Plan
from robobench.files import write_aside
from robobench.types import Degradation
from robobench.weights.selection import SelectedMethod

SAMPLES = 6
THUMBNAILS = 400  # the most images of which a run keeps a small copy
_SIDE = 64  # pixels of a thumbnail at most
_COLUMNS = 20  # thumbnails in a row of their file
_THUMBNAILS = "samples/thumbnails.webp"
# A sweep of a hundred levels shows these many of them.
_LEVELS_SHOWN = 5


def save_samples(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """Write ``samples/*.png``, one strip per condition and restorer, and list them.

    A strip shows the same six images side by side, at their own size.
    """
    restorers = _restorers(plan)
    listed: list[dict[str, Any]] = []
    for degradation, seed in _shown(plan):
        strips: list[tuple[str, Tensor]] = []
        path = _path(degradation, "")
        known = (folder / path).is_file()
        if not known or restorers:
            images = plan.source.batch(0, min(SAMPLES, len(plan.source)), degradation, seed)[1]
            strips = [("", images)]
            strips += [(label, _restored(m.method, images)) for label, m in restorers.items()]
        else:
            listed.append(_entry(path, degradation))
        for label, strip in strips:
            path = _path(degradation, label)
            write_aside(folder / path, _png(strip))
            listed.append(_entry(path, degradation, restorers.get(label)))
    return listed


def _restorers(plan: Plan) -> dict[str, SelectedMethod]:
    """The methods that restore images, by a name that no other training of the method has."""
    found = [m for m in plan.grid.methods if callable(getattr(m.method, "restore", None))]
    trainings = {
        name: {m.trained_on for m in found if m.name == name} for name in {m.name for m in found}
    }
    named: dict[str, SelectedMethod] = {}
    for m in found:  # several classifiers or train seeds: the first
        label = m.name if len(trainings[m.name]) == 1 else f"{m.name}@{m.trained_on}"
        named.setdefault(label, m)
    return named


def save_thumbnails(plan: Plan, folder: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``samples/thumbnails.webp``, small copies of the first clean images, and describe it.

    Args:
        plan: The run.
        folder: Its folder.
        known: What the manifest says of the file that is there; if that holds, nothing is read.

    Returns:
        file, side (pixels), columns (images in a row) and index (of each image in the data set);
        empty where there are no clean images.
    """
    from PIL import Image

    count = min(THUMBNAILS, len(plan.source))
    if not plan.source.has_clean or not count:
        return {}
    side = min(_SIDE, plan.source.side)
    index = [int(i) for i in plan.source.order[:count]]
    told = {"file": _THUMBNAILS, "side": side, "columns": _COLUMNS, "index": index}
    if known == told and (folder / _THUMBNAILS).is_file():
        return told
    images = plan.source.clean(0, count)
    sheet = Image.new("RGB", (_COLUMNS * side, -(-count // _COLUMNS) * side))
    for place, image in enumerate(images.cpu()):
        small = Image.fromarray(image.permute(1, 2, 0).numpy())
        if small.size != (side, side):
            small = small.resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (place % _COLUMNS * side, place // _COLUMNS * side))
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=90)
    write_aside(folder / _THUMBNAILS, file.getvalue())
    return told


def _shown(plan: Plan) -> list[tuple[Degradation, int]]:
    """Conditions to show: for each corruption, levels spread over those evaluated."""
    by_corruption: dict[str, list[tuple[Degradation, int]]] = {}
    for degradation, seed in plan.grid.conditions():
        if seed == plan.grid.seeds[0] or seed == 0:
            by_corruption.setdefault(degradation.corruption, []).append((degradation, seed))
    shown = []
    for conditions in by_corruption.values():
        places = np.linspace(0, len(conditions) - 1, min(len(conditions), _LEVELS_SHOWN))
        shown += [conditions[int(p)] for p in places.round()]
    return [pair for pair in shown if plan.source.has(pair[0])]


def _restored(method: Method, images: Tensor) -> Tensor:
    with torch.inference_mode():
        restored: Tensor = method.restore(images)  # type: ignore[attr-defined]
    return restored


def _path(degradation: Degradation, label: str) -> str:
    parts = [degradation.corruption, f"{degradation.level:g}" if degradation.level else "", label]
    name = "_".join("".join(c if c.isalnum() or c in ".-+" else "-" for c in p) for p in parts if p)
    return f"samples/{name}.png"


def _entry(
    path: str, degradation: Degradation, restorer: SelectedMethod | None = None
) -> dict[str, Any]:
    return {
        "file": path,
        "corruption": degradation.corruption,
        "level": degradation.level,
        "method": restorer.name if restorer else "",
        "trained_on": restorer.trained_on if restorer else "",
    }


def _png(images: Tensor) -> bytes:
    from PIL import Image

    strip = images.cpu().permute(2, 0, 3, 1).flatten(1, 2).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(strip).save(file, "PNG", optimize=True)
    return file.getvalue()
