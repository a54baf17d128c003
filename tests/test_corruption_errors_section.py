"""The table in the layout of ImageNet-C: its columns, and what the errors are divided by."""

import pytest

from robobench.analysis.corruption_error import mce
from robobench.corruptions import catalogue
from robobench.corruptions.catalogue import GROUPS
from robobench.reports.builder import compose
from robobench.results.run import load


def table_of(run):
    (table,) = compose([run], ["corruption-errors"]).tables
    return table


def test_it_has_the_columns_of_imagenet_c_and_their_groups(write_run, tmp_path):
    folder = write_run(tmp_path, ("org", "afd"), GROUPS["common"], images=60, shown=False)
    table = table_of(load(folder))
    assert list(table.frame) == [
        *("Error", "mean CE", "Gauss.", "Shot", "Impulse", "Defocus", "Glass", "Motion", "Zoom"),
        *("Snow", "Frost", "Fog", "Bright", "Contrast", "Elastic", "Pixel", "JPEG"),
    ]
    assert (table.groups["Shot"], table.groups["JPEG"]) == ("Noise", "Digital")
    run = load(folder)
    mean = run.summary().set_index(["method", "corruption"]).loc[("afd", "mean")]
    shown = table.frame.loc["afd ‡"]
    assert shown["mean CE"].value == mean["CE[org]"]
    assert shown["Error"].value == pytest.approx(1 - mean["clean"])
    assert shown["Error"].low == pytest.approx(1 - mean["clean_high"])


def test_published_errors_divide_where_there_are_some(write_run, tmp_path, monkeypatch):
    at = catalogue.at_severity
    monkeypatch.setattr(
        catalogue, "at_severity", lambda name, severity, _: at(name, severity, "imagenet-c")
    )
    folder = write_run(
        *(tmp_path, ("org", "afd"), GROUPS["common"]),
        images=60,
        dataset="imagenet-c",
        shown=False,
        profile="imagenet-c",
    )
    run = load(folder)
    table = table_of(run)
    shown = table.frame.loc["afd ‡"]
    assert "of that of AlexNet" in table.caption
    published = mce(run.frame).set_index("method").loc["afd", "mce"] / 100
    assert shown["mCE"].value == pytest.approx(published)
    single = [shown[name].value for name in list(table.frame)[2:]]
    assert len(single) == 15
    assert sum(single) / 15 == pytest.approx(published)


def test_a_run_without_whole_corruptions_has_no_such_table(swept):
    assert compose([swept], ["corruption-errors"]).tables == []
