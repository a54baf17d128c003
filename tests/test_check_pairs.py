"""Which cells of a run and its baseline are compared with each other."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robobench.analysis.outcomes import Outcomes
from robobench.checking import baseline as baselines
from robobench.checking.baseline import Baseline, read_baseline
from robobench.checking.check import check
from robobench.errors import RobobenchError
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


def test_several_seeds_are_paired_by_seed():
    before = [outcomes(replace(NOISE, seed=seed), 700) for seed in (0, 1)]
    now = [outcomes(replace(NOISE, seed=seed), 700) for seed in (1, 2)]
    assert sorted(v.outcome for v in compared(now, before).cells) == [
        *("missing", "not comparable", "same")
    ]


def test_each_of_several_classifiers_has_its_own_mean():
    large = replace(CLEAN, backbone="large")
    before = [outcomes(CLEAN, 900), outcomes(large, 950)]
    result = compared([outcomes(CLEAN, 900), outcomes(large, 850)], before)
    assert {v.method: v.outcome for v in result.means} == {
        "org of net": "same",
        "org of large": "worse",
    }


def test_a_baseline_without_bits_is_refused_in_one_line(tmp_path):
    content = json.loads(baselines.freeze([outcomes(CLEAN, 900)], {"dataset": DATASET}))
    del content["cells"][0]["correct"]
    content["digest"] = baselines._digest(content)
    (tmp_path / "b.json").write_text(json.dumps(content))
    with pytest.raises(RobobenchError, match=r"only the number of right images \(900\)"):
        read_baseline(tmp_path / "b.json")
