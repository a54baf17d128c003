"""Where a classifier errs: accuracy of each class, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robobench.analysis.statistics import wilson
from robobench.errors import RobobenchError
from robobench.types import Predictions

if TYPE_CHECKING:
    import pandas as pd


def counted_together(cells: Iterable[Predictions]) -> pd.DataFrame:
    """The confusion matrix of the predictions of several cells: true classes by predicted ones.

    Args:
        cells: Predictions, consumed one at a time.

    Returns:
        int64 counts, rows and columns named by number of class; column -1 counts images without a
        valid prediction, where there are any. Classes that occur in neither are left out.

    Raises:
        RobobenchError: There are no predictions.
    """
    import pandas as pd

    pairs: dict[tuple[int, int], int] = {}
    for predictions in cells:
        both = np.stack([predictions.label, predictions.predicted])
        found, counts = np.unique(both, axis=1, return_counts=True)
        for label, predicted, count in zip(*found.tolist(), counts.tolist(), strict=True):
            pairs[label, predicted] = pairs.get((label, predicted), 0) + count
    if not pairs:
        raise RobobenchError("there are no predictions: no cell was chosen")
    classes = sorted({c for pair in pairs for c in pair if c >= 0})
    columns = [*classes, *([-1] if any(p < 0 for _, p in pairs) else [])]
    place = {one: number for number, one in enumerate(columns)}  # the classes come first
    matrix = np.zeros((len(classes), len(columns)), np.int64)
    for (label, predicted), count in pairs.items():
        matrix[place[label], place[predicted]] = count
    return pd.DataFrame(
        matrix,
        index=pd.Index(classes, name="true"),
        columns=pd.Index(columns, name="predicted"),
    )


def class_accuracies(confusion: pd.DataFrame, names: Sequence[str] = ()) -> pd.DataFrame:
    """Accuracy of each class (its recall) from a confusion matrix.

    Args:
        confusion: As `counted_together` returns it.
        names: Names of the classes in the order of the labels.

    Returns:
        A row per class that has images: ``class``, ``name``, ``images``, ``accuracy``, and the ends
        of Wilson's 95 % interval, ``ci_low`` and ``ci_high``; fractions.
    """
    import pandas as pd

    images = confusion.sum(axis=1).to_numpy()
    right = np.diag(confusion.to_numpy()[:, : len(confusion)])
    there = images > 0
    low, high = wilson(right[there], images[there])
    classes = confusion.index.to_numpy()[there]
    return pd.DataFrame(
        {
            "class": classes,
            "name": [name_of(int(c), names) for c in classes],
            "images": images[there],
            "accuracy": right[there] / images[there],
            "ci_low": low,
            "ci_high": high,
        }
    )


def confusions(confusion: pd.DataFrame, names: Sequence[str] = ()) -> pd.DataFrame:
    """The errors of a confusion matrix, the most frequent first.

    Returns:
        A row per pair that occurs: ``true`` and ``predicted`` (names), ``images``, and ``share`` of
        the true class's images, a fraction.
    """
    import pandas as pd

    totals = confusion.sum(axis=1)
    rows = [
        {
            "true": name_of(int(label), names),
            "predicted": name_of(int(predicted), names),
            "images": int(count),
            "share": float(count / totals[label]),
        }
        for label, counts in zip(confusion.index, confusion.to_numpy(), strict=True)
        for predicted, count in zip(confusion.columns, counts, strict=True)
        if count and label != predicted
    ]
    frame = pd.DataFrame(rows, columns=["true", "predicted", "images", "share"])
    return frame.sort_values("images", ascending=False, kind="stable", ignore_index=True)


def name_of(label: int, names: Sequence[str]) -> str:
    """The name of a class; its number where it has none, ``(none)`` for no valid prediction."""
    if label < 0:
        return "(none)"
    return names[label] if label < len(names) else str(label)
