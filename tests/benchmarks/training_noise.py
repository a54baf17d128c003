"""How often equal recipes are found to differ, by number of trainings; part of `interval_coverage`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from robobench.analysis.draws import DRAWS
from robobench.analysis.sampling import Sampling
from robobench.analysis.statistics import Floats, image_draws

ACCURACY, CORRELATION = 0.85, 0.8
IMAGES = (1_000, 10_000)
SPREADS = (0.0, 0.5, 1.0)
TRAININGS = (1, 2, 3, 5)
TEXT = """\
## Trainings

With one training of each, intervals and tests speak of these trained networks: they say nothing about what training again
would give. With two or more, Student's t of the trainings' results (leave one out, as many degrees of freedom as trainings
but one) is added to the bootstrap over images. Two equal recipes, {accuracy:.0%} accurate, whose trainings differ by a
standard deviation of 0, 0.5 or 1 point, {replicates:,} times: how often the interval of their paired difference excludes zero
(*found*), how often the test says p ≤ 0.05 (*p*), and the same for a bootstrap over trainings, then images (*hierarchical*)
and for t of the trainings' results alone (*t alone*); *given*: with `--seed-sd` set to the standard deviation. *Held* is how
often the interval of one recipe's accuracy holds, in per cent, *hierarchical* again beside it. Where it should be 5, and 95.

{table}

{summary}
"""
_COLUMNS = ("found", "p", "hierarchical", "t alone", "given", "held", "held, hierarchical")


def _trained(
    images: int, spread: float, trainings: int, rng: np.random.Generator, hard: Floats
) -> Floats:
    """Right or wrong, trainings x images, of one recipe."""
    accuracies = np.clip(ACCURACY + spread / 100 * rng.standard_normal(trainings), 0.01, 0.99)
    noise = rng.standard_normal((trainings, images))
    score = np.sqrt(CORRELATION) * hard + np.sqrt(1 - CORRELATION) * noise
    right: Floats = (score < ndtri(accuracies)[:, None]).astype(np.float64)
    return right


def _rows(values: Floats, sampled: Floats) -> Floats:
    """The mean of trainings x images as `Sampling` expects it; `sampled` is draws x trainings."""
    mean, each = values.mean(axis=0), values.mean(axis=1)
    without = (mean.sum() - mean) / (len(mean) - 1)
    parts = [[mean.mean()], sampled.mean(axis=1), without]
    if len(each) > 1:
        parts.append((each.sum() - each) / (len(each) - 1))
    return np.concatenate(parts)


def _hierarchical(sampled: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Percentiles over draws of trainings (one fewer than there are), then images."""
    count = sampled.shape[1]
    if count == 1:
        shares = np.ones((len(sampled), 1))
    else:
        shares = rng.multinomial(count - 1, [1 / count] * count, len(sampled)) / (count - 1)
    low, high = np.quantile((shares * sampled).sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def outcomes(
    images: int, spread: float, trainings: int, replicates: int
) -> Iterator[dict[str, bool]]:
    """For each simulated comparison: what was found, and whether the intervals held.

    Args:
        images: Number of images.
        spread: Standard deviation between trainings, in points.
        trainings: Of each recipe.
        replicates: Number of comparisons.
    """
    rng = np.random.default_rng([images, int(10 * spread), trainings])
    draws = image_draws(images, DRAWS, np.random.default_rng([0, images]))
    weights: NDArray[np.float32] = np.concatenate(list(draws))
    weights /= weights.sum(axis=1, keepdims=True)
    sets = (trainings,) if trainings > 1 else ()
    sampling, given = Sampling(DRAWS, images, sets), Sampling(DRAWS, images, networks=2)
    for _ in range(replicates):
        hard = rng.standard_normal(images)
        first, second = (_trained(images, spread, trainings, rng, hard) for _ in range(2))
        both = np.concatenate([first, second]).astype(np.float32)
        sampled = (weights @ both.T).astype(np.float64)
        of_first, of_gain = sampled[:, :trainings], sampled[:, trainings:] - sampled[:, :trainings]
        gain = _rows(second - first, of_gain)
        shift = spread / 100 / np.sqrt(trainings)
        bare = gain[: 1 + DRAWS + images]
        shifted = np.concatenate([bare, [gain[0] - shift, gain[0] + shift]])
        low, high = sampling.interval(_rows(first, of_first), (0.0, 1.0))
        known = given.interval(shifted)
        beside = _hierarchical(of_first, rng)
        # A jackknife of one training has no t.
        several = trainings > 1
        gains = (second - first).mean(axis=1)
        p = stats.ttest_1samp(gains, 0).pvalue if several and np.ptp(gains) else 1.0
        yield {
            "found": not _holds(sampling.interval(gain), 0.0),
            "p": sampling.p_value(gain) <= 0.05,
            "hierarchical": not _holds(_hierarchical(of_gain, rng), 0.0),
            "t alone": bool(p <= 0.05),
            "given": not _holds(known, 0.0),
            "held": low <= ACCURACY <= high,
            "held, hierarchical": _holds(beside, ACCURACY),
        }


def _holds(ends: tuple[float, float], value: float) -> bool:
    return ends[0] <= value <= ends[1]


def shares(images: int, spread: float, trainings: int, replicates: int) -> dict[str, float]:
    """How often each of `outcomes` is true."""
    found = pd.DataFrame(list(outcomes(images, spread, trainings, replicates)))
    return {name: float(found[name].mean()) for name in _COLUMNS}


def table_of_trainings(replicates: int) -> tuple[pd.DataFrame, dict[str, object]]:
    """The table of the page, and what its text says."""
    rows, worst = [], 0.0
    for images in IMAGES:
        for spread in SPREADS:
            for trainings in TRAININGS:
                found = shares(images, spread, trainings, replicates)
                if trainings == 3:
                    worst = max(worst, found["found"], found["p"])
                told = {name: f"{100 * share:.1f}" for name, share in found.items()}
                if trainings == 1:
                    told["t alone"] = ""
                place = {"images": f"{images:,}", "points": f"{spread:g}"}
                rows.append({**place, "trainings": str(trainings), **told})
                print(rows[-1], flush=True)
    summary = f"With three trainings, at most {worst:.1%} of equal recipes are found to differ."
    told = {"accuracy": ACCURACY, "replicates": replicates, "summary": summary}
    return pd.DataFrame(rows), dict(told)
