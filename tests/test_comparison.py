import numpy as np
import pytest
from made_up_cells import CLEAN, FOG, JPEG, on, predictions, right, study, two_methods

from robobench.analysis import comparison
from robobench.analysis.pairwise import PairwiseTests
from robobench.analysis.series import make_series
from robobench.analysis.statistics import holm, mcnemar
from robobench.errors import RobobenchError


def compare(cells, a, b, draws=1000):
    return comparison.compare(make_series(cells, draws=draws), a, b)


def test_compare_is_paired_and_equals_mcnemar_for_a_single_cell():
    rng = np.random.default_rng(3)
    first = rng.random(400) < 0.8
    second = np.where(rng.random(400) < 0.05, ~first, first)
    items = [
        (on(d, m), predictions(c))
        for d in (CLEAN, JPEG[0])
        for m, c in (("a", first), ("b", second))
    ]
    frame = compare(items, "a", "b").set_index("corruption")
    assert list(frame.index) == ["clean", "jpeg_compression", "mean"]
    assert frame.loc["clean", "p"] == pytest.approx(mcnemar(first, second))
    assert frame.loc["clean", "p_holm"] == frame.loc["clean", "p"], (
        "one pair, and clean images alone"
    )
    assert frame.loc["clean", "difference"] == pytest.approx(second.mean() - first.mean())
    assert frame.loc["clean", "better"] == (second & ~first).sum()
    assert frame.loc["clean", "worse"] == (first & ~second).sum()


def test_compare_turned_round_has_the_other_sign_and_the_same_p():
    there = compare(two_methods(), "org", "afd", draws=100).set_index("corruption")
    back = compare(two_methods(), "afd", "org", draws=100).set_index("corruption")
    assert there.loc["mean", "difference"] == pytest.approx(0.14)
    assert back.loc["mean", "difference"] == pytest.approx(-0.14)
    assert there["p"].tolist() == back["p"].tolist()
    assert there.loc["clean", "p"] == 1.0
    assert there.loc["jpeg_compression", "p"] < 1e-6
    assert there.loc["jpeg_compression", "cells"] == 5


def test_compare_names_what_it_does_not_know():
    with pytest.raises(RobobenchError, match="did you mean 'afd'"):
        compare(two_methods(), "org", "adf")
    items = study({"a": {CLEAN: 0.5}, "b": {JPEG[0]: 0.5}})
    with pytest.raises(RobobenchError, match="no cell in common"):
        compare(items, "a", "b")


def test_compare_asks_which_of_two_trainings_is_meant():
    items = [
        (on(CLEAN, "afd", trained_on=t, weights=t), predictions(right(0.5)))
        for t in ("fog", "snow")
    ]
    with pytest.raises(RobobenchError, match="afd@fog, afd@snow"):
        compare(items, "afd", "afd@fog")
    assert compare(items, "afd@fog", "afd@snow")["difference"].tolist() == [0.0]


def test_a_plug_in_and_its_classifier_are_paired_by_training():
    shares = {0: (0.6, 0.7), 1: (0.8, 0.9)}
    items = [
        (on(JPEG[0], method, train_seed=seed, weights=f"{method}{seed}"), predictions(right(share)))
        for seed, both in shares.items()
        for method, share in zip(("org", "afd"), both, strict=True)
    ]
    frame = compare(items, "org", "afd")
    found = frame[frame["corruption"] == "jpeg_compression"].iloc[0]
    assert found["difference"] == pytest.approx(0.1)
    # the trainings differ by 20 points, the gain is the same for both: only images vary
    assert found["difference_high"] - found["difference_low"] < 0.06


def test_all_pairs_are_adjusted_together_the_means_apart():
    rng = np.random.default_rng(4)
    skills = {"a": 0.6, "b": 0.7, "c": 0.75}
    items = [
        (on(d, m), predictions(rng.random(300) < skill))
        for m, skill in skills.items()
        for d in (CLEAN, JPEG[0], FOG[0])
    ]
    series = make_series(items, draws=100)
    frame = comparison.compare(series)
    assert list(dict.fromkeys(zip(frame["a"], frame["b"], strict=True))) == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    means = frame["corruption"] == "mean"
    assert frame[means]["p_holm"].tolist() == holm(frame[means]["p"]).tolist()
    assert frame[~means]["p_holm"].tolist() == holm(frame[~means]["p"]).tolist()
    against = comparison.compare(series, "b")
    assert set(zip(against["a"], against["b"], strict=True)) == {("b", "a"), ("b", "c")}
    assert len(comparison.compare(series, "a", "c")) == 4


def test_of_one_corruption_the_mean_is_the_corruption():
    series = make_series(two_methods(), draws=100)
    frame = comparison.compare(series, "org", "afd").set_index("corruption")
    assert frame.loc["jpeg_compression", "p_holm"] == frame.loc["mean", "p_holm"]
    tests = PairwiseTests(
        {s.label: s for s in series}, {"clean": [CLEAN], "jpeg_compression": JPEG}
    )
    assert tests.p("jpeg_compression", "org", "afd") == frame.loc["mean", "p_holm"]
    assert tests.p("mean", "afd", "org") == frame.loc["mean", "p_holm"]
    assert tests.is_better("mean", "afd", "org")
    assert not tests.is_better("mean", "org", "afd")
    assert tests.level_with("clean", "org", ["org", "afd"]) == ["afd"]
    assert np.isnan(tests.p("fog", "org", "afd"))
