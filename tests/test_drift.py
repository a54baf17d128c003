"""Drift of features: what ``run --drift`` measures, and the sections on drift and transfer."""

import pandas as pd
import pytest
import torch

import robobench
from robobench.cli import _exit_code
from robobench.corruptions import apply, catalogue
from robobench.datasets import open_dataset
from robobench.registry import METHODS
from robobench.reports.builder import FORMATS, build, compose
from robobench.reports.sections.drift import drift as drift_section
from robobench.reports.sections.transfer import transfer
from robobench.results.manifest import DRIFT
from robobench.types import Context
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone

RUN = (
    "run --methods afd,dedrift --corruptions jpeg,gaussian_noise --severities 2,5 --limit 30 "
    "--no-report --drift --out {out}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("drift") / "run"
    assert _exit_code(RUN.format(out=out).split()) == 0
    return out


def test_it_is_the_squared_distance_as_a_share_of_the_variance(folder):
    table = pd.read_csv(folder / DRIFT)
    run = robobench.load(folder)
    backbone = load_backbone("vgg-tiny", dataset="shapes10")
    dataset = open_dataset("shapes10")
    clean = dataset.read(_order(run), backbone.geometry)
    degradation = catalogue.at_severity("jpeg_compression", 5, dataset.profile)
    degraded = apply(clean, degradation, torch.from_numpy(_order(run)), 0)
    (card,) = [
        path
        for path in storage.find(
            "afd", dataset="shapes10", backbone_name=backbone.name, backbone=backbone,
            train_seed=0,
        )
        if "afd-common" in path.name
    ]  # fmt: skip
    method = METHODS["afd"](backbone, storage.load(card))
    with torch.no_grad():
        repaired = method.features(degraded, Context())
        own, before = backbone.stem(clean), backbone.stem(degraded)
        last = backbone.stages(own)[0][-1]
    mine = table[(table["method"] == "afd") & (table["corruption"] == "jpeg_compression")]
    mine = mine[mine["severity"] == 5].set_index("layer")
    scale = own.var(correction=0)
    for column, features in (("drift", repaired[0]), ("untreated", before)):
        wanted = float((features - own).square().mean() / scale)
        assert mine.loc["stem", column] == pytest.approx(wanted, rel=1e-3)
    wanted = float((repaired[-1] - last).square().mean() / last.var(correction=0))
    assert mine["drift"].iloc[-1] == pytest.approx(wanted, rel=1e-3)


def _order(run):
    cell = next(c for c in run.cells if c.corruption == "clean")
    return run.predictions(cell).index


def test_clean_images_do_not_drift_and_modules_take_drift_back(folder):
    table = pd.read_csv(folder / DRIFT)
    clean = table["corruption"] == "clean"
    assert (table.loc[clean, "untreated"] == 0).all()
    bad = table[~clean & (table["severity"] == 5)]
    assert (
        bad.groupby("method")["drift"].sum() < 0.8 * bad.groupby("method")["untreated"].sum()
    ).all()
    gated = table[clean & (table["method"] == "dedrift")]
    assert gated["drift"].max() < table.loc[clean & (table["method"] == "afd"), "drift"].max()


def test_the_report_shows_it_and_leaves_out_what_is_of_other_weights(folder, tmp_path):
    run = robobench.load(folder)
    tables = {b.name: b.frame for b in drift_section(run) if hasattr(b, "frame")}
    table = pd.read_csv(folder / DRIFT)
    bad = table[(table["method"] == "afd") & (table["corruption"] != "clean")]
    stem = bad[bad["layer"] == "stem"]
    shown = tables["drift-layers"].loc["afd", "stem"].value
    assert shown == pytest.approx(stem["drift"].sum() / stem["untreated"].sum())
    assert list(tables["drift-corruptions"].columns) == ["gaussian_noise", "jpeg_compression"]
    renders(run, "drift", tmp_path)
    kept = (folder / DRIFT).read_bytes()
    try:
        table.assign(weights="0" * 64).to_csv(folder / DRIFT, index=False)
        assert drift_section(robobench.load(folder)) == []
        elsewhere = table["backbone"].mask(table["method"] == "dedrift", "another")
        table.assign(backbone=elsewhere).to_csv(folder / DRIFT, index=False)
        here = [b.frame for b in drift_section(robobench.load(folder)) if hasattr(b, "frame")]
        assert all(list(frame.index) == ["afd"] for frame in here)
        assert len(here) == 2
    finally:
        (folder / DRIFT).write_bytes(kept)


@pytest.mark.slow
def test_the_same_bytes_again(folder, tmp_path):
    assert _exit_code(RUN.format(out=tmp_path / "again").split()) == 0
    assert (tmp_path / "again" / DRIFT).read_bytes() == (folder / DRIFT).read_bytes()


def test_without_a_repair_there_is_nothing_to_measure(tmp_path, capsys):
    command = f"run --methods median --corruptions jpeg --limit 10 --drift --out {tmp_path / 'run'}"
    assert _exit_code(command.split()) == 2
    assert "expected a method that repairs features" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_transfer_has_a_row_for_each_training_of_a_method(tmp_path):
    run = robobench.run(
        "afd@jpeg,afd@noise,ddp", "jpeg,shot_noise", limit=50, severities="5", out=tmp_path / "run"
    )
    (table,) = transfer(run)
    assert table.name == "transfer-afd"
    assert list(table.frame.index) == ["jpeg_compression", "noise"]
    summary = run.summary()
    wanted = summary[(summary["method"] == "afd") & (summary["trained_on"] == "noise")]
    wanted = wanted.set_index("corruption")["recovered"]
    assert table.frame.loc["noise", "shot_noise"].value == pytest.approx(wanted["shot_noise"])
    assert list(table.frame["seen"]) == ["1 of 2", "1 of 2"]
    renders(run, "transfer", tmp_path / "report")


def renders(run, section, folder):
    """A section must be there in every format."""
    build(run, folder, FORMATS, [section])
    title = compose([run], [section]).parts[0].title
    for file in ("index.html", "report.tex"):
        assert title in (folder / file).read_text()
    assert "| --- |" in (folder / "report.md").read_text()
