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

from robobench.analysis.comparison import compare
from robobench.analysis.series import THESE, make_series, scope
from robobench.analysis.statistics import wilson
from robobench.corruptions import catalogue
from robobench.errors import RobobenchError


def test_the_numbers_of_a_row_by_hand():
    frame = summary_of(two_methods(), profile="cifar-c", draws=200)
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
    frame = summary_of(study({"org": org, "afd": afd, "ddp": ddp}), profile="cifar-c", draws=50)
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
    found = row(summary_of(items, profile="cifar-c", draws=300), "afd", "jpeg_compression")
    assert math.isnan(found["recovered"])
    assert "within noise" in found["missing"]


def test_too_few_errors_of_the_reference_are_no_denominator():
    org = {CLEAN: 1.0, **dict.fromkeys(JPEG, 1.0), JPEG[4]: 0.998}
    items = study({"org": org, "afd": dict.fromkeys(org, 0.99)}, images=500)
    frame = summary_of(items, profile="cifar-c", draws=300)
    found = row(frame, "afd", "jpeg_compression")
    assert math.isnan(found["CE[org]"])
    assert "CE[org]: org makes too few errors" in found["missing"]
    assert row(frame, "org", "jpeg_compression")["CE[org]_low"] == 1.0


def test_the_reference_comes_first_then_the_order_of_evaluation():
    table = {m: {CLEAN: 0.9, JPEG[0]: 0.8} for m in ("ddp", "afd", "org")}
    frame = summary_of(study(table), profile="cifar-c", draws=20)
    assert list(dict.fromkeys(frame["method"])) == ["org", "ddp", "afd"]


def test_a_coarse_sweep_is_no_incomplete_interval():
    tens = {catalogue.at_level("jpeg_compression", q): 0.5 for q in range(10, 91, 10)}
    found = row(summary_of(study({"org": tens}), draws=20), "org", "jpeg_compression")
    assert "Acc(" not in found["missing"]
    assert found["accuracy"] == pytest.approx(0.5)


def test_without_the_reference_its_columns_are_blank_and_say_so():
    items = [(c, p) for c, p in two_methods() if c.method == "afd"]
    found = row(summary_of(items, profile="cifar-c", draws=50), "afd", "jpeg_compression")
    assert math.isnan(found["CE[org]"])
    assert math.isnan(found["recovered"])
    assert "CE[org]: no org" in found["missing"]
    assert found["accuracy"] == pytest.approx(0.84)


def test_a_missing_severity_is_named_and_its_interval_blank():
    items = [(c, p) for c, p in two_methods() if c.level != 58.0]
    found = row(summary_of(items, profile="cifar-c", draws=50), "afd", "jpeg_compression")
    assert math.isnan(found["Acc(1,5)"])
    assert "Acc(1,5): no jpeg_compression 3" in found["missing"]
    assert found["levels"] == "severity 1-2, 4-5"


def test_a_sweep_has_the_published_intervals():
    levels = [catalogue.at_level("jpeg_compression", q) for q in range(1, 101)]
    noise = [catalogue.at_level("gaussian_noise", s) for s in range(51)]
    table = {CLEAN: 1.0} | {d: d.level / 100 for d in levels} | {d: 0.5 for d in noise}
    frame = summary_of(study({"org": table}), profile="cifar-c", draws=50)
    jpeg, sigma = row(frame, "org", "jpeg_compression"), row(frame, "org", "gaussian_noise")
    assert jpeg["Acc(1,20)"] == pytest.approx(0.105)
    assert jpeg["Acc(81,100)"] == pytest.approx(0.905)
    assert jpeg["levels"] == "1-100"
    assert sigma["Acc(0,10)"] == pytest.approx(0.5)
    assert sigma["Acc(41,50)"] == pytest.approx(0.5)
    assert math.isnan(jpeg["Acc(1,5)"])
    assert math.isnan(jpeg["Acc(0,10)"])
    hole = {d: v for d, v in table.items() if d.level not in (3.0, 4.0)}
    jpeg = row(summary_of(study({"org": hole}), draws=50), "org", "jpeg_compression")
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
    alone = row(summary_of(one, profile="cifar-c"), "org", "jpeg_compression")
    found = row(summary_of(many, profile="cifar-c"), "org", "jpeg_compression")
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["train_seeds"] == 3
    width = alone["accuracy_high"] - alone["accuracy_low"]
    assert found["accuracy_high"] - found["accuracy_low"] > 2 * width


