import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_cells import CLEAN, JPEG, on, predictions, row, study, summary_of, two_methods
from scipy import stats

from robobench.analysis import comparison
from robobench.analysis.draws import check_draws
from robobench.analysis.sampling import (
    Sampling,
    monte_carlo_error,
    paired_intervals,
    pseudo_images,
    sampled_mean,
)
from robobench.analysis.series import make_series
from robobench.errors import RobobenchError

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import interval_coverage as simulated
import training_noise


@pytest.mark.parametrize(("accuracy", "images"), [(0.5, 100), (0.9, 500), (0.99, 500)])
def test_intervals_hold_as_often_as_they_say(accuracy, images):
    replicates = 300
    for name, (held, blank) in simulated.coverage(accuracy, images, replicates).items():
        counted = replicates * (1 - blank)
        if counted < 100:
            continue
        error = math.sqrt(0.05 * 0.95 / counted)
        assert 0.93 - 2.5 * error <= held <= 0.97 + 2.5 * error, (name, held, blank)


def test_of_rare_errors_and_a_hundred_images_the_interval_holds_or_is_blank():
    found = simulated.coverage(0.99, 100, 400)
    for name, (held, blank) in found.items():
        assert blank > simulated.BLANK or held > 0.92 - 2.5 * math.sqrt(0.08 * 0.92 / 400), name
    assert found["recovered"][1] > 0.9


def test_the_coverage_of_wilson_is_the_sum_of_its_probabilities():
    # Of 100 images at 99 %, the interval holds where at most two are wrong.
    expected = stats.binom.cdf(2, 100, 0.01)
    assert simulated.wilson_coverage(0.99, 100) == pytest.approx(expected)


def test_no_image_that_differs_does_not_mean_no_difference():
    (low, high), (other_low, other_high) = paired_intervals(
        [np.zeros(200), np.zeros(400)], [1, 1], ["a", "b"]
    )
    assert low < 0 < high
    assert 0.2 / 200 < high < 4 / 200
    assert other_high - other_low == pytest.approx((high - low) / 2, rel=0.6)


def test_one_image_that_differs_is_no_finding_and_ten_are():
    def interval(lost):
        values = np.zeros(200)
        values[:lost] = 1.0
        return paired_intervals([values], [1], ["a"])[0]

    assert interval(1)[0] < 0 < interval(1)[1]
    assert interval(10)[0] > 0


def test_pseudo_images_have_no_bias_and_differ_between_cells():
    one, other = pseudo_images("one", 20_000), pseudo_images("other", 20_000)
    assert abs(one.mean()) < 4 * one.std() / math.sqrt(len(one))
    assert one.std() == pytest.approx(math.sqrt(1 / 12), rel=0.1)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert np.array_equal(one, pseudo_images("one", 20_000))


def test_the_interval_of_a_mean_is_students_where_all_is_well():
    values = np.random.default_rng(0).normal(0.3, 0.2, 2000)
    low, high = Sampling(20_000, 2000).interval(sampled_mean(values[None], 20_000))
    expected = stats.t.interval(0.95, 1999, values.mean(), stats.sem(values))
    assert (low, high) == pytest.approx(expected, abs=2e-4)


def test_the_monte_carlo_error_is_what_other_draws_change():
    values = np.random.default_rng(0).random((1, 400))
    ends, widths = [], []
    for seed in range(60):
        samples = np.random.default_rng(seed).normal(values.mean(), 0.01, 500)
        rows = np.concatenate([[values.mean()], samples, np.full(400, values.mean())])
        low, high = Sampling(500, 400).interval(rows)
        ends += [low, 2 * values.mean() - high]
        widths.append(high - low)
    assert np.std(ends) / np.mean(widths) == pytest.approx(monte_carlo_error(500), rel=0.3)


def test_blank_without_samples_and_where_one_is_unknown():
    rows = np.full(1 + 100 + 10, 0.5)
    assert math.isnan(Sampling(0, 10).interval(np.full(11, 0.5))[0])
    rows[3] = np.nan
    assert all(map(math.isnan, Sampling(100, 10).interval(rows)))


