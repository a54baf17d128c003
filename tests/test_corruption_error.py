"""Corruption error against published numbers, and interval mean accuracy."""

import logging
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import robobench
from robobench.analysis.corruption_error import corruption_errors, spans
from robobench.analysis.normalizers import ALEXNET, COMMON
from robobench.errors import RobobenchError

# game-of-noise Results/clean_results.txt: torchvision ResNet-50 V1 on the official ImageNet-C.
RESNET50 = dict(
    zip(
        COMMON,
        (
            *(29.29, 27.03, 23.81, 38.75, 26.79, 38.67, 36.24),
            *(32.53, 38.14, 45.83, 68.02, 39.06, 45.25, 44.79, 53.41),
        ),
        strict=True,
    )
)
RESNET50_CE = dict(
    zip(
        COMMON,
        (
            *(79.77, 81.58, 82.58, 74.71, 88.60, 78.03, 79.86),
            *(77.84, 74.84, 66.12, 56.64, 71.42, 84.74, 76.91, 76.82),
        ),
        strict=True,
    )
)
# RobustBench, 5,000 images, accuracy in percent at severities 1 to 5.
STANDARD_R50 = dict(
    zip(
        COMMON,
        [
            (60.20, 48.78, 31.24, 14.22, 2.88),
            (58.28, 44.86, 28.56, 10.26, 3.52),
            (48.54, 38.62, 29.04, 11.30, 2.44),
            (59.14, 51.54, 38.08, 27.52, 18.24),
            (53.62, 39.74, 17.08, 13.06, 10.34),
            (63.60, 53.42, 37.54, 21.58, 14.52),
            (52.58, 43.02, 35.60, 28.44, 21.94),
            (54.68, 31.20, 34.94, 23.44, 16.50),
            (61.06, 43.66, 30.64, 28.64, 22.58),
            (60.92, 56.00, 46.74, 40.24, 23.60),
            (73.60, 72.22, 69.58, 64.96, 58.86),
            (64.28, 58.24, 46.60, 20.98, 5.42),
            (66.84, 45.14, 54.56, 41.22, 17.02),
            (63.80, 64.34, 45.98, 29.30, 20.88),
            (66.44, 62.34, 60.04, 47.86, 32.54),
        ],
        strict=True,
    )
)
ALEXNET_5K = dict(
    zip(
        COMMON,
        [
            (31.10, 18.14, 7.24, 2.14, 0.58),
            (29.44, 15.98, 7.26, 1.96, 1.20),
            (22.34, 11.54, 5.56, 1.40, 0.54),
            (34.04, 26.20, 15.02, 8.50, 5.22),
            (34.86, 24.12, 11.26, 8.00, 6.36),
            (41.74, 29.50, 17.94, 10.22, 6.98),
            (30.28, 23.08, 19.36, 16.30, 13.12),
            (27.88, 11.40, 13.20, 8.50, 5.02),
            (37.88, 19.76, 10.52, 9.94, 6.16),
            (31.54, 23.24, 15.70, 12.14, 5.56),
            (55.04, 51.40, 46.40, 38.86, 29.06),
            (34.96, 23.34, 10.94, 2.66, 0.94),
            (47.10, 30.22, 44.00, 35.68, 18.98),
            (47.54, 45.02, 26.70, 12.88, 8.58),
            (48.58, 45.22, 42.28, 34.88, 25.64),
        ],
        strict=True,
    )
)


def grid(table, clean=None, method="model", **columns):
    """A long frame of accuracies in percent, {corruption: one number or five}."""
    rows = [] if clean is None else [("clean", 0, clean)]
    for corruption, values in table.items():
        five = values if isinstance(values, tuple) else (values,) * 5
        rows += [(corruption, s, v) for s, v in enumerate(five, 1)]
    frame = pd.DataFrame(rows, columns=["corruption", "severity", "value"])
    frame["value"] /= 100
    return frame.assign(method=method, metric="accuracy", **columns)


# --- corruption error ----------------------------------------------------------------------------


def test_alexnet_constants_agree_with_their_published_means():
    published = {"gaussian_noise": 0.886428, "snow": 0.866816, "jpeg_compression": 0.606500}
    published |= {"elastic_transform": 0.646056, "saturate": 0.658248, "fog": 0.819324}
    assert len(ALEXNET.errors) == 19
    assert len(COMMON) == 15
    for corruption, mean in published.items():
        assert ALEXNET.total(corruption) / 5 == pytest.approx(mean, abs=2e-6)
    overall = sum(ALEXNET.total(c) for c in COMMON) / 75
    assert overall == pytest.approx(0.788993, abs=1e-6)


def test_resnet50_has_its_published_mce():
    table = robobench.mce(grid(RESNET50, clean=76.13))
    assert table["mce"].tolist() == [pytest.approx(76.70, abs=0.005)]
    assert table["relative_mce"].tolist() == [pytest.approx(104.95, abs=0.005)]


