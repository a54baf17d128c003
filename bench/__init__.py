"""How much does an image classifier lose on degraded images, and which remedy gives it back?

The public API. Everything heavy is loaded on first use, so that importing robobench costs nothing.

What a run is made of, by example:

>>> import numpy as np
>>> import robobench
>>> cell = robobench.Cell(
...     dataset="photos", split="test", geometry="as-is", corrupt_at="crop", profile="",
...     corruption="jpeg_compression", level=25.0, seed=0, method="org", backbone="mine",
...     weights="1f3a", trained_on="clean", train_seed=0,
... )
>>> cell.degradation.label
'jpeg_compression 25'
>>> robobench.Predictions(
...     index=np.arange(3), label=np.array([0, 1, 1]), predicted=np.array([0, 1, 0]),
...     confidence=np.float32([0.9, 0.6, 0.8]), true_probability=np.float32([0.9, 0.6, 0.2]),
... ).correct.mean().round(2)
np.float64(0.67)
>>> robobench.Geometry(resize=256, crop=224).key
'resize256-bilinear-crop224'
>>> robobench.Context(level=25.0).level  # what a method that needs it is told
25.0
>>> robobench.Cost(parameters=11_689_512, macs=1_814_073_344).macs > 1e9
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if __name__ != "robobench":
    raise ImportError(f"import robobench, not {__name__}: bench/ is the package robobench")

from robobench.contracts import Method, Metric
from robobench.registry import (
    backbone,
    command,
    corruption,
    dataset,
    method,
    metric,
    reproduction,
    section,
    study,
)
from robobench.types import Cell, Context, Cost, Geometry, Predictions

if TYPE_CHECKING:
    __version__: str
    from robobench.analysis.metrics import interval_mean_accuracy, mce
    from robobench.backbones.backbone import Backbone
    from robobench.corruptions import corrupt
    from robobench.evaluation.run import run
    from robobench.results.run import Run, load
    from robobench.training.call import train

_LAZY = {
    "Backbone": "robobench.backbones.backbone",
    "Run": "robobench.results.run",
    "corrupt": "robobench.corruptions",
    "interval_mean_accuracy": "robobench.analysis.metrics",
    "load": "robobench.results.run",
    "mce": "robobench.analysis.metrics",
    "run": "robobench.evaluation.run",
    "train": "robobench.training.call",
}

__all__ = [
    "Backbone",
    "Cell",
    "Context",
    "Cost",
    "Geometry",
    "Method",
    "Metric",
    "Predictions",
    "Run",
    "backbone",
    "command",
    "corrupt",
    "corruption",
    "dataset",
    "interval_mean_accuracy",
    "load",
    "mce",
    "method",
    "metric",
    "reproduction",
    "run",
    "section",
    "study",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # takes as long as the rest of the start-up

        return version("robobench")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'robobench' has no attribute {name!r}")
