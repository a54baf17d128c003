"""Metrics of a cell's predictions: accuracy, calibration, likelihood, one number each.

A metric is a function of `Predictions`, registered by `robobench.metric`. It returns one value per
image, whose mean is the metric (`metric_value`), or a single number. An image without a valid
prediction (``predicted`` is -1, the confidence NaN) counts as wrong in accuracies and errors and is
left out of metrics of probabilities; the share of such images is a metric of its own (``invalid``),
so that they cannot go unnoticed.

`mce` and `interval_mean_accuracy`, which need a whole grid, can also be imported from here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.corruption_error import interval_mean_accuracy, mce
from robobench.analysis.statistics import wilson
from robobench.contracts import Metric
from robobench.errors import RobobenchError
from robobench.registry import metric
from robobench.types import Predictions

__all__ = [
    "accuracy",
    "calibration_bins",
    "ece",
    "error",
    "interval_mean_accuracy",
    "invalid",
    "max_calibration_error",
    "mce",
    "mean_confidence",
    "metric_value",
    "nll",
    "top5",
    "worst_class_accuracy",
]

BINS = 15
_TOP = 5
_NO_INTERVAL = (float("nan"), float("nan"))
# The smallest normal float32: a probability rounded to zero costs 87 nats, not infinity, so that a
# single image does not dominate the mean.
_TINY = float(np.finfo(np.float32).tiny)


def valid(predictions: Predictions) -> NDArray[np.bool_]:
    """Bool N, whether the method returned valid probabilities: a class and finite confidence."""
    finite = np.isfinite(predictions.confidence) & np.isfinite(predictions.true_probability)
    return np.asarray((predictions.predicted >= 0) & finite)


def metric_value(
    metric: Metric, predictions: Predictions, *, divided: bool = False
) -> tuple[float, float, float]:
    """A metric's value in a cell with its 95 % interval.

    Args:
        metric: A registered metric.
        predictions: Predictions of the cell.
        divided: Whether the cell has some of the images, as a sweep's levels are divided among them:
            then one number, such as a calibration error, is not what all images would give, and NaN.

    Returns:
        Value, lower and upper end: Wilson's interval where the metric returns a bool per image, the
        normal approximation where it returns a number per image, NaN where it returns one number.

    Raises:
        RobobenchError: The metric returns something else.
    """
    found = metric(predictions)
    if isinstance(found, int | float | np.number | np.bool_):
        return (float("nan") if divided else float(found)), *_NO_INTERVAL
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind not in "biuf":
        shape = f" of {found.dtype} {found.shape}" if isinstance(found, np.ndarray) else ""
        raise RobobenchError(
            f"metric {getattr(metric, '__name__', metric)}: expected one number, or a numpy array "
            f"with one per image, got {type(found).__name__}{shape}"
        )
    value = float(np.mean(found, dtype=np.float64)) if len(found) else float("nan")
    if found.dtype == np.bool_ and len(found):
        low, high = wilson(int(found.sum()), len(found))
        return value, float(low), float(high)
    return value, *normal_interval(found)[1:]


def normal_interval(values: Any) -> tuple[float, float, float]:
    """Mean and normal 95 % interval over the images that have a value; NaN without values."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return (float(known[0]) if len(known) else float("nan")), *_NO_INTERVAL
    half = 1.959963984540054 * known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean()), float(known.mean() - half), float(known.mean() + half)


@metric("accuracy", higher_is_better=True, bounds=(0.0, 1.0), reported=False)
def accuracy(predictions: Predictions) -> NDArray[np.bool_]:
    """Share of images classified correctly; an invalid prediction counts as wrong."""
    return predictions.correct


@metric("error", higher_is_better=False, bounds=(0.0, 1.0), reported=False)
def error(predictions: Predictions) -> NDArray[np.bool_]:
    """Share of images classified wrongly: one minus accuracy."""
    return ~predictions.correct


@metric("top5", higher_is_better=True, bounds=(0.0, 1.0), title="top-5", reported=False)
def top5(predictions: Predictions) -> NDArray[np.bool_] | float:
    """Share of images whose true class is among the five most probable; an invalid one is not.

    NaN for cells of earlier versions, which did not store the rank of the true class.
    """
    rank = predictions.true_rank
    return float("nan") if rank is None else np.asarray((rank >= 1) & (rank <= _TOP))


@metric("nll", higher_is_better=False, bounds=(0.0, float("inf")), title="NLL", unit="number")
def nll(predictions: Predictions) -> NDArray[np.float64]:
    """Negative log-likelihood: mean of -ln of the true class's probability.

    A probability below float32's smallest normal number counts as that number (87.3 nats).
    """
    return log_losses(predictions)


def log_losses(predictions: Predictions) -> NDArray[np.float64]:
    """The per-image terms of `nll`, in nats, for images with a valid prediction."""
    probability = predictions.true_probability[valid(predictions)].astype(np.float64)
    return -np.log(np.maximum(probability, _TINY))


def calibration_bins(
    predictions: Predictions, bins: int = BINS
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Reliability of the confidences, in bins of equal width on 0..1.

    Bins are closed below and open above; a confidence of exactly 1.0 is in the last one. Images
    without a valid prediction are left out.

    Args:
        predictions: Predictions of one cell.
        bins: Number of bins.

    Returns:
        Per bin: count (int64), mean confidence and accuracy (float64, NaN where empty).
    """
    keep = valid(predictions)
    confidence = predictions.confidence[keep].astype(np.float64)
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = np.where(count > 0, count, np.nan)
    total = np.bincount(place, weights=confidence, minlength=bins)
    right = np.bincount(place, weights=predictions.correct[keep], minlength=bins)
    return count, total / filled, right / filled


@metric("ece", higher_is_better=False, bounds=(0.0, 1.0), title="ECE")
def ece(predictions: Predictions) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over 15 equal bins.

    Bins are weighted by their number of images (Guo et al. 2017, eq. 3).
    """
    count, confidence, right = calibration_bins(predictions)
    if not count.sum():
        return float("nan")
    return float(np.nansum(count * np.abs(confidence - right)) / count.sum())


@metric("max_calibration_error", higher_is_better=False, bounds=(0.0, 1.0), reported=False)
def max_calibration_error(predictions: Predictions) -> float:
    """Largest gap between confidence and accuracy in any non-empty one of 15 equal bins.

    Known as MCE elsewhere; spelt out here, since mCE is something else.
    """
    count, confidence, right = calibration_bins(predictions)
    return float(np.nanmax(np.abs(confidence - right))) if count.sum() else float("nan")


@metric("mean_confidence", higher_is_better=True, bounds=(0.0, 1.0), reported=False)
def mean_confidence(predictions: Predictions) -> float:
    """Mean of the largest probability; a value above the accuracy means overconfidence."""
    known = predictions.confidence[valid(predictions)]
    return float(np.mean(known, dtype=np.float64)) if len(known) else float("nan")


@metric("worst_class_accuracy", higher_is_better=True, bounds=(0.0, 1.0), reported=False)
def worst_class_accuracy(predictions: Predictions) -> float:
    """Lowest per-class accuracy, among the classes that have images."""
    if not len(predictions):
        return float("nan")
    count = np.bincount(predictions.label)
    right = np.bincount(predictions.label, weights=predictions.correct)
    return float(np.min(right[count > 0] / count[count > 0]))


@metric("invalid", higher_is_better=False, bounds=(0.0, 1.0), reported=False)
def invalid(predictions: Predictions) -> NDArray[np.bool_]:
    """Share of images for which the method returned no valid probabilities (NaN)."""
    return ~valid(predictions)
