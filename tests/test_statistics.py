import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from robobench.analysis.outcomes import align, outcomes_of
from robobench.analysis.statistics import (
    bootstrap_accuracies,
    holm,
    image_draws,
    loss_exceeds,
    mcnemar,
    sign_flip,
    wilson,
)
from robobench.errors import RobobenchError
from robobench.types import Cell, Predictions

CELL = Cell("d", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "b", "w", "", 0)


def cell(**changes):
    return replace(CELL, **changes)


def predictions(correct, index=None):
    correct = np.asarray(correct, bool)
    index = np.arange(len(correct)) if index is None else np.asarray(index)
    half = np.full(len(correct), 0.5, np.float32)
    label = np.zeros(len(correct), np.int64)
    return Predictions(index, label, np.where(correct, 0, 1), half, half)


# --- one share -----------------------------------------------------------------------------------


def test_wilson_by_hand():
    # 8 of 10 at z = 1.96: (p + z2/2n +- z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n)
    z = norm.isf(0.025)
    centre = (0.8 + z * z / 20) / (1 + z * z / 10)
    half = z * math.sqrt(0.8 * 0.2 / 10 + z * z / 400) / (1 + z * z / 10)
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys_and_holds_its_own_share(case):
    right, count = case
    low, high = wilson(right, count)
    theirs = binomtest(right, count).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx(tuple(theirs), abs=1e-12)
    assert 0 <= low <= right / count + 1e-12
    assert right / count - 1e-12 <= high <= 1


# --- bootstrap -----------------------------------------------------------------------------------


def test_weights_are_whole_exponential_and_do_not_depend_on_blocks():
    blocks = list(image_draws(300, 100, np.random.default_rng(0)))
    weights = np.concatenate(blocks)
    assert weights.shape == (100, 300)
    assert len(blocks) > 1
    assert np.array_equal(weights, np.rint(weights))
    assert weights.std() == pytest.approx(weights.mean(), rel=0.02)
    assert weights.sum(axis=1).max() < 2**24


@pytest.mark.parametrize("count", [1, 50_000])
def test_sums_of_weights_are_exact_for_few_images_and_many(count):
    weights = next(image_draws(count, 64, np.random.default_rng(0)))
    exact = weights.sum(axis=1, dtype=np.float64)
    assert np.array_equal(weights @ np.ones(count, np.float32), exact)
    assert weights.std() > 0.5 * weights.mean()


def test_bootstrap_is_the_weighted_mean():
    rng = np.random.default_rng(1)
    correct = rng.random((7, 50)) < 0.6
    ours = bootstrap_accuracies(correct, draws=70, seed=3)
    assert ours[0] == pytest.approx(correct.mean(axis=1))
    draws = np.concatenate(list(image_draws(50, 70, np.random.default_rng([3, 50]))))
    for row, weights in zip(ours[1:], draws, strict=True):
        assert row == pytest.approx(np.average(correct, axis=1, weights=weights))


def test_a_cell_with_its_own_images_counts_these_alone():
    rng = np.random.default_rng(1)
    correct, seen = rng.random((2, 60)) < 0.6, np.ones((2, 60), bool)
    seen[0, 20:] = False
    ours = bootstrap_accuracies(correct, draws=70, seen=seen)
    assert ours[0, 0] == pytest.approx(correct[0, :20].mean())
    draws = np.concatenate(list(image_draws(60, 70, np.random.default_rng([0, 60]))))
    first = (draws[:, :20] @ correct[0, :20]) / draws[:, :20].sum(axis=1)
    assert ours[1:, 0] == pytest.approx(first)
    assert np.array_equal(ours[:, 1], bootstrap_accuracies(correct[1:], draws=70)[:, 0])


def test_every_cell_meets_the_same_images():
    correct = np.random.default_rng(2).random((1, 200)) < 0.7
    samples = bootstrap_accuracies(np.concatenate([correct, ~correct, correct]), draws=200)
    assert np.array_equal(samples[:, 0], samples[:, 2])
    assert samples[:, 0] + samples[:, 1] == pytest.approx(np.ones(201))
    assert samples[1:, 0].std() > 0


def test_a_sample_does_not_depend_on_which_other_cells_there_are():
    correct = np.random.default_rng(2).random((5, 300)) < 0.7
    whole = bootstrap_accuracies(correct, draws=100, seed=4)
    assert np.array_equal(whole[:, 1:3], bootstrap_accuracies(correct[1:3], draws=100, seed=4))
    assert not np.array_equal(whole, bootstrap_accuracies(correct, draws=100, seed=5))


def test_a_cells_samples_do_not_depend_on_how_many_cells_stand_beside_it():
    correct = np.random.default_rng(0).random((150, 90)) < 0.7
    whole = bootstrap_accuracies(correct, draws=70, seed=1)
    for row in (0, 63, 64, 149):
        alone = bootstrap_accuracies(correct[[row]], draws=70, seed=1)
        assert np.array_equal(whole[:, [row]], alone)


