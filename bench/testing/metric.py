"""What a metric promises: see `robobench.metric`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robobench.analysis.metrics import metric_value
from robobench.contracts import Metric
from robobench.registry import METRICS
from robobench.types import Predictions

__all__ = ["PROMISES", "Subject", "made_up", "subject"]


_EARLIER = "a cell of an earlier version"  # which may lack what a metric needs


@dataclass(frozen=True)
class Subject:
    """A metric to be tested.

    Attributes:
        metric: The function.
        bounds: Its smallest and largest value.
        cells: Predictions by a few words that say what is special about them.
    """

    metric: Metric
    bounds: tuple[float, float]
    cells: dict[str, Predictions]


def subject(name: str) -> Subject:
    """A registered metric, with cells of predictions, usual and odd ones.

    Raises:
        RobobenchError: The name is unknown.
    """
    cells = {
        "half right": made_up(200, 0.5),
        "all right": made_up(50, 1.0),
        "all wrong": made_up(50, 0.0),
        "one image": made_up(1, 1.0),
        "always one class": made_up(60, 0.3, classes=1),
        "half without prediction": made_up(40, 0.6, invalid=20),
        "none with a prediction": made_up(4, 0.0, invalid=4),
        _EARLIER: replace(made_up(30, 0.5), true_rank=None, second=None, second_probability=None),
    }
    return Subject(METRICS[name], METRICS.entry(name).options["bounds"], cells)


def made_up(count: int, right: float, *, classes: int = 5, invalid: int = 0) -> Predictions:
    """Made-up predictions of one cell.

    Args:
        count: Number of images.
        right: Share that is classified correctly.
        classes: Number of classes that are predicted.
        invalid: How many images have no valid prediction.
    """
    rng = np.random.default_rng(count)
    label = rng.integers(0, 5, count)
    correct = np.arange(count) < round(right * count)
    predicted = np.where(correct, label, (label + 1) % max(classes, 2))
    confidence = rng.uniform(0.2, 1.0, count).astype(np.float32)
    true = np.where(correct, confidence, (1 - confidence) / 4).astype(np.float32)
    predicted[:invalid] = -1
    confidence[:invalid] = true[:invalid] = np.nan
    given = predicted >= 0
    return Predictions(
        *(np.arange(count), label, predicted, confidence, true),
        true_rank=np.where(given, np.where(correct, 1, 2), 0).astype(np.int32),
        second=np.where(given, np.where(correct, (label + 1) % 5, label), -1).astype(np.int32),
        second_probability=((1 - confidence) / 4).astype(np.float32),
    )


def gives_numbers(it: Subject) -> None:
    """A number, or an array of one per image (those without a valid prediction may be left out)."""
    for said, cell in it.cells.items():
        metric_value(it.metric, cell)  # which refuses anything else
        found: Any = it.metric(cell)
        if isinstance(found, np.ndarray):
            assert len(found) <= len(cell), f"{said}: at most one number per image is expected"


def stays_inside_its_bounds(it: Subject) -> None:
    """Every value lies within the declared bounds; with valid predictions there is a value.

    Cells of earlier versions, which lack ranks and second classes, may have none.
    """
    low, high = it.bounds
    for said, cell in it.cells.items():
        value, *ends = metric_value(it.metric, cell)
        if math.isnan(value):
            unknown = said == _EARLIER or (cell.predicted < 0).all()
            assert unknown, f"{said}: a value is expected, got NaN"
            continue
        assert low <= value <= high, f"{said}: {low:g} to {high:g} is expected, got {value:g}"
        inside = ends[0] - 1e-9 <= value <= ends[1] + 1e-9
        assert inside or math.isnan(ends[0]), f"{said}: {value:g} lies outside of its interval"


def leaves_its_input_alone(it: Subject) -> None:
    """The predictions are the same ones afterwards."""
    for said, cell in it.cells.items():
        before = copy.deepcopy(vars(cell))
        it.metric(cell)
        same = all(
            np.array_equal(before[name], value, equal_nan=value.dtype.kind == "f")
            for name, value in vars(cell).items()
            if isinstance(value, np.ndarray)
        )
        assert same, f"{said}: the metric changed the predictions that it was given"


def does_not_depend_on_the_order(it: Subject) -> None:
    """The same images in another order have the same value."""
    for said, cell in it.cells.items():
        order = np.random.default_rng(0).permutation(len(cell))
        arrays: dict[str, Any] = {
            k: v[order] for k, v in vars(cell).items() if isinstance(v, np.ndarray)
        }
        one, other = (metric_value(it.metric, c)[0] for c in (cell, Predictions(**arrays)))
        same = math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
        both_unknown = math.isnan(one) and math.isnan(other)
        assert same or both_unknown, (
            f"{said}: {one:g} in one order of the images, {other:g} in another"
        )


PROMISES: tuple[Callable[[Subject], None], ...] = (
    gives_numbers,
    stays_inside_its_bounds,
    leaves_its_input_alone,
    does_not_depend_on_the_order,
)
