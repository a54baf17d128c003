"""Confidence intervals and tests for results on a finite set of images.

The accuracy of a single cell has a Wilson interval. Everything else (means over cells, differences,
ratios) gets a bootstrap over images in which every draw takes **the same images for all cells and
methods**: errors on the same images are correlated, so a difference between methods is known far
more precisely than either accuracy.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
# Draws in one block, and cells: bounds memory at this many times the number of images.
_BLOCK = 64


def wilson(right: Any, count: Any, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Wilson score interval of a proportion.

    Args:
        right: Number of successes (number or array).
        count: Number of trials, above 0.
        confidence: Confidence level, such as 0.95.

    Returns:
        Lower and upper end, fractions, in the shape of the input.

    Source: Wilson, Journal of the American Statistical Association, 1927.
    """
    from scipy.special import ndtri

    right, count = np.asarray(right, np.float64), np.asarray(count, np.float64)
    # SciPy has the interval in `BinomTestResult.proportion_ci`, for one proportion at a time.
    share, z = right / count, -ndtri((1 - confidence) / 2)
    whole = 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / whole
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / whole
    # Rounding may put an end 1e-17 outside 0..1.
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def image_draws(count: int, draws: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Bootstrap samples of images as counts, block by block.

    Args:
        count: Number of images.
        draws: Number of samples.
        rng: Random number generator.

    Yields:
        float32, at most 64 x count: how often each image is in each sample; rows sum to `count`.
    """
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        chosen = rng.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        counts = np.bincount(chosen.ravel(), minlength=size * count)
        yield counts.reshape(size, count).astype(np.float32)


def bootstrap_accuracies(correct: NDArray[np.bool_], draws: int = 1000, seed: int = 0) -> Floats:
    """Accuracy of every cell, measured and in every bootstrap sample (the same for all cells).

    Args:
        correct: bool, cells x images.
        draws: Number of samples.
        seed: The same seed, draws and number of images give the same samples.

    Returns:
        (1 + draws) x cells, fractions: the measured values first, then the samples. A statistic
        computed along the last axis therefore has its value in row 0, followed by its samples.
    """
    cells, count = correct.shape
    result = np.empty((1 + draws, cells))
    result[0] = correct.mean(axis=1)
    row = 1
    for counts in image_draws(count, draws, np.random.default_rng([seed, count])):
        below = result[row : row + len(counts)]
        for first in range(0, cells, _BLOCK):
            block = slice(first, first + _BLOCK)
            # Counts and their sums are integers below 2**24: exact in float32, whatever the order
            # of summation; their quotients are not.
            right = counts @ correct[block].astype(np.float32).T
            below[:, block] = right.astype(np.float64) / count
        row += len(counts)
    return result


def draw_train_seeds(seeds: int, draws: int, rng: np.random.Generator) -> Floats:
    """The upper level of a hierarchical bootstrap: the trainings' weights in each sample.

    Draws S - 1 of S seeds: the variance of the mean of S draws would be too small by a factor of
    (S-1)/S, which matters for three seeds but not for a thousand images (McCarthy & Snowden 1985).

    Returns:
        (1 + draws) x seeds; rows sum to one, the first has equal weights.
    """
    weights = np.full((1 + draws, seeds), 1.0 / seeds)
    if seeds > 1:
        weights[1:] = rng.multinomial(seeds - 1, [1.0 / seeds] * seeds, size=draws) / (seeds - 1)
    return weights


def percentile_interval(samples: Floats, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Percentile interval of bootstrap samples (without row 0); NaN if any sample is NaN."""
    if not len(samples) or np.isnan(samples).any():
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    # No interpolation, as samples may be infinite (a ratio whose denominator vanished).
    low = np.quantile(samples, tail, method="inverted_cdf")
    high = np.quantile(samples, 1 - tail, method="inverted_cdf")
    return float(low), float(high)


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_], *, mid_p: bool = False) -> float:
    """McNemar's exact test of two methods on the same images, two-sided.

    Only discordant images count, those that exactly one method classifies correctly. If the methods
    were equally good, each would be equally likely to favour either.

    Args:
        first: bool N, whether each image was classified correctly.
        second: The same for the other method.
        mid_p: Count the observed outcome half: less conservative (Fagerland et al. 2013).

    Returns:
        p; 1 where no image is discordant.
    """
    return sign_flip(first.astype(np.int64) - second.astype(np.int64), mid_p=mid_p)


