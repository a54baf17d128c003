"""How long the statistics of a run take: run with ``pytest tests/benchmarks --benchmark-enable``."""

import numpy as np
import pytest

from robobench.analysis.series import make_series
from robobench.analysis.statistics import bootstrap_accuracies, sign_flip
from robobench.analysis.summary import summarise
from robobench.types import Cell, Predictions

METHODS, LEVELS = 6, 9


def items(images):
    rng = np.random.default_rng(0)
    hard = rng.random(images)
    index = np.arange(images)
    label = index % 10
    half = np.full(images, 0.5, np.float32)
    for method in range(METHODS):
        for level in range(LEVELS + 1):
            right = hard + 0.1 * rng.standard_normal(images) < 0.95 - 0.05 * level
            name = ("clean", 0.0) if not level else ("jpeg_compression", 100.0 - 10 * level)
            cell = Cell(
                *("toy", "test", "as-is", "crop", "", *name, 0),
                *("org" if not method else f"m{method}", "net", "w", "", 0),
            )
            yield cell, Predictions(index, label, np.where(right, label, -1), half, half)


@pytest.mark.parametrize("images", [2_000, 50_000])
def test_a_thousand_draws_of_sixty_cells(benchmark, images):
    correct = np.random.default_rng(0).random((60, images)) < 0.7
    rounds = 3 if images < 10_000 else 1
    samples = benchmark.pedantic(bootstrap_accuracies, (correct, 1000), rounds=rounds)
    assert samples.shape == (1001, 60)


def test_the_summary_of_sixty_cells(benchmark):
    cells = list(items(2_000))
    assert len(cells) == 60

    def summary():
        return summarise(make_series(cells), profile="cifar-c")

    frame = benchmark.pedantic(summary, rounds=3)
    assert frame["accuracy_low"].notna().all()


def test_an_exact_test_over_a_hundred_levels(benchmark):
    difference = np.random.default_rng(0).integers(-20, 25, 10_000)
    assert 0 <= benchmark.pedantic(sign_flip, (difference,), rounds=3) <= 1
