"""Cells with made-up predictions, for tests of what is computed from them."""

from dataclasses import replace

import numpy as np

from robobench.analysis.series import make_series
from robobench.analysis.summary import summarise
from robobench.corruptions import catalogue
from robobench.types import Cell, Degradation, Predictions

CELL = Cell("shapes10", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "vgg", "w", "", 0)
JPEG = [catalogue.at_severity("jpeg_compression", s, "cifar-c") for s in range(1, 6)]
FOG = [catalogue.at_severity("fog", s, "cifar-c") for s in range(1, 6)]
CLEAN = Degradation("clean")


def predictions(correct, index=None, **extra):
    correct = np.asarray(correct, bool)
    index = np.arange(len(correct)) if index is None else np.asarray(index)
    label = index % 10
    confidence = np.full(len(correct), 0.75, np.float32)
    true = np.where(correct, confidence, 0.1).astype(np.float32)
    predicted = np.where(correct, label, (label + 1) % 10)
    return Predictions(index, label, predicted, confidence, true, extra)


def on(degradation, method="org", **changes):
    return replace(
        CELL,
        corruption=degradation.corruption,
        level=degradation.level,
        profile=degradation.profile,
        method=method,
        **changes,
    )


def right(share, images=1000):
    """The first images are right: means are exact and cells err on the same images."""
    return np.arange(images) < round(share * images)


def study(table, images=1000):
    """{method: {degradation: accuracy}} as items."""
    return [
        (on(degradation, method), predictions(right(share, images)))
        for method, row in table.items()
        for degradation, share in row.items()
    ]


def two_methods(images=1000):
    org = {CLEAN: 0.95, **dict(zip(JPEG, (0.9, 0.8, 0.7, 0.6, 0.5), strict=True))}
    afd = {CLEAN: 0.95, **dict(zip(JPEG, (0.93, 0.9, 0.85, 0.8, 0.72), strict=True))}
    return study({"org": org, "afd": afd}, images)


def row(frame, method, corruption):
    found = frame[(frame["method"] == method) & (frame["corruption"] == corruption)]
    assert len(found) == 1
    return found.iloc[0]


def summary_of(cells, draws=1000, **settings):
    """The summary of cells, with so many bootstrap samples."""
    return summarise(make_series(cells, draws=draws), **settings)
