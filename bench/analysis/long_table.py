"""The long table: one row per cell and metric, the input of everything else."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from robobench.analysis.metrics import metric_value, normal_interval
from robobench.errors import RobobenchError
from robobench.registry import METRICS
from robobench.types import Cell, Degradation, Predictions

if TYPE_CHECKING:
    import pandas as pd


@cache
def severity_in_table(degradation: Degradation, profile: str) -> int | None:
    """Severity 1 to 5 of a degradation under a profile; 0 for clean, None where it has none."""
    from robobench.corruptions import catalogue

    if degradation.is_clean:
        return 0
    # Saving as JPEG 85 afterwards does not change the severity.
    table = degradation.profile.partition("+")[0]
    bare = Degradation(degradation.corruption, degradation.level, table)
    try:
        return catalogue.severity_of(bare, profile.partition("+")[0])
    except RobobenchError:  # a plug-in's corruption, read without the plug-in
        return int(degradation.level) if table else None


def results(
    cells: Iterable[tuple[Cell, Predictions]],
    *,
    profile: str = "",
    intervals: bool = True,
    images: int | None = None,
) -> "pd.DataFrame":
    """The long table: every registered metric and every extra column of every cell.

    Args:
        cells: Cells with their predictions, consumed one at a time.
        profile: Severity table of the run, in which native levels are looked up.
        images: Number of images of the run, which some cells of a divided sweep may have after all.
        intervals: Whether to compute 95 % intervals: Wilson for shares of images, normal for means
            of per-image columns and log-likelihoods; NaN otherwise. In a cell that has some of the
            images, by design, metrics that are no means over images are NaN.

    Returns:
        dataset, split, method, backbone, trained_on, train_seed, corruption, severity (nullable;
        0 for clean), level, seed, n, metric, value, ci_low, ci_high; values are fractions.
        ``attrs["profile"]`` holds the profile.
    """
    import pandas as pd

    metrics = {name: METRICS[name] for name in METRICS}
    rows = []
    for cell, predictions in cells:
        key = {
            "dataset": cell.dataset,
            "split": cell.split,
            "method": cell.method,
            "backbone": cell.backbone,
            "trained_on": cell.trained_on,
            "train_seed": cell.train_seed,
            "corruption": cell.corruption,
            "severity": severity_in_table(cell.degradation, profile or cell.profile),
            "level": cell.level,
            "seed": cell.seed,
            "n": len(predictions),
        }
        divided = bool(cell.sweep) and (images is None or len(predictions) < images)
        for name, metric in metrics.items():
            with METRICS.running(name):
                value, low, high = metric_value(metric, predictions, divided=divided)
            low, high = (low, high) if intervals else _NONE
            rows.append({**key, "metric": name, "value": value, "ci_low": low, "ci_high": high})
        for name, column in predictions.extra.items():
            value, low, high = normal_interval(column)
            low, high = (low, high) if intervals else _NONE
            rows.append({**key, "metric": name, "value": value, "ci_low": low, "ci_high": high})
    columns = [*_KEY, "metric", "value", "ci_low", "ci_high"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["severity"] = frame["severity"].astype("Int64")
    frame.attrs["profile"] = profile
    return frame


_KEY = (
    "dataset",
    "split",
    "method",
    "backbone",
    "trained_on",
    "train_seed",
    "corruption",
    "severity",
    "level",
    "seed",
    "n",
)
_NONE = (float("nan"), float("nan"))
