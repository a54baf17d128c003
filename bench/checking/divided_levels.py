"""Do the cells of a sweep divide its levels among the images as the run says?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.types import Cell


class DividedLevels:
    """The cells whose images are chosen by level, entered one by one.

    Args:
        manifest: The run's manifest.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._per_image = int(manifest.get("levels_per_image") or 0)
        self._count = manifest["dataset"].get("count")
        # By corruption, seed and level: what was found of images and labels, and in which files.
        self._found: dict[tuple[Any, ...], dict[bytes, list[str]]] = {}
        self._indices: dict[bytes, NDArray[np.int64]] = {}
        # By method, corruption and seed: the images of each level.
        self._rows: dict[tuple[Any, ...], dict[float, bytes]] = defaultdict(dict)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(
        self, file: str, cell: Cell, index: NDArray[np.int64], label: NDArray[np.int64]
    ) -> None:
        """Enter a cell."""
        sweep = cell.corruption, cell.profile, cell.sweep, cell.seed
        images = index.tobytes()
        self._indices.setdefault(images, index)
        found = self._found.setdefault((*sweep, cell.level), {})
        found.setdefault(images + label.tobytes(), []).append(file)
        row = cell.backbone, cell.method, cell.trained_on, cell.train_seed, *sweep
        self._rows[row][cell.level] = images

    def problems(self) -> list[str]:
        """What is wrong, one sentence each."""
        said = []
        for found in self._found.values():
            if len(found) > 1:
                fewest = min(found.values(), key=len)
                said.append(
                    f"{len(fewest)} cells have other images or labels than the same level of other "
                    f"methods ({', '.join(fewest[:3])}): repeat the command in the manifest"
                )
        most: dict[tuple[Any, ...], int] = defaultdict(int)
        for row, levels in self._rows.items():
            most[row[4:]] = max(most[row[4:]], len(levels))
        for row, levels in self._rows.items():
            if len(levels) == most[row[4:]]:  # those of a sweep with gaps are missed elsewhere
                said += self._uneven(row, levels)
        return said

    def _uneven(self, row: tuple[Any, ...], levels: Mapping[float, bytes]) -> list[str]:
        wanted = min(self._per_image, len(levels))
        images = np.concatenate([self._indices[found] for found in levels.values()])
        _, times = np.unique(images, return_counts=True)
        wrong = int((times != wanted).sum())
        if isinstance(self._count, int):
            wrong += abs(self._count - len(times))
        if not wrong:
            return []
        said = f"{wrong} images of {row[1]} on {row[4]} do not have {wanted} of the levels {row[6]}"
        return [f"{said}: repeat the command in the manifest"]
