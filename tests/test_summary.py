import io
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from robobench.analysis.comparison import compare
from robobench.analysis.corruption_error import interval_mean_accuracy, mce
from robobench.analysis.normalizers import ALEXNET, COMMON
from robobench.analysis.statistics import mcnemar, wilson
from robobench.analysis.summary import results, summarise
from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.reports.run_summary import print_summary
from robobench.types import Cell, Degradation, Predictions

CELL = Cell("shapes10", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "vgg", "w", "", 0)
JPEG = [catalogue.at_severity("jpeg_compression", s, "cifar-c") for s in range(1, 6)]
FOG = [catalogue.at_severity("fog", s, "cifar-c") for s in range(1, 6)]
CLEAN = Degradation("clean")


def predictions(correct, index=None, **extra):
    correct = np.asarray(correct, bool)
    index = np.arange(len(correct)) if index is None else np.asarray(index)
    label = index % 10
    confidence = np.full(len(correct), 0.75, np.float32)
    true = np.where(correct, confidence, 0.1).astype(np.float32)
    predicted = np.where(correct, label, (label + 1) % 10)
    return Predictions(index, label, predicted, confidence, true, extra)


def on(degradation, method="org", **changes):
    return replace(
        CELL,
        corruption=degradation.corruption,
        level=degradation.level,
        profile=degradation.profile,
        method=method,
        **changes,
    )


def right(share, images=1000):
    """The first images are right: means are exact and cells err on the same images."""
    return np.arange(images) < round(share * images)


def study(table, images=1000):
    """{method: {degradation: accuracy}} as items."""
    return [
        (on(degradation, method), predictions(right(share, images)))
        for method, row in table.items()
        for degradation, share in row.items()
    ]


def two_methods(images=1000):
    org = {CLEAN: 0.95, **dict(zip(JPEG, (0.9, 0.8, 0.7, 0.6, 0.5), strict=True))}
    afd = {CLEAN: 0.95, **dict(zip(JPEG, (0.93, 0.9, 0.85, 0.8, 0.72), strict=True))}
    return study({"org": org, "afd": afd}, images)


def row(frame, method, corruption):
    found = frame[(frame["method"] == method) & (frame["corruption"] == corruption)]
    assert len(found) == 1
    return found.iloc[0]


# --- the long table ------------------------------------------------------------------------------


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
    summary = summarise(items, profile="imagenet-c", bootstrap=100)
    mean = row(summary, "org", "mean")
    assert mean["mCE"] == pytest.approx(mce(frame)["mce"].iloc[0] / 100)
    assert mean["relative mCE"] == pytest.approx(mce(frame)["relative_mce"].iloc[0] / 100)
    assert mean["mCE_low"] < mean["mCE"] < mean["mCE_high"]
    by_corruption = interval_mean_accuracy(frame, [(1, 5)]).set_index("corruption")["Acc(1,5)"]
    for corruption in COMMON:
        assert by_corruption[corruption] == pytest.approx(
            row(summary, "org", corruption)["Acc(1,5)"]
        )


# --- the summary ---------------------------------------------------------------------------------


def test_the_numbers_of_a_row_by_hand():
    frame = summarise(two_methods(), profile="cifar-c", bootstrap=200)
    afd = row(frame, "afd", "jpeg_compression")
    assert afd["clean"] == pytest.approx(0.95)
    assert afd["accuracy"] == pytest.approx(0.84)
    assert afd["Acc(1,5)"] == pytest.approx(0.84)
    assert afd["drop"] == pytest.approx(0.11)
    assert afd["CE[org]"] == pytest.approx(0.16 / 0.30)
    assert afd["recovered"] == pytest.approx(0.14 / 0.25)
    assert (afd["worst"], afd["worst_at"]) == (pytest.approx(0.72), "jpeg_compression 40")
    assert (afd["n"], afd["levels"], afd["train_seeds"]) == (1000, "severity 1-5", 1)
    for name in ("clean", "accuracy", "Acc(1,5)", "drop", "CE[org]", "recovered"):
        assert afd[f"{name}_low"] < afd[name] < afd[f"{name}_high"], name
    org = row(frame, "org", "jpeg_compression")
    assert org["CE[org]"] == org["CE[org]_low"] == org["CE[org]_high"] == 1.0
    assert math.isnan(org["recovered"])
    assert row(frame, "org", "clean")["accuracy_low"] == pytest.approx(wilson(950, 1000)[0])