def test_resnet50_has_its_published_ce_for_each_corruption():
    table = corruption_errors(grid(RESNET50, clean=76.13)).set_index("corruption")["ce"]
    for corruption, published in RESNET50_CE.items():
        assert table[corruption] == pytest.approx(published, abs=0.01)


def test_robustbench_cells_give_the_ratio_of_sums_not_the_mean_of_ratios():
    frame = pd.concat(
        [grid(STANDARD_R50, method="Standard_R50"), grid(ALEXNET_5K, method="AlexNet")]
    )
    published = robobench.mce(frame).set_index("method")["mce"]
    assert published["Standard_R50"] == pytest.approx(76.37, abs=0.005)
    assert published["AlexNet"] == pytest.approx(99.97, abs=0.005)
    own = robobench.mce(frame, normalizer="AlexNet").set_index("method")["mce"]
    assert own["Standard_R50"] == pytest.approx(76.38, abs=0.005)
    assert own["AlexNet"] == pytest.approx(100.0)


def test_mce_takes_errors_as_well_and_the_order_of_rows_does_not_matter():
    frame = grid(RESNET50, clean=76.13)
    errors = frame.assign(metric="error", value=1 - frame["value"]).sample(frac=1, random_state=0)
    assert robobench.mce(errors)["mce"].iloc[0] == pytest.approx(76.70, abs=0.005)


def test_the_four_extra_corruptions_are_never_in_mce():
    more = {**RESNET50, "speckle_noise": 1.0, "spatter": 1.0}
    assert robobench.mce(grid(more))["mce"].iloc[0] == pytest.approx(76.70, abs=0.005)


def test_without_clean_images_only_the_relative_mce_is_blank(caplog):
    table = robobench.mce(grid(RESNET50))
    assert math.isnan(table["relative_mce"].iloc[0])
    assert table["mce"].iloc[0] == pytest.approx(76.70, abs=0.005)
    assert "clean" in caplog.text


def test_an_incomplete_grid_is_refused_and_what_is_missing_is_named():
    frame = grid(RESNET50, clean=76.13)
    hole = frame[~((frame["corruption"] == "snow") & (frame["severity"] == 3))]
    with pytest.raises(RobobenchError, match="snow 3"):
        robobench.mce(hole)
    with pytest.raises(RobobenchError, match="fog"):
        robobench.mce(frame[frame["corruption"] != "fog"])


def test_one_incomplete_method_is_blank_and_the_other_is_not(caplog):
    whole, part = grid(RESNET50, 76.13, "whole"), grid(RESNET50, 76.13, "part")
    frame = pd.concat([whole, part[part["corruption"] != "frost"]])
    table = robobench.mce(frame).set_index("method")["mce"]
    assert table["whole"] == pytest.approx(76.70, abs=0.005)
    assert math.isnan(table["part"])
    assert re.search("part: missing frost", caplog.text)


def test_data_sets_without_alexnet_errors_are_refused_with_what_would_work():
    with pytest.raises(RobobenchError, match=r"cifar10 has no published alexnet errors.*org"):
        robobench.mce(grid(RESNET50, 76.13, dataset="cifar10"))


@pytest.mark.parametrize(
    ("dataset", "images"), [("imagenet", "regenerated"), ("imagenet-c", "official")]
)
def test_images_made_here_are_called_regenerated(dataset, images):
    assert robobench.mce(grid(RESNET50, 76.13, dataset=dataset))["images"].tolist() == [images]


def test_another_profile_than_alexnets_is_refused():
    frame = grid(RESNET50, 76.13, dataset="imagenet")
    frame.attrs["profile"] = "inception-c"
    with pytest.raises(RobobenchError, match="profile imagenet-c, not inception-c"):
        robobench.mce(frame)


def test_train_seeds_are_averaged_and_duplicates_refused():
    frame = grid(RESNET50, 76.13)
    shift = frame.assign(value=frame["value"] - 0.02, train_seed=1)
    both = pd.concat([frame.assign(train_seed=0), shift])
    assert len(robobench.mce(both)) == 1
    assert robobench.mce(both)["mce"].iloc[0] > 76.70 + 1
    with pytest.raises(RobobenchError, match=r"2 rows for one cell.*differ in geometry"):
        robobench.mce(pd.concat([frame.assign(geometry="a"), frame.assign(geometry="b")]))


def test_percent_instead_of_fractions_is_refused():
    frame = grid(RESNET50, 76.13)
    with pytest.raises(RobobenchError, match="fractions"):
        robobench.mce(frame.assign(value=frame["value"] * 100))


@pytest.mark.parametrize("column", ["corruption", "metric", "value", "severity"])
def test_a_missing_column_is_named(column):
    with pytest.raises(RobobenchError, match=column):
        robobench.mce(grid(RESNET50, 76.13).drop(columns=column))


def test_an_unknown_normalizer_is_answered_with_the_known_ones():
    with pytest.raises(RobobenchError, match="did you mean 'alexnet'"):
        robobench.mce(grid(RESNET50, 76.13), normalizer="alexnett")


