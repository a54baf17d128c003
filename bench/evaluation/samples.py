"""Sample images of each corruption and severity, and as restored by each restorer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.evaluation.plan import Plan
from robobench.files import write_aside
from robobench.types import Degradation

SAMPLES = 6
# A sweep of a hundred levels shows these many of them.
_LEVELS_SHOWN = 5


def save_samples(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """Write ``samples/*.png``, one strip per condition and restorer, and list them.

    A strip shows the same six images side by side, at their own size.
    """
    restorers = [m for m in plan.grid.methods if callable(getattr(m.method, "restore", None))]
    listed: list[dict[str, Any]] = []
    for degradation, seed in _shown(plan):
        strips: list[tuple[str, Tensor]] = []
        path = _path(degradation, "")
        known = (folder / path).is_file()
        if not known or restorers:
            images = plan.source.batch(0, min(SAMPLES, len(plan.source)), degradation, seed)[1]
            strips = [("", images)] + [(m.name, _restored(m.method, images)) for m in restorers]
        else:
            listed.append(_entry(path, degradation, ""))
        for method, strip in strips:
            path = _path(degradation, method)
            write_aside(folder / path, _png(strip))
            listed.append(_entry(path, degradation, method))
    return listed


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


def _path(degradation: Degradation, method: str) -> str:
    parts = [degradation.corruption, f"{degradation.level:g}" if degradation.level else "", method]
    name = "_".join("".join(c if c.isalnum() or c in ".-+" else "-" for c in p) for p in parts if p)
    return f"samples/{name}.png"


def _entry(path: str, degradation: Degradation, method: str) -> dict[str, Any]:
    return {
        "file": path,
        "corruption": degradation.corruption,
        "level": degradation.level,
        "method": method,
    }


def _png(images: Tensor) -> bytes:
    from PIL import Image

    strip = images.cpu().permute(2, 0, 3, 1).flatten(1, 2).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(strip).save(file, "PNG", optimize=True)
    return file.getvalue()