def test_the_mean_over_corruptions_is_plain_and_only_for_complete_methods():
    org = {CLEAN: 0.95, **dict.fromkeys(JPEG, 0.6), **dict.fromkeys(FOG, 0.8)}
    afd = {CLEAN: 0.95, **dict.fromkeys(JPEG, 0.8), **dict.fromkeys(FOG, 0.9)}
    ddp = {CLEAN: 0.95, **dict.fromkeys(JPEG, 0.7)}
    frame = summarise(study({"org": org, "afd": afd, "ddp": ddp}), profile="cifar-c", bootstrap=50)
    mean = row(frame, "afd", "mean")
    assert mean["accuracy"] == pytest.approx(0.85)
    assert mean["CE[org]"] == pytest.approx(0.5)
    assert mean["recovered"] == pytest.approx(0.15 / 0.25)
    assert mean["levels"] == "2 corruptions"
    assert not ((frame["method"] == "ddp") & (frame["corruption"] == "mean")).any()
    assert any("ddp" in note and "fog" in note for note in frame.attrs["notes"])


def test_nothing_is_recovered_of_a_loss_within_noise():
    rng = np.random.default_rng(0)
    org = {CLEAN: 0.95, **dict.fromkeys(JPEG, 0.949)}
    items = study({"org": org, "afd": dict.fromkeys(org, 0.96)}, images=500)
    items = [(c, predictions(rng.permuted(p.correct))) for c, p in items]
    found = row(summarise(items, profile="cifar-c", bootstrap=300), "afd", "jpeg_compression")
    assert math.isnan(found["recovered"])
    assert "within noise" in found["missing"]


def test_too_few_errors_of_the_reference_are_no_denominator():
    org = {CLEAN: 1.0, **dict.fromkeys(JPEG, 1.0), JPEG[4]: 0.998}
    items = study({"org": org, "afd": dict.fromkeys(org, 0.99)}, images=500)
    frame = summarise(items, profile="cifar-c", bootstrap=300)
    found = row(frame, "afd", "jpeg_compression")
    assert math.isnan(found["CE[org]"])
    assert "CE[org]: org makes too few errors" in found["missing"]
    assert row(frame, "org", "jpeg_compression")["CE[org]_low"] == 1.0


def test_the_reference_comes_first_then_the_order_of_evaluation():
    table = {m: {CLEAN: 0.9, JPEG[0]: 0.8} for m in ("ddp", "afd", "org")}
    frame = summarise(study(table), profile="cifar-c", bootstrap=20)
    assert list(dict.fromkeys(frame["method"])) == ["org", "ddp", "afd"]


def test_a_coarse_sweep_is_no_incomplete_interval():
    tens = {catalogue.at_level("jpeg_compression", q): 0.5 for q in range(10, 91, 10)}
    found = row(summarise(study({"org": tens}), bootstrap=20), "org", "jpeg_compression")
    assert "Acc(" not in found["missing"]
    assert found["accuracy"] == pytest.approx(0.5)


def test_without_the_reference_its_columns_are_blank_and_say_so():
    items = [(c, p) for c, p in two_methods() if c.method == "afd"]
    found = row(summarise(items, profile="cifar-c", bootstrap=50), "afd", "jpeg_compression")
    assert math.isnan(found["CE[org]"])
    assert math.isnan(found["recovered"])
    assert "CE[org]: no org" in found["missing"]
    assert found["accuracy"] == pytest.approx(0.84)


