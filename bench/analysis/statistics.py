"""Confidence intervals and tests for results on a finite set of images.

The accuracy of a single cell has a Wilson interval. Everything else (means over cells, differences,
ratios) gets a Bayesian bootstrap over images, in which every draw weights **the same images alike
for all cells and methods**: errors on the same images are correlated, so a difference between
methods is known far more precisely than either accuracy. `robobench.analysis.sampling` makes the
intervals.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.draws import DRAWS

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
# Draws in one block, and cells: bounds memory at this many times the number of images.
_BLOCK = 64
# Below this, a million frequencies together do not move the twelfth digit of p.
_NO_WAVE = 1e-20
# So many are summed together: bounds memory.
_FREQUENCIES = 1 << 15


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
    """Weights of images in a Bayesian bootstrap, block by block.

    Standard exponential numbers, rounded to a multiple of a power of two that is taken as 1, so
    that sums over images are exact in float32, whatever their order.

    Args:
        count: Number of images.
        draws: Number of samples.
        rng: Random number generator.

    Yields:
        float32, at most 64 x count: whole numbers; only their proportions in a row matter.

    Source: Rubin, The Bayesian Bootstrap, Annals of Statistics, 1981.
    """
    # Sums stay below 2**24; with more than four million images, weights are coarse but many.
    unit = float(2 ** int(np.clip(np.floor(np.log2(2**23 / max(count, 1))), 1, 12)))
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        weights = rng.standard_exponential((size, count), dtype=np.float32)
        yield np.rint(weights * np.float32(unit))


def bootstrap_accuracies(
    correct: NDArray[np.bool_],
    draws: int = DRAWS,
    seed: int = 0,
    seen: NDArray[np.bool_] | None = None,
) -> Floats:
    """Accuracy of every cell, measured and in every bootstrap sample (the same for all cells).

    Args:
        correct: bool, cells x images.
        draws: Number of samples.
        seed: The same seed, draws and number of images give the same samples.
        seen: bool, cells x images: the images that each cell has; all by default.

    Returns:
        (1 + draws) x cells, fractions: the measured values first, then the samples. A statistic
        computed along the last axis therefore has its value in row 0, followed by its samples.
    """
    cells, count = correct.shape
    result = np.empty((1 + draws, cells))
    right_of = correct if seen is None else correct & seen
    result[0] = right_of.sum(axis=1) / (count if seen is None else seen.sum(axis=1))
    row = 1
    for weights in image_draws(count, draws, np.random.default_rng([seed, count])):
        below = result[row : row + len(weights)]
        whole = weights.sum(axis=1, dtype=np.float64)[:, None]
        for first in range(0, cells, _BLOCK):
            block = slice(first, first + _BLOCK)
            # Weights and their sums are integers below 2**24: exact in float32, whatever the order
            # of summation; their quotients are not.
            right = weights @ right_of[block].astype(np.float32).T
            if seen is not None:
                whole = (weights @ seen[block].astype(np.float32).T).astype(np.float64)
            below[:, block] = right.astype(np.float64) / np.maximum(whole, 1.0)
        row += len(weights)
    return result


def bootstrap_means(values: Floats, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Means over images in every bootstrap sample, the samples of `bootstrap_accuracies`.

    Args:
        values: float, K x images.
        draws: Number of samples.
        seed: See `bootstrap_accuracies`.

    Returns:
        K x draws.
    """
    count = values.shape[1]
    blocks = [
        values @ (weights / weights.sum(axis=1, keepdims=True)).T
        for weights in (
            block.astype(np.float64)
            for block in image_draws(count, draws, np.random.default_rng([seed, count]))
        )
    ]
    return np.concatenate(blocks, axis=1) if blocks else np.empty((len(values), 0))


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
    below = at = 0.0
    for place, waves in _waves(sizes, counts, length):
        turned = np.pi / length * (place * (2 * abs(total) - 1) % (2 * length))
        below += float((waves * np.sin(turned) / np.sin(np.pi / length * place)).sum())
        turned = 2 * np.pi / length * (place * abs(total) % length)
        at += float((waves * np.cos(turned)).sum())
    p = 2 * (reach + 1 - abs(total) - below) / length
    if mid_p:
        p -= (1 + 2 * at) / length
    return float(np.clip(p, 0.0, 1.0))


def _waves(
    sizes: NDArray[np.int64], counts: NDArray[np.int64], length: int
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """The characteristic function of a sum of signed sizes at the frequencies where it is not nothing.

    Of many frequencies few are left after the first sizes, the most spread first.

    Yields:
        Which of the positive frequencies, and the values there, block by block.
    """
    spread = np.argsort(-counts * sizes.astype(np.float64) ** 2)
    most = length // 2 + 1
    for first in range(1, most, _FREQUENCIES):
        place = np.arange(first, min(first + _FREQUENCIES, most))
        waves = np.ones(len(place))
        for k in spread:
            waves *= np.cos(2 * np.pi / length * (sizes[k] * place % length)) ** counts[k]
            left = np.abs(waves) > _NO_WAVE
            place, waves = place[left], waves[left]
        yield place, waves


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
