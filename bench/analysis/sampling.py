"""Intervals of any statistic of accuracies, from bootstrap samples and the weight of each image.

A statistic is computed along arrays whose elements are, in this order: its measured value; its
values in the samples of a Bayesian bootstrap over images; its values with each image left out in
turn; with each training left out; and with the accuracies of each network shifted by a recorded
spread between trainings. Arithmetic along such arrays (means, differences, ratios) keeps this
order, and `Sampling.interval` makes the interval.

The bootstrap alone is too narrow where few images decide: with no image on which two methods
differ, it says that they are equal. Two kinds of noise with mean zero repair this, each the
difference of two gamma variables, as a pair of pseudo-images, one right and one wrong, would cause:
on every cell (`pseudo_images`), with variance 1/12 of one image, and on the statistic, with variance
3/2 of an image of typical influence. For the difference of two methods in one cell this is not far
from the two pseudo-images of Agresti & Min (2005). The ends are moved apart as Student's t is
wider than the normal distribution, with three degrees of freedom for each image that decides (and
three more). The three numbers were chosen by simulation: `tests/benchmarks/interval_coverage.py` measures how
often the intervals hold.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from robobench.analysis.draws import DRAWS
from robobench.analysis.statistics import CONFIDENCE, Floats, bootstrap_means

# Variances in images: of the noise on a cell and of that on a statistic.
_ON_CELL, _ON_STATISTIC = 1 / 12, 1.5
# Degrees of freedom for each image that decides.
_FREEDOM = 3
# Cells whose samples are made together: bounds memory at this many times the number of images.
_TOGETHER = 64
# Squared contributions below this are rounding errors.
_NOTHING = 1e-22
ANYTHING: tuple[float, float] = (float("-inf"), float("inf"))


@lru_cache(maxsize=64)
def _gamma_difference(variance: float, draws: int, *key: int) -> Floats:
    """Symmetric noise of this variance: the difference of two gamma variables of scale one."""
    rng = np.random.default_rng(key)
    first, second = rng.standard_gamma(variance / 2, (2, draws))
    noise: Floats = first - second
    noise.flags.writeable = False  # shared by all callers
    return noise


def _widening(images: float) -> float:
    """How much wider Student's t is than the normal distribution, for so many deciding images."""
    from scipy import special

    tail = (1 - CONFIDENCE) / 2
    freedom = _FREEDOM * (images + 1)
    return float(special.stdtrit(freedom, tail) / special.ndtri(tail))


def pseudo_images(name: str, draws: int, seed: int = 0) -> Floats:
    """Noise of a cell's number of images classified correctly, draw by draw.

    Args:
        name: Identity of the cell: other cells get other noise.
        draws: Number of samples.
        seed: Seed of the bootstrap.
    """
    return _gamma_difference(_ON_CELL, draws, seed, zlib.crc32(name.encode()))


def monte_carlo_error(draws: int) -> float:
    """Standard error of an interval's end due to the number of draws, as a share of its width.

    That of a normal distribution's quantile: the same for all statistics, and about right for them.

    >>> f"{monte_carlo_error(2000):.3f}"
    '0.015'
    """
    from scipy import stats

    if not draws:
        return float("nan")
    tail = (1 - CONFIDENCE) / 2
    end = stats.norm.ppf(1 - tail)
    error = np.sqrt(tail * (1 - tail) / draws) / stats.norm.pdf(end)
    return float(error / (2 * end))