def test_a_missing_severity_is_named_and_its_interval_blank():
    items = [(c, p) for c, p in two_methods() if c.level != 58.0]
    found = row(summarise(items, profile="cifar-c", bootstrap=50), "afd", "jpeg_compression")
    assert math.isnan(found["Acc(1,5)"])
    assert "Acc(1,5): no jpeg_compression 3" in found["missing"]
    assert found["levels"] == "severity 1-2, 4-5"


def test_a_sweep_has_the_published_intervals():
    levels = [catalogue.at_level("jpeg_compression", q) for q in range(1, 101)]
    noise = [catalogue.at_level("gaussian_noise", s) for s in range(51)]
    table = {CLEAN: 1.0} | {d: d.level / 100 for d in levels} | {d: 0.5 for d in noise}
    frame = summarise(study({"org": table}), profile="cifar-c", bootstrap=50)
    jpeg, sigma = row(frame, "org", "jpeg_compression"), row(frame, "org", "gaussian_noise")
    assert jpeg["Acc(1,20)"] == pytest.approx(0.105)
    assert jpeg["Acc(81,100)"] == pytest.approx(0.905)
    assert jpeg["levels"] == "1-100"
    assert sigma["Acc(0,10)"] == pytest.approx(0.5)
    assert sigma["Acc(41,50)"] == pytest.approx(0.5)
    assert math.isnan(jpeg["Acc(1,5)"])
    assert math.isnan(jpeg["Acc(0,10)"])
    hole = {d: v for d, v in table.items() if d.level not in (3.0, 4.0)}
    jpeg = row(summarise(study({"org": hole}), bootstrap=50), "org", "jpeg_compression")
    assert math.isnan(jpeg["Acc(1,20)"])
    assert "Acc(1,20): no jpeg_compression 3-4" in jpeg["missing"]
    assert jpeg["Acc(21,40)"] == pytest.approx(0.305)


def test_several_trainings_widen_the_interval_and_are_averaged():
    one = study({"org": {CLEAN: 0.9, JPEG[0]: 0.8}})
    many = [
        (replace(c, train_seed=seed, weights=f"w{seed}"), predictions(right(share)))
        for seed, share in enumerate((0.70, 0.80, 0.90))
        for c in (on(CLEAN), on(JPEG[0]))
    ]
    alone = row(summarise(one, profile="cifar-c"), "org", "jpeg_compression")
    found = row(summarise(many, profile="cifar-c"), "org", "jpeg_compression")
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["train_seeds"] == 3
    width = alone["accuracy_high"] - alone["accuracy_low"]
    assert found["accuracy_high"] - found["accuracy_low"] > 2 * width


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


def test_seeds_of_a_corruption_are_averaged_not_counted_as_images():
    items = [(on(FOG[0], seed=s), predictions(right(v))) for s, v in ((0, 0.6), (1, 0.8))]
    found = row(summarise(items, profile="cifar-c", bootstrap=50), "org", "fog")
    assert found["accuracy"] == pytest.approx(0.7)
    assert found["n"] == 1000


def test_cells_that_no_table_can_tell_apart_are_refused():
    items = two_methods()
    cell, values = items[0]
    with pytest.raises(RobobenchError, match="differ only in weights 'w' and 'retrained'"):
        summarise([*items, (replace(cell, weights="retrained"), values)])


def test_fewer_images_in_one_cell_are_said_and_all_is_over_the_common_ones():
    items = two_methods()
    cell, _ = items[3]
    items[3] = (cell, predictions(right(0.5, 400)))
    frame = summarise(items, profile="cifar-c", bootstrap=50)
    assert set(frame["n"]) == {400}
    assert "400 images that all have" in frame.attrs["notes"][0]


