"""Tables of papers that may be measured for any classifier and data set."""

import pandas as pd
import pytest
from click.testing import CliRunner

from robobench.cli.reproduce import reproduce
from robobench.errors import RobobenchError
from robobench.reproductions import find_reproduction

# Typed from the paper's tables V and VI a second time, in percent, one line per network.
TABLE_5 = {
    "org": "66.16 62.47 59.28 47.50 31.65 53.41",
    "ddp@jpeg": "66.45 63.68 61.62 55.37 47.64 58.95",
    "afd@jpeg": "67.10 64.79 62.91 57.24 49.02 60.21",
    "arcnn": "61.69 60.35 58.76 53.10 44.64 55.71",
    "dncnn": "64.74 61.89 60.25 53.32 43.19 56.68",
}
TABLE_6 = {
    "org": "53.33 45.44 40.31 36.59 34.19 41.97",
    "ddp@jpeg": "58.56 52.69 49.38 47.74 44.19 50.51",
    "afd@jpeg": "59.58 54.85 51.70 49.41 47.51 52.61",
}


@pytest.mark.parametrize(("name", "printed"), [("afd-table5", TABLE_5), ("afd-table6", TABLE_6)])
def test_the_published_numbers_are_those_of_the_paper(name, printed):
    table = find_reproduction(name)
    rows = {row.method: row.published for row in (*table.rows, *table.further) if row.published}
    assert rows.keys() == printed.keys()
    for method, line in printed.items():
        *numbers, mean = (float(n) / 100 for n in line.split())
        assert rows[method] == pytest.approx(numbers)
        assert sum(numbers) / 5 == pytest.approx(mean, abs=1e-4)


def test_ddp_on_jpeg_shares_the_cells_of_afd():
    ddp, afd = find_reproduction("ddp-jpeg"), find_reproduction("afd-table5")
    assert ddp.run_folder == afd.run_folder
    assert set(ddp.rows) < set(afd.rows)


def test_a_table_elsewhere_has_a_folder_and_a_note_of_its_own(tmp_path):
    table = find_reproduction("afd-table5")
    assert table.measured_on() is table
    moved = table.measured_on(f"folder:{tmp_path}", "torchvision:resnet18", "r.safetensors")
    assert moved.run_folder == f"afd-jpeg-folder-{tmp_path.name}-torchvision-resnet18"
    assert "torchvision:resnet18" in moved.notes[0]
    assert "ResNet-50 on ImageNet" in moved.notes[0]
    with pytest.raises(RobobenchError, match="measured on cifar10"):
        find_reproduction("irdi-table3").measured_on(backbone="vgg-tiny")


def test_it_is_measured_on_the_data_set_that_is_named(tmp_path):
    words = ["afd-table5", "--dataset", "shapes10", "--backbone", "vgg-tiny", "--limit", "20"]
    words += ["--out", str(tmp_path / "made"), "--runs", str(tmp_path / "runs")]
    result = CliRunner().invoke(reproduce, [*words, "--precision", "fp32"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "AFD, published" in result.output
    assert "difference" not in result.output
    assert "95 % interval, " not in result.output  # no verdict on accuracies of other images
    assert "compare what methods gain" in result.output
    assert "--method dedrift@jpeg" in result.output
    assert "--images" not in result.output
    frame = pd.read_csv(tmp_path / "made" / "afd-table5.csv")
    assert set(frame["n"]) == {20}
    assert {"org", "ddp@jpeg", "afd@jpeg"} <= set(frame["row"])