def test_seeds_without_a_training_of_their_own_are_one_training():
    def items(seeds, afd_seeds):
        given = [
            (on(d, train_seed=seed, weights="given"), predictions(right(share)))
            for seed in seeds
            for d, share in ((CLEAN, 0.9), (JPEG[0], 0.7))
        ]
        trained = [
            (
                on(d, "afd", train_seed=seed, weights=f"w{seed}"),
                predictions(right(share + seed / 50)),
            )
            for seed in afd_seeds
            for d, share in ((CLEAN, 0.9), (JPEG[0], 0.75))
        ]
        return given + trained

    three = summary_of(items(range(3), range(3)), profile="cifar-c", draws=200)
    alone = summary_of(items([0], range(3)), profile="cifar-c", draws=200)
    assert row(three, "org", "jpeg_compression")["train_seeds"] == 1
    assert row(three, "afd", "jpeg_compression")["train_seeds"] == 3
    pd.testing.assert_frame_equal(three, alone)
    compared = [
        compare(make_series(items(seeds, range(3)), draws=200)) for seeds in (range(3), [0])
    ]
    pd.testing.assert_frame_equal(*compared)
    assert set(compared[0]["of"]) == {"3 trainings"}
    untrained = make_series(items(range(3), []), draws=200)
    assert scope(*untrained) == THESE
    assert untrained[0].sampling.trainings == ()


def test_a_bank_has_trainings_though_its_seeds_share_the_clean_answers():
    items = [
        (on(d, "afd", train_seed=seed, weights=w), predictions(right(share)))
        for seed in range(2)
        for d, share, w in ((CLEAN, 0.9, "given"), (JPEG[0], 0.7 + seed / 10, f"w{seed}"))
    ]
    found = row(summary_of(items, profile="cifar-c", draws=50), "afd", "jpeg_compression")
    assert found["train_seeds"] == 2
    assert found["accuracy"] == pytest.approx(0.75)


def test_seeds_of_a_corruption_are_averaged_not_counted_as_images():
    items = [(on(FOG[0], seed=s), predictions(right(v))) for s, v in ((0, 0.6), (1, 0.8))]
    found = row(summary_of(items, profile="cifar-c", draws=50), "org", "fog")
    assert found["accuracy"] == pytest.approx(0.7)
    assert found["n"] == 1000


def test_cells_that_no_table_can_tell_apart_are_refused():
    items = two_methods()
    cell, values = items[0]
    with pytest.raises(RobobenchError, match="differ only in weights 'w' and 'retrained'"):
        summary_of([*items, (replace(cell, weights="retrained"), values)])


def test_fewer_images_in_one_cell_are_said_and_all_is_over_the_common_ones():
    items = two_methods()
    cell, _ = items[3]
    items[3] = (cell, predictions(right(0.5, 400)))
    frame = summary_of(items, profile="cifar-c", draws=50)
    assert set(frame["n"]) == {400}
    assert "400 images that all of them have" in frame.attrs["notes"][0]


def test_data_sets_are_kept_apart():
    other = [(replace(c, dataset="cifar10"), p) for c, p in two_methods(500)]
    frame = summary_of([*two_methods(), *other], profile="cifar-c", draws=50)
    assert set(zip(frame["dataset"], frame["n"], strict=True)) == {
        ("shapes10", 1000),
        ("cifar10", 500),
    }


def test_the_same_cells_give_the_same_table():
    one = summary_of(two_methods(), profile="cifar-c", draws=100)
    other = summary_of(two_methods(), profile="cifar-c", draws=100)
    pd.testing.assert_frame_equal(one, other)


def test_a_method_that_harms_clean_images_is_named():
    org = {CLEAN: 0.95, **dict.fromkeys(JPEG, 0.6)}
    harmful = {CLEAN: 0.5, **dict.fromkeys(JPEG, 0.7)}
    harmless = {CLEAN: 0.949, **dict.fromkeys(JPEG, 0.7)}
    cells = study({"org": org, "ddp": harmful, "afd": harmless})
    (warning,) = [n for n in summary_of(cells, draws=200).attrs["notes"] if "worse than" in n]
    assert "worse than org on clean images" in warning
    assert "ddp" in warning
    assert "-45.0 [" in warning
    assert "afd" not in warning