def test_infinite_samples_have_an_interval():
    rows = np.concatenate([[1.0], np.linspace(0, 2, 998), [np.inf, -np.inf], np.ones(10)])
    low, high = Sampling(1000, 10).interval(rows)
    assert -0.6 < low < 0.2
    assert 1.8 < high < 2.6


@pytest.mark.parametrize("spread", [0.5, 1.0])
def test_equal_recipes_of_three_trainings_are_rarely_found_to_differ(spread):
    found = training_noise.shares(1000, spread, 3, 120)
    assert found["found"] <= 0.07
    assert found["p"] <= 0.07
    assert found["held"] >= 0.93
    assert training_noise.shares(1000, 1.0, 1, 120)["found"] > 0.15  # what one training hides


def trained(accuracies, method):
    rng = np.random.default_rng(len(method))
    hard = rng.random(1000)
    return [
        (
            replace(on(degradation, method), train_seed=seed, weights=f"{method}{seed}"),
            predictions(hard < accuracy),
        )
        for seed, accuracy in enumerate(accuracies)
        for degradation in (CLEAN, JPEG[0])
    ]


def compared(items, **settings):
    frame = comparison.compare(make_series(items, **settings), "org", "afd")
    return frame.set_index("corruption").loc["jpeg_compression"]


def test_with_several_trainings_p_and_the_interval_ask_whether_training_again_would_differ():
    one = compared(trained([0.80], "org") + trained([0.83], "afd"))
    three = compared(trained([0.80, 0.81, 0.79], "org") + trained([0.81, 0.88, 0.80], "afd"))
    assert one["of"] == "these trained networks"
    assert three["of"] == "3 trainings"
    assert one["p"] < 0.01
    assert three["p"] > 0.05
    assert three["difference_low"] < 0 < one["difference_low"]


def test_p_of_trainings_is_students_where_images_are_many():
    gains = np.array([[0.01], [0.02], [0.06]]) + np.zeros((3, 4))
    rows = sampled_mean(gains)
    expected = stats.ttest_1samp(gains[:, 0], 0).pvalue
    assert Sampling(2000, 4, (3,)).p_value(rows) == pytest.approx(expected, rel=0.01)


def test_a_given_spread_widens_single_trainings_and_replaces_the_measured_one():
    items = trained([0.80], "org") + trained([0.82], "afd")
    alone, given = compared(items), compared(items, seed_sd=2.0)
    assert given["of"] == "trainings with the given spread"
    error = math.hypot(alone["difference_high"] - alone["difference_low"], 2 * 1.96 * 0.02 * 2**0.5)
    assert given["difference_high"] - given["difference_low"] == pytest.approx(error, rel=0.1)
    assert given["p"] > 0.05 > alone["p"]
    shared = [(replace(c, weights="same"), p) for c, p in items]
    same = compared(shared, seed_sd=2.0)  # a network's own spread is not one between its remedies
    assert same["difference_high"] - same["difference_low"] < 0.02 + (
        alone["difference_high"] - alone["difference_low"]
    )


def test_the_summary_says_what_its_intervals_speak_of_and_how_exact_they_are():
    frame = summary_of(two_methods(), profile="cifar-c", draws=500)
    assert set(frame["of"]) == {"these trained networks"}
    (note,) = [n for n in frame.attrs["notes"] if "intervals are of" in n]
    assert "these trained networks; training again" in note
    assert "500 draws, whose number moves an end by about 3.0% of its width" in note


def test_more_draws_change_an_interval_little():
    org = {CLEAN: 0.95, **dict.fromkeys(JPEG, 0.7)}
    items = study({"org": org, "afd": dict.fromkeys(org, 0.8)})
    few, many = (
        row(summary_of(items, profile="cifar-c", draws=n), "afd", "jpeg_compression")
        for n in (2000, 8000)
    )
    width = many["drop_high"] - many["drop_low"]
    assert 0 < abs(few["drop_high"] - many["drop_high"]) < 5 * monte_carlo_error(2000) * width


def test_settings_that_make_no_interval_are_refused():
    with pytest.raises(RobobenchError, match=r"--draws: expected 100 to 1,000,000, got 9"):
        check_draws(9)
    with pytest.raises(RobobenchError, match=r"--seed-sd: expected points"):
        check_draws(2000, -1.0)
