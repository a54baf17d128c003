import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_cells import (
    CLEAN,
    FOG,
    JPEG,
    on,
    predictions,
    right,
    row,
    study,
    summary_of,
    two_methods,
)

from robobench.analysis.corruption_error import interval_mean_accuracy, mce
from robobench.analysis.long_table import results
from robobench.analysis.normalizers import ALEXNET, COMMON
from robobench.analysis.statistics import wilson
from robobench.corruptions import catalogue


def test_the_long_table_has_the_promised_columns_and_one_row_a_cell_and_metric():
    frame = results(two_methods(), profile="cifar-c")
    columns = "dataset split method backbone trained_on train_seed corruption severity level seed n"
    assert list(frame.columns) == [*columns.split(), "metric", "value", "ci_low", "ci_high"]
    accuracy = frame[frame["metric"] == "accuracy"]
    assert len(accuracy) == 12
    assert accuracy["severity"].tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert accuracy["level"].tolist()[:6] == [0, 80, 65, 58, 50, 40]
    first = accuracy.iloc[0]
    assert (first["ci_low"], first["ci_high"]) == pytest.approx(wilson(950, 1000))
    assert not frame.duplicated(["method", "corruption", "level", "metric"]).any()
    assert {"error", "nll", "ece", "invalid"} <= set(frame["metric"])


def test_levels_outside_the_profile_have_no_severity_and_columns_stay_integers(tmp_path):
    level = catalogue.at_level("jpeg_compression", 33)
    frame = results([(on(level), predictions(right(0.5)))], profile="cifar-c")
    assert frame["severity"].isna().all()
    frame.to_parquet(tmp_path / "results.parquet")
    assert pd.read_parquet(tmp_path / "results.parquet")["severity"].dtype == "Int64"


def test_extra_columns_become_metrics_with_an_interval():
    psnr = np.array([30.0, 32.0, np.nan, 34.0], np.float32)
    frame = results([(on(CLEAN), predictions([1, 1, 0, 1], psnr=psnr))])
    found = frame[frame["metric"] == "psnr"].iloc[0]
    assert found["value"] == pytest.approx(32.0)
    assert found["ci_high"] - 32 == pytest.approx(1.96 * 2 / math.sqrt(3), rel=1e-3)


def test_a_run_saved_as_jpeg85_keeps_its_severities():
    saved = replace(FOG[2], profile="cifar-c+jpeg85")
    native = replace(JPEG[1], profile="+jpeg85")
    frame = results(
        [(on(d), predictions(right(0.5))) for d in (saved, native)], profile="cifar-c+jpeg85"
    )
    assert frame[frame["metric"] == "error"]["severity"].tolist() == [3, 2]


def test_the_long_table_feeds_mce_and_interval_means():
    table = {CLEAN: 0.9}
    for corruption in COMMON:
        for severity in range(1, 6):
            degradation = catalogue.at_severity(corruption, severity, "imagenet-c")
            table[degradation] = 1 - ALEXNET.errors[corruption][severity - 1]
    items = [(replace(c, dataset="imagenet"), p) for c, p in study({"org": table}, images=1000)]
    frame = results(items, profile="imagenet-c")
    assert mce(frame)["mce"].iloc[0] == pytest.approx(100, abs=0.05)
    assert mce(frame)["images"].iloc[0] == "regenerated"
    summary = summary_of(items, profile="imagenet-c", draws=100)
    mean = row(summary, "org", "mean")
    assert mean["mCE"] == pytest.approx(mce(frame)["mce"].iloc[0] / 100)
    assert mean["relative mCE"] == pytest.approx(mce(frame)["relative_mce"].iloc[0] / 100)
    assert mean["mCE_low"] < mean["mCE"] < mean["mCE_high"]
    by_corruption = interval_mean_accuracy(frame, [(1, 5)]).set_index("corruption")["Acc(1,5)"]
    for corruption in COMMON:
        assert by_corruption[corruption] == pytest.approx(
            row(summary, "org", corruption)["Acc(1,5)"]
        )