@dataclass(frozen=True)
class Sampling:
    """What the elements of a sampled statistic are, and the intervals made of them.

    Attributes:
        draws: Number of bootstrap samples; 0 for none, and no intervals.
        images: Number of images.
        trainings: For each set of trainings that some methods share, their number: 2 or more.
        networks: Number of networks whose spread between trainings is given instead.
    """

    draws: int
    images: int
    trainings: tuple[int, ...] = ()
    networks: int = 0

    def interval(self, rows: Floats, bounds: tuple[float, float] = ANYTHING) -> tuple[float, float]:
        """The 95 % interval of a statistic; NaN where a sample is, or without samples.

        Args:
            rows: The statistic, as the module says.
            bounds: Between which values it lies.
        """
        samples = rows[1 : 1 + self.draws]
        if not self.draws or np.isnan(samples).any():
            return float("nan"), float("nan")
        typical, deciding = self._typical(rows)
        samples = samples + typical * _gamma_difference(_ON_STATISTIC, self.draws, 1)
        samples = rows[0] + _widening(deciding) * (samples - rows[0])
        for place, (error, freedom) in enumerate(self._of_trainings(rows)):
            noise = np.random.default_rng([2, place, self.trainings[place]])
            samples = samples + error * noise.standard_t(freedom, self.draws)
        for place, shift in enumerate(self._of_networks(rows)):
            noise = np.random.default_rng([3, place])
            samples = samples + shift * noise.standard_normal(self.draws)
        tail = (1 - CONFIDENCE) / 2
        # No interpolation, as samples may be infinite (a ratio whose denominator vanished).
        ends = np.quantile(samples, [tail, 1 - tail], method="inverted_cdf")
        low, high = np.clip(ends, *bounds)
        return float(low), float(high)

    def varies_with_training(self, rows: Floats) -> bool:
        """Whether a statistic depends on which trainings there are, or on a given spread."""
        moved = [error for error, _ in self._of_trainings(rows)] + list(self._of_networks(rows))
        return any(abs(by) > _NOTHING**0.5 for by in moved)

    def is_known(self, rows: Floats) -> bool:
        """Whether a value is positive, and known to within half of it: fit to divide by."""
        return bool(self.interval(rows)[0] > rows[0] / 2 > 0)

    def p_value(self, rows: Floats) -> float:
        """Two-sided p of a difference of zero, where trainings differ: a normal plus Student's t.

        The normal part is the choice of the images, the t that of the trainings, with as many
        degrees of freedom as the fewest trainings have.
        """
        from scipy import stats

        contributions = self._of_images(rows)
        image = float((contributions**2).sum()) + _ON_STATISTIC * self._typical(rows)[0] ** 2
        image += float((self._of_networks(rows) ** 2).sum())
        trained = self._of_trainings(rows)
        spread = np.sqrt(sum(error**2 for error, _ in trained))
        if image + spread**2 < _NOTHING:
            return 1.0
        noise = np.zeros(1)
        if trained:
            places = (np.arange(4000) + 0.5) / 4000
            noise = spread * stats.t.ppf(places, min(freedom for _, freedom in trained))
        away, scale = abs(float(rows[0])), max(np.sqrt(image), np.sqrt(_NOTHING))
        return float(2 * stats.norm.sf((away - noise) / scale).mean())

    def _of_images(self, rows: Floats) -> Floats:
        """What each image contributes to the deviation of the statistic from its expectation."""
        left_out = rows[1 + self.draws : 1 + self.draws + self.images]
        contributions: Floats = (rows[0] - left_out) * (self.images - 1) / self.images
        centred: Floats = contributions - contributions.mean()
        return centred

    def _typical(self, rows: Floats) -> tuple[float, float]:
        """The contribution of an image that contributes, and how many there are in effect."""
        squares = self._of_images(rows) ** 2
        total, fourth = float(squares.sum()), float((squares**2).sum())
        if not total > _NOTHING:
            return 0.0, 0.0
        return float(np.sqrt(fourth / total)), total**2 / fourth

    def _of_trainings(self, rows: Floats) -> list[tuple[float, int]]:
        """Standard error (jackknife) and degrees of freedom of each set of trainings."""
        found = []
        first = 1 + self.draws + self.images
        for count in self.trainings:
            left_out = rows[first : first + count]
            squares = float(((left_out - left_out.mean()) ** 2).sum())
            found.append((float(np.sqrt((count - 1) / count * squares)), count - 1))
            first += count
        return found

    def _of_networks(self, rows: Floats) -> Floats:
        """By how much the statistic moves with each network whose spread is given."""
        moved: Floats = rows[len(rows) - self.networks :] - rows[0]
        return moved


def sampled_mean(values: Floats, draws: int = DRAWS) -> Floats:
    """The mean of values as an array as the module says.

    Args:
        values: float, trainings x images.
        draws: Number of bootstrap samples.

    Returns:
        For ``Sampling(draws, images)`` of one training, ``Sampling(draws, images, (trainings,))``
        of several.
    """
    mean, each = values.mean(axis=0), values.mean(axis=1)
    samples = bootstrap_means(mean[None], draws)[0]
    parts = [np.array([mean.mean()]), samples, _without_each(mean)]
    return np.concatenate(parts + ([_without_each(each)] if len(each) > 1 else []))


def paired_intervals(
    differences: Sequence[Floats], cells: Sequence[float], names: Sequence[str]
) -> list[tuple[float, float]]:
    """The 95 % interval of each mean over images of paired differences of accuracies.

    Args:
        differences: float N each: per image the mean difference over the cells, -1..1; the images
            of one may be others than those of another.
        cells: Number of cells that each is averaged over; one with some of the images counts as the
            square of their share.
        names: Identity of each one's cells, for their pseudo-images.
    """
    by_count: dict[int, list[int]] = {}
    for place, values in enumerate(differences):
        by_count.setdefault(len(values), []).append(place)
    found: dict[int, tuple[float, float]] = {}
    for count, places in by_count.items():
        sampling = Sampling(DRAWS, count)
        for first in range(0, len(places), _TOGETHER):
            some = places[first : first + _TOGETHER]
            sampled = bootstrap_means(np.stack([differences[k] for k in some]))
            for place, samples in zip(some, sampled, strict=True):
                values, averaged = differences[place], cells[place]
                # Each cell has two sides; independent gamma variables add up.
                key = zlib.crc32(names[place].encode())
                noise = _gamma_difference(2 * averaged * _ON_CELL, DRAWS, 0, key) / averaged
                rows = [np.array([values.mean()]), samples + noise / count, _without_each(values)]
                found[place] = sampling.interval(np.concatenate(rows), (-1.0, 1.0))
    return [found[place] for place in range(len(differences))]


def _without_each(values: Floats) -> Floats:
    """The mean of the values with each left out in turn."""
    without: Floats = (values.sum() - values) / max(len(values) - 1, 1)
    return without
