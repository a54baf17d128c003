"""The unpaired test raises no more false alarms than it says, whatever the accuracies and numbers of images."""

import numpy as np
import pytest
from scipy import optimize, stats

from robobench.analysis.outcomes import Outcomes, Tally
from robobench.analysis.proportions import (
    Proportion,
    _spread_at,
    difference_interval,
    exceeds,
    two_proportions,
)
from robobench.analysis.statistics import wilson
from robobench.checking.baseline import Baseline
from robobench.checking.check import check
from robobench.checking.power import smallest_losses, smallest_unpaired_loss
from robobench.types import Cell

CELL = Cell("toy", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "net", "w", "", 0)
DATASET = {"name": "toy", "split": "test"}
SHARES = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999)


def outcomes_with_weight(count, share):
    """Numbers of right images that occur, and their probabilities."""
    low, high = stats.binom.ppf([1e-9, 1 - 1e-9], count, share)
    right = np.arange(low, high + 1)
    return right, stats.binom.pmf(right, count, share)


@pytest.mark.parametrize("margin", [0.0, 0.005, 0.05])
@pytest.mark.parametrize(
    ("count", "of"), [(20, 20), (100, 100), (500, 500), (2000, 2000), (10_000, 500), (300, 5000)]
)
def test_false_alarms_computed_over_all_outcomes(count, of, margin):
    for share in (s for s in SHARES if s >= margin):
        right, likely = outcomes_with_weight(count, share)
        others, alike = outcomes_with_weight(of, share - margin)
        p = two_proportions(right[:, None], count, others[None], of, margin)
        weights = likely[:, None] * alike[None]
        for alpha in (0.025, 0.0025, 0.00025):  # of one cell, of one in ten, of one in a hundred
            assert (weights * (p <= alpha)).sum() <= alpha * (1 + 1e-6), (share, alpha)


@pytest.mark.parametrize(
    ("right", "count", "others", "of", "margin"),
    [(70, 100, 50, 100, 0.05), (990, 1000, 96, 100, 0.005), (3, 20, 0, 30, 0.0), (20, 20, 20, 20, 0.1)],
)  # fmt: skip
def test_the_score_test_takes_the_most_likely_proportions(right, count, others, of, margin):
    def unlikelihood(share):
        return -stats.binom.logpmf(right, count, share) - stats.binom.logpmf(
            others, of, share - margin
        )

    found = optimize.minimize_scalar(
        unlikelihood, bounds=(margin, 1), method="bounded", options={"xatol": 1e-9}
    ).x
    expected = np.sqrt(found * (1 - found) / count + (found - margin) * (1 - found + margin) / of)
    shares = np.array(right / count), np.array(others / of)
    assert _spread_at(shares[0], count, shares[1], of, margin) == pytest.approx(expected, abs=1e-5)


def test_a_mean_over_cells_counts_as_more_images():
    rng = np.random.default_rng(0)
    one = (rng.random(1000) < 0.7).astype(float)
    assert Proportion.of_shares(one) == Proportion(one.mean(), 1000)
    assert Proportion.of_tallies([700], [1000]) == Proportion(0.7, 1000)
    alone = rng.random((4, 1000)) < 0.7  # cells that have nothing in common
    assert Proportion.of_shares(alone.mean(axis=0)).count == pytest.approx(4000, rel=0.1)
    # Of numbers only, nothing is known of what cells have in common: it may be everything.
    assert Proportion.of_tallies([700] * 4, [1000] * 4) == Proportion(0.7, 1000)
    uneven = Proportion.of_tallies([990, 500], [1000, 1000])
    assert uneven.accuracy == pytest.approx(0.745)
    images = np.arange(
        1000
    )  # the most that two cells can have in common: one's errors are the other's
    nested = Proportion.of_shares((1.0 * (images < 990) + (images < 500)) / 2)
    assert nested.accuracy == uneven.accuracy
    assert 1000 < uneven.count < nested.count