def test_data_sets_are_kept_apart():
    other = [(replace(c, dataset="cifar10"), p) for c, p in two_methods(500)]
    frame = summarise([*two_methods(), *other], profile="cifar-c", bootstrap=50)
    assert set(zip(frame["dataset"], frame["n"], strict=True)) == {
        ("shapes10", 1000),
        ("cifar10", 500),
    }


def test_the_same_cells_give_the_same_table():
    one = summarise(two_methods(), profile="cifar-c", bootstrap=100)
    other = summarise(two_methods(), profile="cifar-c", bootstrap=100)
    pd.testing.assert_frame_equal(one, other)


# --- comparing two methods -----------------------------------------------------------------------


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
    assert frame.loc["clean", "p_holm"] == pytest.approx(min(1, 2 * mcnemar(first, second)))
    assert frame.loc["clean", "difference"] == pytest.approx(second.mean() - first.mean())
    assert frame.loc["clean", "better"] == (second & ~first).sum()
    assert frame.loc["clean", "worse"] == (first & ~second).sum()


def test_compare_turned_round_has_the_other_sign_and_the_same_p():
    there = compare(two_methods(), "org", "afd", bootstrap=100).set_index("corruption")
    back = compare(two_methods(), "afd", "org", bootstrap=100).set_index("corruption")
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


# --- on the screen -------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(frame, monkeypatch=None, columns=0, manifest=None):
    if monkeypatch is None:
        file = io.StringIO()
    else:
        file = Terminal()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")
    print_summary(frame, manifest, file=file)
    return file.getvalue()


def test_piped_it_is_a_plain_markdown_table():
    text = shown(summarise(two_methods(), profile="cifar-c", bootstrap=100))
    assert text.isascii()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    found = next(line for line in lines if "jpeg_compression" in line and "afd" in line)
    assert "84.0 [" in found
    assert " 53.3 [" in found
    assert " 56.0 [" in found
    assert text.splitlines()[0] == "shapes10 test, vgg: 1,000 images, percent [95 %]"


def test_a_terminal_of_eighty_columns_is_not_overrun(monkeypatch):
    levels = [catalogue.at_level("jpeg_compression", q) for q in range(1, 101)]
    table = {CLEAN: 0.99} | {d: 0.3 + d.level / 200 for d in levels} | dict.fromkeys(FOG, 0.7)
    frame = summarise(
        study({"org": table, "noisy-estnl": {d: v + 0.005 for d, v in table.items()}}),
        profile="cifar-c",
        bootstrap=50,
    )
    text = shown(frame, monkeypatch, 80)
    assert max(map(len, text.splitlines())) <= 80
    for heading in ("accuracy", "Acc(1,5)", "CE[org]", "recovered", "Acc(81,100)"):
        assert heading in text


def test_methods_that_are_told_the_truth_are_marked():
    manifest = {"methods": [{"method": "afd", "trained_on": "", "oracle": True}]}
    text = shown(summarise(two_methods(), profile="cifar-c", bootstrap=20), manifest=manifest)
    assert "afd*" in text
    assert "told the corruption" in text
    assert "org*" not in text


def test_methods_stand_in_the_order_they_were_asked_for_corruptions_in_the_published_one():
    noise = catalogue.at_severity("shot_noise", 1, "cifar-c")
    table = {m: {CLEAN: 0.9, JPEG[0]: 0.8, noise: 0.7} for m in ("afd", "ddp", "org")}
    asked = [{"method": m, "trained_on": ""} for m in ("ddp", "afd", "org")]
    frame = summarise(study(table), profile="cifar-c", bootstrap=20)
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]]
        for line in shown(frame, manifest={"methods": asked}).splitlines()
        if line.startswith("| ")
    ]
    rows = [(what.split()[0], method) for what, method in rows if method in table]
    names = ("clean", "shot_noise", "jpeg_compression", "mean")
    assert rows == [(name, m) for name in names for m in ("org", "ddp", "afd")]


def test_nothing_to_show_is_said():
    assert "no cells" in shown(pd.DataFrame())
