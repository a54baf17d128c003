"""Tests of the plug-ins in this folder, and of a classifier that must not become less robust.

pytest test_plugins.py
"""

from pathlib import Path

import robobench.testing

HERE = Path(__file__).parent


@robobench.testing.contract("method", "mirror-average", plugin=HERE / "method.py")
def test_method(promise):
    """One test for each promise: shapes, types, determinism, one image at a time, ..."""
    promise()


@robobench.testing.contract("trained_method", "deblurred", plugin=HERE / "trained_method.py")
def test_trained_method(promise):
    """The same for its training, which is cut to a few steps."""
    promise()


@robobench.testing.contract("corruption", "posterize", plugin=HERE / "corruption.py")
def test_corruption(promise):
    """Depends on seed and index alone, keeps its input, serves any batch, ..."""
    promise()


@robobench.testing.contract("dataset", "bars", plugin=HERE / "dataset.py")
def test_dataset(promise):
    """Reads the same images in any order, crops, has a fingerprint, ..."""
    promise()


@robobench.testing.contract("backbone", "small-cnn", plugin=HERE / "backbone.py")
def test_backbone(promise):
    """Gives logits for any number of classes, can be trained, is its state, ..."""
    promise()


@robobench.testing.contract("metric", "overconfident", plugin=HERE / "metric.py")
def test_metric(promise):
    """Stays inside its bounds, whatever the predictions."""
    promise()


@robobench.testing.contract("section", "hardest", plugin=HERE / "section.py")
def test_section(promise):
    """Can be written in every format."""
    promise()


def test_the_classifier_is_as_robust_as_before(no_regression):
    """Fails if accuracy on JPEG images drops; `pytest --robobench-freeze` writes the baseline."""
    no_regression(methods="org", corruptions="jpeg", limit=500, baseline="baseline.json")