def test_intervals_hold_and_agree_with_the_test():
    rng, held = np.random.default_rng(0), 0
    for right, others in zip(
        rng.binomial(300, 0.8, 400), rng.binomial(500, 0.75, 400), strict=True
    ):
        low, high = difference_interval(Proportion(right / 300, 300), Proportion(others / 500, 500))
        held += low <= 0.05 <= high
    assert 0.92 <= held / 400 <= 0.98
    first, second = Proportion(0.9, 1000), Proportion(0.8, 500)
    low, high = difference_interval(first, second)
    assert exceeds(first, second, low - 0.005) < 0.025 < exceeds(first, second, low + 0.005)
    assert (low, high) == tuple(-x for x in reversed(difference_interval(second, first)))
    everything = wilson(20, 20)[0]
    assert -1 <= difference_interval(Proportion(0.0, 20), Proportion(1.0, 20))[0] < -everything / 2


# --- the whole check --------------------------------------------------------------------------------


def cells_of(chances, count, rng, kept=0.7):
    """Made-up cells of two methods on the same images, some of whose difficulty they share."""
    hard = rng.standard_normal(count)
    found = []
    for place, chance in enumerate(chances):
        for method in ("org", "afd"):
            own = rng.standard_normal(count)
            right = kept * hard + np.sqrt(1 - kept**2) * own < stats.norm.ppf(chance)
            cell = Cell(*(*CELL.as_dict().values(),))
            cell = Cell(**{**cell.as_dict(), "method": method, "level": float(place)})
            found.append(Outcomes(cell, np.arange(count), right))
    return found


def alarms(runs, count, now, kept, *, numbers, seed=0):
    """In how many of the runs a loss that is just tolerated, in every cell, is called worse."""
    rng, found = np.random.default_rng(seed), 0
    chances = np.array([0.97, 0.9, 0.8, 0.6, 0.5])
    for _ in range(runs):
        before = cells_of(chances, count, rng, kept)
        after = cells_of(chances - 0.02, now, rng, kept)
        facts = {"dataset": {**DATASET, "fingerprint": "f"}}
        if numbers:
            before = [Tally(o.cell, count, int(o.correct.sum())) for o in before]
        result = check(
            after,
            {"dataset": {**DATASET, "fingerprint": "g"}},
            Baseline(tuple(before), facts),
            tolerance=2.0,
            unpaired=True,
        )
        assert all(v.is_unpaired for v in (*result.means, *result.cells))
        found += result.outcome == "worse"
    return found


@pytest.mark.parametrize("numbers", [True, False])
def test_false_alarms_of_a_check_are_at_most_alpha(numbers):
    found = alarms(150, 400, 400, 0.7, numbers=numbers)
    assert found <= 7.5 + 3 * 2.7


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.0, 0.99])
@pytest.mark.parametrize(("count", "now"), [(500, 500), (5000, 300), (300, 5000)])
@pytest.mark.parametrize("numbers", [True, False])
def test_false_alarms_of_many_checks_are_at_most_alpha(numbers, count, now, kept):
    found = alarms(600, count, now, kept, numbers=numbers, seed=1)
    assert found <= 30 + 3 * 5.3


# --- what `freeze` foretells ------------------------------------------------------------------------


@pytest.mark.parametrize(("accuracy", "count", "tests"), [(0.55, 200, 1), (0.95, 1500, 20)])
def test_an_unpaired_loss_is_found_as_often_as_foretold(accuracy, count, tests):
    loss, draws = smallest_unpaired_loss(accuracy, count, tests) / 100, 4000
    rng = np.random.default_rng(0)
    before = rng.binomial(count, accuracy, draws)
    after = rng.binomial(count, accuracy - loss, draws)
    found = (two_proportions(before, count, after, count, 0.005) <= 0.05 / 2 / tests).mean()
    assert found == pytest.approx(0.95, abs=3 * 0.0035)


def test_what_is_foretold_is_of_the_cell_and_method_known_least_well():
    rng = np.random.default_rng(0)
    cells = cells_of([0.97, 0.5], 1000, rng)
    least = smallest_losses(cells)
    assert least.unpaired_cell == pytest.approx(smallest_unpaired_loss(0.5, 1000, 4), abs=0.1)
    assert least.cell < least.mean + 1 < least.unpaired_mean < least.unpaired_cell
    numbers = smallest_losses([Tally(o.cell, 1000, int(o.correct.sum())) for o in cells])
    assert numbers.cell is numbers.mean is None
    assert numbers.unpaired_cell == least.unpaired_cell
    assert numbers.unpaired_mean >= least.unpaired_mean - 0.1
    assert np.isnan(smallest_unpaired_loss(0.5, 2, 20))