def test_a_method_serves_as_normalizer_within_its_own_data_set():
    frames = [
        grid(dict.fromkeys(COMMON, 40.0), 90.0, "org", dataset="cifar10"),
        grid(dict.fromkeys(COMMON, 70.0), 90.0, "afd", dataset="cifar10"),
    ]
    table = robobench.mce(pd.concat(frames), normalizer="org").set_index("method")
    assert table.loc["afd", "mce"] == pytest.approx(50.0)
    assert table.loc["afd", "relative_mce"] == pytest.approx(40.0)
    assert table.loc["org", "mce"] == pytest.approx(100.0)
    with pytest.raises(RobobenchError, match="unknown normalizer 'jpg'"):
        robobench.mce(pd.concat(frames), normalizer="jpg")


# --- interval mean accuracy ----------------------------------------------------------------------


def sweep(levels, values, method="org", corruption="jpeg_compression", **columns):
    return pd.DataFrame({"level": [float(v) for v in levels], "value": values}).assign(
        method=method, corruption=corruption, severity=np.nan, metric="accuracy", **columns
    )


def test_interval_mean_accuracy_is_equation_1():
    frame = sweep(range(1, 101), [q / 100 for q in range(1, 101)])
    table = robobench.interval_mean_accuracy(frame, [(1, 20), (81, 100)])
    assert list(table.columns) == ["method", "corruption", "Acc(1,20)", "Acc(81,100)"]
    assert table["Acc(1,20)"].iloc[0] == pytest.approx(0.105)
    assert table["Acc(81,100)"].iloc[0] == pytest.approx(0.905)


def test_severities_are_the_parameter_where_the_grid_has_severities():
    frame = sweep([80, 65, 58, 50, 40], [0.9, 0.8, 0.7, 0.6, 0.5]).assign(severity=range(1, 6))
    clean = frame.iloc[:1].assign(corruption="clean", level=0.0, severity=0, value=0.99)
    table = robobench.interval_mean_accuracy(pd.concat([clean, frame]), [(1, 5), (2, 3)])
    assert table["Acc(1,5)"].tolist() == [pytest.approx(0.7)]
    assert table["Acc(2,3)"].tolist() == [pytest.approx(0.75)]


def test_levels_are_the_parameter_of_a_sweep_that_meets_severities_on_its_way():
    frame = sweep(range(1, 101), [q / 100 for q in range(1, 101)])
    frame["severity"] = frame["level"].map({80: 1, 65: 2, 58: 3, 50: 4, 40: 5})
    table = robobench.interval_mean_accuracy(frame, [(1, 5)])
    assert table["Acc(1,5)"].iloc[0] == pytest.approx(0.03)


def test_a_missing_level_is_named_and_the_interval_blank(caplog):
    frame = sweep([q for q in range(1, 41) if q not in (7, 8, 12)], [0.5] * 37)
    with caplog.at_level(logging.WARNING):
        table = robobench.interval_mean_accuracy(frame, [(1, 20), (21, 40)])
    assert math.isnan(table["Acc(1,20)"].iloc[0])
    assert table["Acc(21,40)"].iloc[0] == pytest.approx(0.5)
    assert "no 7-8, 12" in caplog.text
    assert table.attrs["missing"] == ["Acc(1,20) of org jpeg_compression: no 7-8, 12"]


def test_one_row_for_each_series_and_a_level_that_one_seed_lacks_is_missing():
    full = sweep(range(1, 4), [0.6, 0.6, 0.6], train_seed=0)
    other = sweep(range(1, 4), [0.8, 0.8, 0.8], train_seed=1)
    table = robobench.interval_mean_accuracy(pd.concat([full, other]), [(1, 3)])
    assert table["Acc(1,3)"].tolist() == [pytest.approx(0.7)]
    table = robobench.interval_mean_accuracy(pd.concat([full, other.iloc[:2]]), [(1, 3)])
    assert table["Acc(1,3)"].isna().all()
    many = pd.concat(
        [sweep([1], [0.5], "a"), sweep([1], [0.6], "b"), sweep([1], [0.7], "b", "fog")]
    )
    assert len(robobench.interval_mean_accuracy(many, [(1, 1)])) == 3


def test_no_interval_and_duplicates_are_refused():
    frame = sweep([1, 2], [0.5, 0.6])
    with pytest.raises(RobobenchError, match="two integers"):
        robobench.interval_mean_accuracy(frame, [(20, 1)])
    with pytest.raises(RobobenchError, match="rows for one cell"):
        robobench.interval_mean_accuracy(pd.concat([frame, frame]), [(1, 2)])


@given(st.sets(st.integers(0, 60), max_size=30))
def test_spans_say_exactly_which_numbers(numbers):
    named = set()
    for part in filter(None, spans(numbers).split(", ")):
        low, _, high = part.partition("-")
        named |= set(range(int(low), int(high or low) + 1))
    assert named == numbers
