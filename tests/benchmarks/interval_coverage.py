"""Write docs/statistics.md: how often the intervals hold, by simulation.

    python tests/benchmarks/interval_coverage.py

takes under ten minutes on one core; ``--replicates`` shortens it. The intervals are those of
`robobench.analysis.sampling`, as reports have them; only the images are made up.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from markdown_tables import markdown
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri
from training_noise import TEXT as TEXT_ON_TRAININGS
from training_noise import table_of_trainings
from unpaired_alarms import TEXT as TEXT_ON_UNPAIRED
from unpaired_alarms import table_of_alarms

from robobench.analysis.draws import DRAWS
from robobench.analysis.normalizers import ALEXNET, COMMON
from robobench.analysis.sampling import Sampling, monte_carlo_error, pseudo_images
from robobench.analysis.statistics import Floats, image_draws, wilson
from robobench.files import write_whole

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
ACCURACIES = (0.1, 0.5, 0.9, 0.99)
IMAGES = (100, 500, 2_000, 10_000)
CORRUPTIONS, SEVERITIES = 3, 5
CORRELATION = 0.6
# Intervals that are blank more often than this have no coverage worth a number.
BLANK = 0.5
TEXT = """\
# How often the intervals hold

Intervals are for 95 %: of all runs on other images of the same kind, so many should hold the true value. A cell has Wilson's
interval; everything else a Bayesian bootstrap over images, the same for all cells and methods, with pseudo-images
(`bench/analysis/sampling.py`). By default it has {draws:,} draws (`--draws`): the error that this number leaves in an
interval's end is about {error:.1%} of the interval's width.

Measured on made-up images, {replicates:,} times per row: a reference and a better method on clean images and under
{corruptions} corruptions at {severities} severities. An image's difficulty is normal, and so is what each cell adds to it
(correlation {correlation}); the coverage of a cell is computed. *Accuracy* is the reference's under corruption at the middle
severity; *blank* is the share of runs in which a value is left blank, because what it is divided by (the reference's errors;
its loss) is not known to within half of itself: without a value there is no coverage, and none is given where more than half
are blank. Coverage in per cent; chance alone moves one by 0.7 (a standard error).

{table}

Outside of 93 to 97 % at 500 images or more, or below 92 % at 100: {outside}.

The two pseudo-images cannot help where errors are both very rare and very alike: with a correlation of 0.9, an accuracy of
99 % and 100 images, the interval of the mean holds in {hard:.0f} % of the runs only (at 500 images in {hard_500:.0f} %).

{trainings}

{unpaired}

