import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robobench.analysis.metrics import (
    accuracy,
    calibration_bins,
    ece,
    mean_confidence,
    metric_value,
    nll,
)
from robobench.registry import METRICS
from robobench.testing import metric as metric_contract
from robobench.types import Predictions


def predictions(confidence, correct, label=None, true_probability=None):
    confidence = np.asarray(confidence, np.float32)
    correct = np.asarray(correct, bool)
    label = np.zeros(len(correct), np.int64) if label is None else np.asarray(label)
    true = np.where(correct, confidence, 1 - confidence)
    true = true if true_probability is None else np.asarray(true_probability)
    predicted = np.where(np.isnan(confidence), -1, np.where(correct, label, label + 1))
    rank = np.where(predicted < 0, 0, np.where(correct, 1, 6))
    return Predictions(
        *(np.arange(len(label)), label, predicted, confidence, true.astype(np.float32)),
        true_rank=rank.astype(np.int32),
    )


@pytest.mark.parametrize("promise", metric_contract.PROMISES, ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_keeps_its_promises(name, promise):
    promise(metric_contract.subject(name))


def test_every_metric_has_a_direction():
    assert {"accuracy", "error", "nll", "ece", "max_calibration_error"} <= set(METRICS)
    for name in METRICS:
        assert isinstance(METRICS.entry(name).options["higher_is_better"], bool), name


def test_accuracy_error_and_worst_class():
    some = predictions([0.9] * 6, [1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1])
    assert metric_value(accuracy, some)[0] == pytest.approx(1 / 2)
    assert metric_value(METRICS["error"], some)[0] == pytest.approx(1 / 2)
    assert metric_value(METRICS["worst_class_accuracy"], some)[0] == pytest.approx(1 / 3)


def test_worst_class_ignores_classes_without_images():
    some = predictions([0.9, 0.9], [1, 1], [0, 7])
    assert metric_value(METRICS["worst_class_accuracy"], some)[0] == 1.0


def test_nll_is_the_mean_log_loss_and_finite_at_zero_probability():
    some = predictions([0.5, 0.25], [1, 1], true_probability=[0.5, 0.25])
    assert metric_value(nll, some)[0] == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert metric_value(nll, predictions([1.0], [0], true_probability=[0.0]))[0] == pytest.approx(
        87.3, abs=0.1
    )


def reference_ece(confidence, correct, bins=15):
    """Written from the definition: bin by bin, over edges, the last one closed."""
    edges = [i / bins for i in range(bins + 1)]
    total = 0.0
    for i in range(bins):
        last = i == bins - 1
        inside = [
            j
            for j, c in enumerate(confidence)
            if edges[i] <= c and (c < edges[i + 1] or (last and c <= 1.0))
        ]
        if inside:
            gap = abs(
                sum(confidence[j] for j in inside) / len(inside)
                - sum(correct[j] for j in inside) / len(inside)
            )
            total += len(inside) / len(confidence) * gap
    return total


@given(st.lists(st.tuples(st.floats(0.0, 1.0, width=32), st.booleans()), min_size=1, max_size=60))
def test_ece_equals_a_second_implementation(pairs):
    confidence, correct = [c for c, _ in pairs], [k for _, k in pairs]
    # An edge such as 3/15 is no float; which side of it a confidence lies on is rounding.
    near = [abs(c * 15 - round(c * 15)) < 1e-6 and 0 < c < 1 for c in confidence]
    if not any(near):
        expected = reference_ece(confidence, correct)
        assert ece(predictions(confidence, correct)) == pytest.approx(expected, abs=1e-9)


def test_a_confidence_of_one_belongs_to_the_last_bin():
    count, confidence, right = calibration_bins(predictions([1.0, 1.0, 0.97], [1, 0, 1]))
    assert len(count) == 15
    assert count[14] == 3
    assert confidence[14] == pytest.approx(0.99)
    assert right[14] == pytest.approx(2 / 3)
    assert ece(predictions([1.0, 1.0], [1, 0])) == pytest.approx(0.5)


def test_images_without_prediction_are_wrong_uncalibrated_and_reported():
    some = predictions([0.8, np.nan, 0.6, np.nan], [1, 0, 1, 0])
    assert metric_value(accuracy, some)[0] == 0.5
    assert metric_value(METRICS["invalid"], some)[0] == 0.5
    assert mean_confidence(some) == pytest.approx(0.7)
    assert ece(some) == pytest.approx(0.3)
    assert metric_value(METRICS["max_calibration_error"], some)[0] == pytest.approx(0.4)
    assert math.isfinite(metric_value(nll, some)[0])


def test_without_one_valid_prediction_calibration_is_unknown_and_accuracy_zero():
    some = predictions([np.nan, np.nan], [0, 0])
    assert metric_value(accuracy, some)[0] == 0.0
    assert metric_value(METRICS["invalid"], some)[0] == 1.0
    for name in ("ece", "max_calibration_error", "nll", "mean_confidence"):
        assert math.isnan(metric_value(METRICS[name], some)[0]), name
