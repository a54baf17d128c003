"""Tables of papers that may be measured for any classifier and data set."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from click.testing import CliRunner

from robobench.cli import _exit_code
from robobench.cli.reproduce import reproduce
from robobench.errors import RobobenchError
from robobench.reproductions import find_reproduction
from robobench.results.store import Store
from robobench.weights import storage

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
    assert (
        "--method dedrift --dataset shapes10 --backbone vgg-tiny --trained-on jpeg" in result.output
    )
    assert "--images" not in result.output
    frame = pd.read_csv(tmp_path / "made" / "afd-table5.csv")
    assert set(frame["n"]) == {20}
    assert {"org", "ddp@jpeg", "afd@jpeg"} <= set(frame["row"])


@pytest.fixture
def measured(tmp_path, monkeypatch, capsys):
    """A function that measures a table on shapes10, and returns exit code, what is printed, and the run."""
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)

    def measure(name, *words, backbone="vgg-tiny"):
        words = ["reproduce", name, "--dataset", "shapes10", "--backbone", backbone, *words]
        code = _exit_code([*words, "--limit", "10", "--precision", "fp32", "--published-only"])
        captured = capsys.readouterr()
        runs = list((tmp_path / "runs").glob("*"))
        return code, captured.err or captured.out, runs[0] if runs else None

    return measure


def stored(method, source, share):
    """Store weights as if they had learned from ten other images."""
    (path,) = [
        path
        for path in storage.find(method, trained_on="jpeg_compression")
        if storage.read_card(path).dataset == "shapes10"
    ]
    weights = storage.load(path)
    card = replace(
        weights.card,
        dataset=f"images:{source}",
        images_count=10,
        images_digest=source.encode().hex().ljust(64, "0"),
    )
    tensors = {n: t * share if n.endswith("weight") else t for n, t in weights.tensors.items()}
    return storage.save(card, tensors)


@pytest.mark.parametrize("name", ["afd-table5", "afd-table6", "ddp-jpeg"])
def test_images_are_prepared_as_the_classifier_needs(name, measured):
    code, told, run = measured(name, "--resize", "36", "--crop", "28", "--std", "0.3,0.3,0.3")
    assert code == 0
    assert "ours of vgg-tiny on shapes10 (--resize 36 --crop 28 --std 0.3,0.3,0.3)" in " ".join(
        told.replace("`", "").split()
    )
    asked = json.loads((run / "manifest.json").read_text())["configuration"]
    assert (asked["resize"], asked["crop"], asked["std"]) == (36, 28, [0.3, 0.3, 0.3])
    (geometry,) = {cell.geometry for cell in Store(run).cells()}
    assert "28" in geometry
    assert "36" in geometry


def test_what_is_missing_is_trained_on_images_prepared_alike(measured):
    words = ["--resize", "36", "--crop", "32", "--layer", "stages.0"]
    code, told, run = measured("afd-table5", *words)
    assert code == 2
    for method in ("ddp", "afd"):
        (line,) = [line for line in told.splitlines() if f"--method {method} " in line]
        assert "--layer stages.0 --resize 36 --crop 32" in line
        assert "--trained-on jpeg" in line
    assert run is None
    code, told, _ = measured("irdi-table3", "--crop", "32")
    assert code == 2
    assert "--crop" in told.partition("leave out ")[2]


def test_one_of_several_trainings_is_named(measured):
    stored("ddp", "birds", 1.0)
    stored("ddp", "park", 0.5)
    code, told, _ = measured("ddp-jpeg", "--trained", "#10")
    assert code == 2
    ways = [f"--trained ddp@jpeg_compression#10-{place}" for place in ("birds", "park")]
    assert told.strip().endswith(f"is any of 2 trainings: name one, {' or '.join(ways)}")
    code, told, run = measured("ddp-jpeg", *ways[1].split())
    assert code == 0, told
    assert {c.trained_on for c in Store(run).cells()} == {"clean", "jpeg_compression#10-park"}
    table = pd.read_csv("reproduced/ddp-jpeg.csv").set_index(["row", "column"])["ours"]
    park = table["ddp@jpeg#10-park"]
    assert len(park) == 6
    assert measured("ddp-jpeg", "--trained", "#birds-10,ddp@jpeg#park")[0] == 0
    again = pd.read_csv("reproduced/ddp-jpeg.csv").set_index(["row", "column"])["ours"]
    assert again["ddp@jpeg#park"].equals(park)
    assert measured("ddp-jpeg", "--trained", "#birds-10")[0] == 0
    assert "ddp@jpeg#birds-10" in set(pd.read_csv("reproduced/ddp-jpeg.csv")["row"])


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        ("ddp@jpeg", "expected what a training learned from after #"),
        (",", "expected what a training learned from after #"),
        ("dpd@jpeg#10", "did you mean 'ddp@jpeg'"),
        ("org#10", "unknown training of"),
        ("#bird-10", "did you mean 'ddp@jpeg_compression#10-birds'"),
        ("#7-roofs", "--limit 7"),
    ],
)
def test_a_training_that_is_not_there_gets_the_nearest_name(trained, said, measured):
    stored("ddp", "birds", 1.0)
    code, told, run = measured("ddp-jpeg", "--trained", trained)
    assert code == 2
    assert said in told
    assert run is None


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--crop=0", "1 or more pixels"),
        ("--interpolation=cubic", "'bicubic'"),
        ("--mean=nan,0,0", "from 0 to 1"),
    ],
)
def test_an_impossible_preparation_is_refused_first(option, said, measured):
    code, told, _ = measured("ddp-jpeg", option, backbone="torchvision:resnet18")
    assert code == 2
    assert said in told
