"""Modules that learned from different images: their names, and the report's section on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import robobench
from robobench.analysis.classifier_ranking import rank
from robobench.cli import _exit_code
from robobench.datasets import open_dataset
from robobench.errors import RobobenchError
from robobench.reports.builder import FORMATS, build, compose
from robobench.reports.joined import join
from robobench.reports.leaderboard import leaderboards
from robobench.reports.sections.image_sources import image_sources
from robobench.reports.sections.transfer import transfer
from robobench.types import Geometry
from robobench.weights import storage

BIRDS, STREETS, PARK = "afd@jpeg#10-birds", "afd@jpeg#10-street-views", "afd@jpeg#4-park"
TRAINED_ON = "jpeg_compression"


def stored_module(source, count, share):
    """Store weights as if they had learned from other images: a share of the shipped ones."""
    (path,) = [
        path
        for path in storage.find("afd", trained_on=TRAINED_ON)
        if storage.read_card(path).dataset == "shapes10"
    ]
    weights = storage.load(path)
    card = replace(
        weights.card,
        dataset=f"images:{source}",
        images=f"{count} images of {source}, 2 of them held out to choose by",
        images_count=count,
        images_digest=f"{count:02x}" * 16 + source.encode().hex()[:32],
    )
    tensors = {n: t * share if n.endswith("weight") else t for n, t in weights.tensors.items()}
    return storage.save(card, tensors)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder with three modules beside the shipped ones."""
    folder = str(tmp_path_factory.mktemp("weights"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROBOBENCH_WEIGHTS", folder)
        stored_module("birds", 10, 1.0)
        stored_module("street-views", 10, 0.9)
        stored_module("park", 4, 0.5)
    return folder


@pytest.fixture
def weights(stored, monkeypatch):
    """The test finds these modules."""
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", stored)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A folder of images of shapes10's classes, for the same classifier."""
    folder = tmp_path_factory.mktemp("data") / "other"
    dataset = open_dataset("shapes10", split="validation")
    pixels = dataset.read(np.arange(80), Geometry())
    for number, (image, label) in enumerate(zip(pixels, dataset.labels[:80], strict=True)):
        place = folder / f"{label}-{dataset.class_names[label]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(place / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def run(stored, tmp_path_factory):
    methods = f"{BIRDS},{STREETS},{PARK},afd@jpeg#shapes10"
    out = tmp_path_factory.mktemp("a") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROBOBENCH_WEIGHTS", stored)
        return robobench.run(methods, "jpeg,shot_noise", limit=60, severities="5", out=out)


def labels(run):
    return {cell.trained_on for cell in run.cells if cell.method == "afd"}


def test_each_has_a_label_of_its_own(run):
    tags = ("10-birds", "10-street-views", "4-park", "shapes10")
    assert labels(run) == {f"{TRAINED_ON}#{tag}" for tag in tags}
    table = pd.read_csv(run.folder / "results.csv")
    assert labels(run) <= set(table["trained_on"].dropna())
    assert {row.label for row in leaderboards(run)[0].others} == {f"afd@{on}" for on in labels(run)}
    weights = {cell.trained_on: cell.weights for cell in run.cells if cell.method == "afd"}
    # Those of the birds are the shipped ones, which were stored without the settings of their network.
    assert len(set(weights.values())) == 4


def test_check_and_ranking_tell_them_apart(run, tmp_path, capsys):
    names = {f"afd@{on}" for on in labels(run)}
    assert set(rank(run.series, method=None).frame["method"]) == {"org", *names}
    baseline = str(tmp_path / "baseline.json")
    assert _exit_code(["freeze", str(run.folder), "--out", baseline]) == 0
    capsys.readouterr()
    assert _exit_code(["check", str(run.folder), "--baseline", baseline]) == 0
    told = capsys.readouterr().out
    assert all(f"same  {name} " in told for name in names)


def test_rows_are_the_images_and_columns_what_was_evaluated(run):
    (table,) = image_sources(run)
    assert list(table.frame.index) == [
        ("birds", 10),
        ("street-views", 10),
        ("park", 4),
        ("shapes10", 20_000),
    ]
    assert list(table.frame.columns) == ["clean", "shot_noise", "jpeg_compression", "mean"]
    summary = run.summary().set_index(["trained_on", "corruption"])
    wanted = summary.loc[(f"{TRAINED_ON}#10-street-views", "jpeg_compression")]
    cell = table.frame.loc[("street-views", 10), "jpeg_compression"]
    assert (cell.value, cell.low, cell.high) == pytest.approx(
        tuple(wanted[["recovered", "recovered_low", "recovered_high"]])
    )
    # of the same weights under two names neither is better
    same = table.frame.loc[[("birds", 10), ("shapes10", 20_000)], "jpeg_compression"]
    assert {(cell.bold, cell.level) for cell in same} in ({(True, False), (False, True)},)
    assert transfer(run) == []  # of one corruption


def test_what_is_best_follows_from_the_tests_of_the_accuracies(run):
    (table,), (board,) = image_sources(run), leaderboards(run)
    own = f"afd@{TRAINED_ON}#"
    for condition in board.degraded:
        cells = dict(zip([*map(_tag, table.frame.index)], table.frame[condition], strict=True))
        (best,) = [tag for tag, cell in cells.items() if cell.bold]
        for tag, cell in cells.items():
            if tag != best:
                assert cell.level != board.tests.is_separate(condition, own + best, own + tag)
            worse = board.tests.is_better(condition, board.reference, own + tag)
            assert (cell.against == "worse") == worse


def _tag(heading):
    source, images = heading
    return source if source == "shapes10" else f"{images}-{source}"


def test_runs_on_several_data_sets_share_a_table(weights, run, shapes, tmp_path):
    (path,) = storage.find("org", dataset="shapes10", backbone_name="vgg-tiny", train_seed=0)
    arguments = {
        "dataset": f"folder:{shapes}", "backbone": "vgg-tiny",
        "weights": str(path.with_suffix(".safetensors")), "severities": "5",
    }  # fmt: skip
    other = robobench.run(
        "afd@jpeg#birds,afd@jpeg#park", "jpeg", classes="sorted", out=tmp_path / "b", **arguments
    )
    both = join([run, other])
    across, *single = image_sources(both)
    assert list(across.frame.columns) == ["shapes10", "folder:other"]
    assert [name for name, _ in across.frame.index] == ["birds", "street-views", "park", "shapes10"]
    lacking = across.frame.loc[("street-views", 10), "folder:other"]
    assert lacking.missing
    assert "not evaluated on folder:other" in lacking.why
    assert not across.frame.loc[("birds", 10), "folder:other"].missing
    assert "shapes10: `shot_noise`, `jpeg_compression`; folder:other: " in across.notes[0]
    assert len(single) == 1  # the other data set has one corruption: its column is all there is
    renders([run, other], tmp_path / "report", across.name)


def test_modules_of_one_name_in_two_runs_are_told_apart(tmp_path, monkeypatch):
    runs = []
    for source, share in (("birds", 1.0), ("park", 0.5)):
        monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(tmp_path / source))
        stored_module(source, 10, share)
        out = tmp_path / "runs" / source
        runs.append(robobench.run("afd@jpeg", "jpeg", limit=20, severities="5", out=out))
    (table,) = image_sources(join(runs))
    assert list(table.frame.index) == [("birds", 10), ("park", 10)]
    assert "`afd`, trained on" in table.caption


def test_it_is_there_in_every_format(run, tmp_path):
    (table,) = image_sources(run)
    renders([run], tmp_path, table.name)


def renders(runs, folder, name):
    build(runs, folder, FORMATS, ["image-sources"])
    title = compose(runs, ["image-sources"]).parts[0].title
    for file in ("index.html", "report.tex"):
        assert title in (folder / file).read_text()
    assert "street-views" in (folder / "index.html").read_text()
    assert "| street-views | 10 |" in (folder / "report.md").read_text()
    frame = pd.read_csv(folder / f"tables/{name}.csv")
    assert dict(zip(frame["learned from"], frame["images"], strict=True))["birds"] == 10
    assert "street-views" in (folder / f"tables/{name}.tex").read_text()


def test_a_name_that_several_have_is_refused(weights):
    with pytest.raises(RobobenchError) as refused:
        robobench.run("afd@jpeg#10", "jpeg", limit=2)
    assert str(refused.value) == (
        "afd@jpeg_compression#10 is any of 2 trainings: name one, "
        "afd@jpeg_compression#10-birds or afd@jpeg_compression#10-street-views"
    )


def test_an_unknown_source_gets_the_nearest_and_the_command(weights):
    with pytest.raises(RobobenchError) as missing:
        robobench.run("afd@jpeg#bird", "jpeg", limit=2)
    assert "did you mean 'afd@jpeg_compression#10-birds'" in str(missing.value)
    assert "--images DIR/bird --trained-on jpeg_compression`" in str(missing.value)
    with pytest.raises(RobobenchError, match=r"belongs to its data set.*not 'birds'"):
        robobench.run("jpg#birds", "jpeg", limit=2)


def test_missing_modules_learn_from_the_images_that_the_tag_names(weights, tmp_path, monkeypatch):
    asked = []

    def train_one(request, name, trained_on, **_):
        asked.append((request.images, request.limit, request.recipe))
        raise RobobenchError("stop")

    monkeypatch.setattr("robobench.training.trainer.train_one", train_one)
    folder = tmp_path / "tiles"
    settings = {"corruptions": "jpeg", "limit": 2, "train_missing": True}
    with pytest.raises(RobobenchError, match="stop"):
        robobench.run("afd@jpeg#7-tiles-paper", images=str(folder), **settings)
    assert asked == [(str(folder), 7, "paper")]
    with pytest.raises(RobobenchError, match="--train-missing would train on tiles"):
        robobench.run("afd@jpeg#7-roofs", images=str(folder), **settings)
    with pytest.raises(RobobenchError, match="--train-missing would train on tiles"):
        robobench.run("afd@jpeg#abcdef", images=str(folder), **settings)
    assert len(asked) == 1


def test_stored_trainings_are_listed_by_the_name_that_run_takes(weights, capsys):
    assert _exit_code(["list", "weights", "--backbone", "vgg-tiny"]) == 0
    told = dict(
        line.split(maxsplit=1)
        for line in capsys.readouterr().out.splitlines()
        if not line.startswith(" ")
    )
    assert told[f"afd@{TRAINED_ON}#10-street-views"].startswith("vgg-tiny ")
    assert f"afd@{TRAINED_ON}#shapes10" in told
    assert _exit_code(["list", "weights", "--backbone", "vgg-tyni"]) == 2
    assert "there are some for resnet-56, vgg-tiny" in capsys.readouterr().err
    assert _exit_code(["list", "weights", "--weights", str(Path("w.pt"))]) == 2
    assert "--backbone" in capsys.readouterr().err
