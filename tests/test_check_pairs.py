"""Which cells of a run and its baseline are compared with each other."""

from dataclasses import replace

import numpy as np

from robobench.analysis.outcomes import Outcomes
from robobench.checking.baseline import Baseline
from robobench.checking.check import check
from robobench.types import Cell

CLEAN = Cell("toy", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "net", "w", "", 0)
NOISE = replace(CLEAN, corruption="gaussian_noise", level=20.0)
DATASET = {"name": "toy", "split": "test", "fingerprint": "f", "count": 1000}


def outcomes(cell, right):
    return Outcomes(cell, np.arange(1000), np.arange(1000) < right)


def compared(now, before):
    return check(now, {"dataset": DATASET}, Baseline(tuple(before), {"dataset": DATASET}))


def test_another_corruption_seed_is_compared_and_said():
    before = [outcomes(CLEAN, 900), outcomes(NOISE, 700)]
    same = compared([outcomes(CLEAN, 900), outcomes(replace(NOISE, seed=3), 700)], before)
    assert same.outcome == "same"
    assert any("corruption seed 3 of gaussian_noise now, 0" in note for note in same.notes)
    worse = compared([outcomes(CLEAN, 900), outcomes(replace(NOISE, seed=3), 600)], before)
    assert worse.outcome == "worse"


def test_a_seed_of_the_run_alone_stands_in_the_place_of_one_of_the_baseline():
    before = [outcomes(replace(NOISE, seed=0), 700), outcomes(replace(NOISE, seed=1), 600)]
    now = [outcomes(replace(NOISE, seed=1), 600), outcomes(replace(NOISE, seed=2), 700)]
    result = compared(now, before)
    assert [(v.outcome, v.loss) for v in result.cells] == [("same", 0), ("same", 0)]
    assert [note for note in result.notes if "seed" in note] == [
        "corruption seed 2 of gaussian_noise now, 0 in the baseline: other noise on the same images"
    ]
    fewer = compared(now[:1], before)
    assert sorted(v.outcome for v in fewer.cells) == ["missing", "same"]


def test_of_several_classifiers_each_may_have_another_geometry_now():
    large = replace(CLEAN, backbone="large", geometry="crop224")
    before = [outcomes(CLEAN, 900), outcomes(large, 950)]
    now = [outcomes(CLEAN, 900), outcomes(replace(large, geometry="crop240", train_seed=3), 950)]
    result = compared(now, before)
    assert [v.outcome for v in result.cells] == ["same", "same"]
    assert "geometry of large crop240 now, crop224 in the baseline" in result.notes
    assert "train seed of large 3 now, 0 in the baseline" in result.notes
    assert sorted(v.outcome for v in compared(now[:1], before).cells) == ["missing", "same"]


def test_each_of_several_classifiers_has_its_own_mean():
    large = replace(CLEAN, backbone="large")
    before = [outcomes(CLEAN, 900), outcomes(large, 950)]
    result = compared([outcomes(CLEAN, 900), outcomes(large, 850)], before)
    assert {v.method: v.outcome for v in result.means} == {
        "org of net": "same",
        "org of large": "worse",
    }