def sign_flip(difference: NDArray[np.int64], *, mid_p: bool = False) -> float:
    """Exact sign-flip test of per-image differences, two-sided.

    Under the null hypothesis that neither method is better, each difference is positive or negative
    with probability 1/2, given its size; the distribution of the sum follows by multiplying
    characteristic functions. With one level (differences -1, 0, 1) this is McNemar's exact test.
    With several levels of the same images, the image remains the unit, whereas summing McNemar's
    counts over levels would count each image several times.

    Args:
        difference: Integers: for each image, how many more cells one method has right.
        mid_p: Count the observed sum half.

    Returns:
        p, accurate to about 1e-12.
    """
    from scipy import stats

    sizes, counts = np.unique(np.abs(difference[difference != 0]), return_counts=True)
    total, reach = int(difference.sum()), int((sizes * counts).sum())
    if not reach:
        return 1.0
    if reach > 1_000_000:  # thousands of images at a hundred levels: normal approximation
        spread = float(np.sqrt((sizes.astype(np.float64) ** 2 * counts).sum()))
        return float(2 * stats.norm.sf(abs(total) / spread))
    if len(sizes) == 1:  # McNemar: a binomial has no rounding error
        few = (int(counts[0]) - abs(total) // int(sizes[0])) // 2
        below = stats.binom.cdf(few, counts[0], 0.5)
        at = stats.binom.pmf(few, counts[0], 0.5)
        tail = below - at / 2 if mid_p else below
        return float(min(1.0, 2 * tail))
    length = 2 * reach + 1
    angle = 2 * np.pi * np.arange(reach + 1) / length
    waves = np.ones(reach + 1)
    for size, count in zip(sizes, counts, strict=True):
        waves *= np.cos(size * angle) ** count
    density = np.clip(np.fft.irfft(waves, n=length), 0.0, 1.0)  # at sums 0, 1, ... reach, -reach...
    beyond = float(density[abs(total) : reach + 1].sum())
    if mid_p:
        beyond -= float(density[abs(total)]) / 2
    return float(np.clip(2 * beyond, 0.0, 1.0))


def holm(p_values: Sequence[float]) -> Floats:
    """Holm's adjustment: reject where the adjusted p is at most alpha; NaN stays NaN.

    Source: Holm, Scandinavian Journal of Statistics, 1979.
    """
    p = np.asarray(p_values, np.float64)
    known = np.flatnonzero(~np.isnan(p))
    rising = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(p.shape, np.nan)
    weighted = p[rising] * np.arange(len(rising), 0, -1)
    adjusted[rising] = np.minimum(1.0, np.maximum.accumulate(weighted))
    return adjusted


def paired_loss(loss: Floats) -> tuple[float, float]:
    """Mean of per-image losses and its standard error, with two pseudo-images added.

    Half a loss and half a gain in each: the correction of Agresti & Min (2005) for paired
    proportions. It keeps intervals and tests valid where few images differ and the plain standard
    error would vanish.

    Args:
        loss: float N, per image the share of cells lost minus the share gained, -1..1.
    """
    padded = len(loss) + 2
    mean = float(loss.sum()) / padded
    variance = (float((loss**2).sum()) + 1.0) / padded - mean**2
    return mean, float(np.sqrt(variance / padded))


def loss_exceeds(loss: Floats, margin: float) -> float:
    """One-sided p-value for a mean paired loss above a margin: Student's t on `paired_loss`.

    Args:
        loss: See `paired_loss`.
        margin: The tolerated mean loss, a fraction.

    Returns:
        p; small where the mean loss is significantly above the margin.
    """
    from scipy import stats

    mean, error = paired_loss(loss)
    return float(stats.t.sf((mean - margin) / error, len(loss) + 1))