# --- alignment -----------------------------------------------------------------------------------


def test_cells_with_other_images_meet_on_the_common_ones_and_it_is_said():
    items = [
        (cell(), predictions([1, 0, 1, 0], [2, 3, 5, 8])),
        (cell(method="afd"), predictions([0, 1, 1], [3, 5, 9])),
    ]
    aligned = align(outcomes_of(items))
    assert aligned.index.tolist() == [3, 5]
    assert aligned.correct.tolist() == [[False, True], [False, True]]
    assert "2 images that all of them have" in aligned.notes[0]


def test_equal_images_need_no_note_and_none_in_common_is_an_error():
    def aligned(*cells):
        return align(outcomes_of(cells))

    other = cell(method="a")
    assert aligned((cell(), predictions([1, 0])), (other, predictions([1, 1]))).notes == ()
    with pytest.raises(RobobenchError, match="no image in common"):
        aligned((cell(), predictions([1], [0])), (other, predictions([1], [1])))
    with pytest.raises(RobobenchError, match="different data sets"):
        aligned((cell(), predictions([1])), (cell(dataset="other"), predictions([1])))
    with pytest.raises(RobobenchError, match="no cells"):
        aligned()


# --- tests ---------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_mcnemar_is_the_exact_binomial_test(only_first, only_second, both):
    first = np.array([1] * only_first + [0] * only_second + [1] * both, bool)
    second = np.array([0] * only_first + [1] * only_second + [1] * both, bool)
    discordant = only_first + only_second
    expected = binomtest(only_first, discordant).pvalue if discordant else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_mid_p_counts_what_was_observed_half():
    first, second = np.array([1] * 9 + [0] * 2, bool), np.array([0] * 9 + [1] * 2, bool)
    exact, mid = mcnemar(first, second), mcnemar(first, second, mid_p=True)
    at = math.comb(11, 2) / 2**11
    assert exact == pytest.approx(2 * sum(math.comb(11, k) for k in range(3)) / 2**11)
    assert mid == pytest.approx(exact - at)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=11))
def test_sign_flip_is_the_enumeration_of_all_signs(values):
    sizes = np.abs(values)
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(sizes))).reshape(len(sizes), -1)
    sums = sizes @ signs
    expected = (np.abs(sums) >= abs(sum(values))).mean()
    assert sign_flip(np.array(values)) == pytest.approx(expected, abs=1e-9)


def test_sign_flip_of_a_hundred_levels_agrees_with_its_normal_limit():
    rng = np.random.default_rng(7)
    few = rng.integers(-30, 32, size=2000)
    many = rng.integers(-300, 330, size=20_000) * 2  # beyond the exact computation
    z = abs(few.sum()) / math.sqrt((few**2).sum())
    assert sign_flip(few) == pytest.approx(2 * norm.sf(z), rel=0.02)
    assert 0 <= sign_flip(many) <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_the_step_down_of_its_definition(p):
    order = sorted(range(len(p)), key=p.__getitem__)
    expected, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, p[i] * (len(p) - rank)))
        expected[i] = highest
    assert holm(p) == pytest.approx(expected)


def test_holm_by_hand_and_unknown_stays_unknown():
    adjusted = holm([0.01, float("nan"), 0.04, 0.03])
    assert adjusted[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(adjusted[1])
    assert holm([]).shape == (0,)


def test_statsmodels_is_not_needed():
    code = (
        "import sys; sys.modules['statsmodels'] = None\n"
        "from robobench.analysis.statistics import holm, wilson\n"
        "wilson([8, 9], 10), holm([0.1, 0.2])\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def lost_and_gained(count, lost, gained):
    return np.array([1.0] * lost + [-1.0] * gained + [0.0] * (count - lost - gained))


def test_a_loss_at_the_margin_is_called_worse_as_rarely_as_alpha_says():
    rng = np.random.default_rng(8)
    for images, lost, gained in ((2000, 0.03, 0.02), (300, 0.03, 0.02), (2000, 0.01, 0.0)):
        losses = rng.random((4000, images))
        alarms = np.mean(
            [
                loss_exceeds(np.where(row < lost, 1.0, np.where(row > 1 - gained, -1.0, 0.0)), 0.01)
                <= 0.05
                for row in losses[: 4_000_000 // images // 2]
            ]
        )
        assert alarms <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_three_points_are_found_half_a_point_is_not():
    assert loss_exceeds(lost_and_gained(2000, 100, 40), 0.005) < 0.001
    assert loss_exceeds(lost_and_gained(2000, 45, 35), 0.005) > 0.4


def test_few_images_without_any_spread_prove_nothing():
    assert loss_exceeds(np.ones(1), 0.005) > 0.05
    assert loss_exceeds(np.zeros(50), 0.005) > 0.5