Made by `python tests/benchmarks/interval_coverage.py`.
"""

Statistic = Callable[[Sequence[Floats]], Floats]
# One corruption's variables stand side by side: the reference's first, then the method's.
_CELL, _OTHER_CELL, _CLEAN, _REFERENCE, _METHOD = 0, 1, 2, 3, 3 + CORRUPTIONS
_LEVELS = (1, 1, 1, *[SEVERITIES] * (2 * CORRUPTIONS))


def _references(v: Sequence[Floats]) -> list[Floats]:
    return list(v[_REFERENCE:_METHOD])


def _methods(v: Sequence[Floats]) -> list[Floats]:
    return list(v[_METHOD:])


def _over(values: Sequence[Floats]) -> Floats:
    mean: Floats = sum(values[1:], values[0]) / len(values)
    return mean


def _published(v: Sequence[Floats], *, relative: bool) -> Floats:
    ratios = []
    for name, own in zip(COMMON, _methods(v), strict=False):
        below = ALEXNET.total(name) / len(ALEXNET.errors[name])
        above = v[_CLEAN] - own if relative else 1 - own
        ratios.append(above / (below - relative * ALEXNET.clean_error))
    return _over(ratios)


STATISTICS: Mapping[str, Statistic] = {
    "mean": lambda v: _over(_references(v)),
    "Acc(1,5)": lambda v: v[_REFERENCE],
    "difference, cell": lambda v: v[_OTHER_CELL] - v[_CELL],
    "difference, all": lambda v: _over(_methods(v)) - _over(_references(v)),
    "drop": lambda v: v[_CLEAN] - _over(_references(v)),
    "CE": lambda v: (1 - v[_METHOD]) / (1 - v[_REFERENCE]),
    "mean of CE": lambda v: _over(
        [(1 - m) / (1 - r) for m, r in zip(_methods(v), _references(v), strict=True)]
    ),
    "mCE": lambda v: _published(v, relative=False),
    "relative mCE": lambda v: _published(v, relative=True),
    "recovered": lambda v: (
        (_over(_methods(v)) - _over(_references(v))) / (v[_CLEAN] - _over(_references(v)))
    ),
}
DIVIDED_BY: Mapping[str, Callable[[Sequence[Floats]], list[Floats]]] = {
    "CE": lambda v: [1 - v[_REFERENCE]],
    "mean of CE": lambda v: [1 - r for r in _references(v)],
    "recovered": lambda v: [v[_CLEAN] - _over(_references(v))],
}


def true_accuracies(accuracy: float) -> tuple[float, Floats, Floats]:
    """Clean, and corruptions x severities of the reference and the method."""
    logit = np.log(accuracy / (1 - accuracy))
    steps = np.linspace(0.6, -0.6, SEVERITIES) + np.linspace(-0.2, 0.2, CORRUPTIONS)[:, None]

    def at(shift: float | Floats) -> Floats:
        share: Floats = 1 / (1 + np.exp(-(logit + np.asarray(shift))))
        return share

    return float(at(1.2)), at(steps), at(steps + 0.4)


def variables(
    accuracy: float, count: int, replicates: int, correlation: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Floats]:
    """What each image contributes, variables x replicates x images, and the true means."""
    clean, reference, method = true_accuracies(accuracy)
    shape = replicates, count
    hard = np.float32(np.sqrt(correlation)) * rng.standard_normal(shape, dtype=np.float32)
    spread = np.float32(np.sqrt(1 - correlation))
    made = np.zeros((len(_LEVELS), *shape), np.float32)

    def cell(share: float) -> NDArray[np.bool_]:
        noise = rng.standard_normal(shape, dtype=np.float32)
        right: NDArray[np.bool_] = hard + spread * noise < np.float32(ndtri(share))
        return right

    made[_CLEAN] = cell(clean)
    for first, single, shares in ((_REFERENCE, _CELL, reference), (_METHOD, _OTHER_CELL, method)):
        for corruption in range(CORRUPTIONS):
            for severity in range(SEVERITIES):
                right = cell(shares[corruption, severity])
                made[first + corruption] += right / np.float32(SEVERITIES)
                if corruption == CORRUPTIONS // 2 and severity == SEVERITIES // 2:
                    made[single] = right
    middle = CORRUPTIONS // 2, SEVERITIES // 2
    truth = [reference[middle], method[middle], clean, *reference.mean(1), *method.mean(1)]
    return made, np.array(truth)


def _noise(count: int) -> Floats:
    """The pseudo-images of every variable, variables x draws."""
    made = []
    for place, levels in enumerate(_LEVELS):
        names = [f"{place} {level}" for level in range(levels)]
        if place in (_CELL, _OTHER_CELL):  # one of the cells of a corruption's mean
            first = _REFERENCE if place == _CELL else _METHOD
            names = [f"{first + CORRUPTIONS // 2} {SEVERITIES // 2}"]
        made.append(np.mean([pseudo_images(name, DRAWS) for name in names], axis=0) / count)
    return np.stack(made)


def _samples(
    accuracy: float, count: int, replicates: int, correlation: float
) -> Iterator[tuple[list[Floats], Floats]]:
    """The variables of each replicate as sampled statistics, and the true means."""
    rng = np.random.default_rng([int(1000 * accuracy), count])
    weights = np.concatenate(list(image_draws(count, DRAWS, np.random.default_rng([0, count]))))
    weights /= weights.sum(axis=1, keepdims=True)
    noise = _noise(count)
    at_once = max(1, 1_000_000 // count)
    for first in range(0, replicates, at_once):
        made, truth = variables(accuracy, count, min(at_once, replicates - first), correlation, rng)
        means = made.mean(axis=2, dtype=np.float64)
        for k in range(made.shape[1]):
            sampled = made[:, k] @ weights.T + noise
            without = (means[:, k, None] * count - made[:, k]) / (count - 1)
            rows = np.concatenate([means[:, k, None], sampled, without], axis=1)
            yield list(rows), truth


def coverage(
    accuracy: float, count: int, replicates: int, correlation: float = CORRELATION
) -> dict[str, tuple[float, float]]:
    """Of each statistic: how often its interval holds the truth, and how often it is blank.

    Args:
        accuracy: Of the reference under corruption, about, a fraction.
        count: Number of images.
        replicates: Number of simulated runs.
        correlation: Of the difficulty of an image between cells.
    """
    held = dict.fromkeys(STATISTICS, 0)
    blank = dict.fromkeys(STATISTICS, 0)
    sampling = Sampling(DRAWS, count)
    for rows, truth in _samples(accuracy, count, replicates, correlation):
        for name, statistic in STATISTICS.items():
            below = DIVIDED_BY[name](rows) if name in DIVIDED_BY else []
            if not all(sampling.is_known(b) for b in below):
                blank[name] += 1
                continue
            low, high = sampling.interval(statistic(rows))
            true = float(statistic(list(truth[:, None]))[0])
            held[name] += low <= true <= high
    found = {
        name: (held[name] / max(replicates - blank[name], 1), blank[name] / replicates)
        for name in STATISTICS
    }
    shares = true_accuracies(accuracy)[1][CORRUPTIONS // 2, SEVERITIES // 2]
    return {"cell": (wilson_coverage(float(shares), count), 0.0), **found}


def wilson_coverage(share: float, count: int) -> float:
    """How often Wilson's interval of a single cell holds, exactly."""
    right = np.arange(count + 1)
    low, high = wilson(right, count)
    holds = (low <= share) & (share <= high)
    return float(stats.binom.pmf(right, count, share)[holds].sum())


