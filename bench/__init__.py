"""How much does an image classifier lose on degraded images, and which remedy gives it back?

The public API. Everything heavy is loaded on first use, so that importing robobench costs nothing.
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