def is_outside(count: int, covered: float, blank: float) -> bool:
    """Whether a coverage is not what it should be; blank ones are not judged."""
    if blank > BLANK:
        return False
    return covered < 0.92 if count < 500 else not 0.93 <= covered <= 0.97


def _told(covered: float, blank: float) -> str:
    if blank > BLANK:
        return f"blank ({blank:.0%})"
    return f"{100 * covered:.1f}" + (f" ({blank:.0%} blank)" if blank >= 0.005 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    rows, outside = [], []
    for accuracy in ACCURACIES:
        for count in IMAGES:
            found = coverage(accuracy, count, options.replicates)
            told = {name: _told(*both) for name, both in found.items()}
            rows.append({"accuracy": f"{accuracy:g}", "images": f"{count:,}", **told})
            outside += [
                f"{name} at {accuracy:g} and {count:,} images ({100 * both[0]:.1f})"
                for name, both in found.items()
                if is_outside(count, *both)
            ]
            print(rows[-1], flush=True)
    hard = [coverage(0.99, n, options.replicates, 0.9)["mean"][0] for n in (100, 500)]
    trainings, numbers = table_of_trainings(max(options.replicates // 5, 1))
    text = TEXT.format(
        draws=DRAWS,
        error=monte_carlo_error(DRAWS),
        replicates=options.replicates,
        corruptions=CORRUPTIONS,
        severities=SEVERITIES,
        correlation=CORRELATION,
        table=markdown(pd.DataFrame(rows)),
        outside=", ".join(outside) or "none",
        hard=100 * hard[0],
        hard_500=100 * hard[1],
        trainings=TEXT_ON_TRAININGS.format(table=markdown(trainings), **numbers),
        unpaired=TEXT_ON_UNPAIRED.format(table=markdown(table_of_alarms())),
    )
    write_whole(options.page, text.encode())


if __name__ == "__main__":
    main()
