"""A cell is what it says: whatever changes a number changes the cell, and no row gets lost."""

import copy
import json
import sys

import pandas as pd
import pytest
import torch

import robobench
from robobench.cli import _exit_code
from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.registry import CORRUPTIONS, METHODS
from robobench.registry.versions import version_of

PLUGIN = """
import robobench

@robobench.method("shifted"{options})
class Shifted(robobench.Method):
    "The classifier on images that are a little brighter."

    def predict(self, images, context):
        return self.backbone((images.int() + {shift}).clamp(0, 255).to(images.dtype))
"""


def stored(folder):
    return {path.name for path in (folder / "cells").glob("*.npz")}


def rows(folder):
    table = pd.read_csv(folder / "results.csv", keep_default_na=False)
    accuracy = table[table["metric"] == "accuracy"]
    keys = zip(
        accuracy["backbone"],
        accuracy["method"],
        accuracy["trained_on"],
        accuracy["corruption"],
        strict=True,
    )
    return set(keys)


def robobench_run(*arguments):
    assert _exit_code(["run", "--no-report", "--limit", "20", *map(str, arguments)]) == 0


def test_another_normalisation_makes_other_cells(tmp_path, toy):
    first = robobench.run("org", "jpeg:10", out=tmp_path / "first", **toy)
    other = toy | {"mean": (0.2, 0.2, 0.2)}
    again = robobench.run("org", "jpeg:10", out=tmp_path / "again", **other)
    names = [stored(tmp_path / run) for run in ("first", "again")]
    assert len(names[0]) == len(names[1])
    assert names[0].isdisjoint(names[1])
    assert {c.normalisation for c in again.cells}.isdisjoint(c.normalisation for c in first.cells)


def test_an_edited_plugin_makes_other_cells(tmp_path, monkeypatch, registered, capsys):
    file, out = tmp_path / "shifted.py", tmp_path / "run"
    values = []
    for shift in (0, 60):
        file.write_text(PLUGIN.format(options="", shift=shift))
        for name in [n for n in sys.modules if n.startswith("robobench_plugin_")]:
            del sys.modules[name]  # as in a new process
        METHODS._entries.pop("shifted", None)
        robobench_run(
            "--plugin", file, "--methods", "shifted", "--corruptions", "jpeg:10", "--out", out
        )
        frame = robobench.load(out).frame
        mine = frame[(frame["method"] == "shifted") & (frame["metric"] == "mean_confidence")]
        values.append(tuple(mine["value"]))
        assert len(mine) == 2
    assert values[0] != values[1]


def test_a_declared_version_stands_for_the_source(tmp_path, registered):
    file = tmp_path / "shifted.py"
    file.write_text(PLUGIN.format(options=", version=3", shift=1))
    robobench.registry.load_plugin_file(file)
    assert version_of(METHODS.entry("shifted")) == "3"
    assert version_of(METHODS.entry("org")) == "1"
    assert version_of(CORRUPTIONS.entry("fog")) == "1"


def test_a_definition_without_a_file_is_known_by_its_code(registered):
    versions = []
    for number in (1, 2, 1):
        space = {"robobench": robobench, "__name__": "notebook"}
        exec(  # noqa: S102 - what a notebook does
            "@robobench.corruption(f'typed')\n"
            f"def typed(images, level, keys):\n    return images + {number}\n",
            space,
        )
        versions.append(version_of(CORRUPTIONS.entry("typed")))
        CORRUPTIONS._entries.pop("typed")
    assert versions[0] == versions[2] != versions[1]


def test_versions_of_mixtures_and_of_saved_images_have_all_parts():
    mixed = catalogue.at_severity("gaussian_noise+jpeg", 1, "cifar-c")
    assert catalogue.version_of(mixed) == "1+1"
    assert catalogue.version_of(catalogue.at_severity("fog", 1, "cifar-c+jpeg85")) == "1+1"
    assert catalogue.version_of(catalogue.at_severity("clean", 1, "cifar-c")) == ""


def test_a_continued_folder_keeps_the_rows_of_another_classifier(tmp_path):
    weights = tmp_path / "other.safetensors"
    from safetensors.torch import save_file

    from robobench.backbones.own import own_network

    torch.manual_seed(0)
    save_file(own_network("vgg-small", 10).state_dict(), weights)
    out = tmp_path / "run"
    robobench_run("--corruptions", "jpeg:10", "--out", out)
    before = rows(out)
    robobench_run(
        "--backbone", "vgg-small", "--weights", weights, "--corruptions", "jpeg:10", "--out", out
    )
    assert before < rows(out)
    assert {backbone for backbone, *_ in rows(out)} == {"vgg-tiny", "vgg-small"}


def test_a_continued_folder_keeps_the_rows_of_other_corruptions(tmp_path):
    out = tmp_path / "run"
    robobench_run(
        "--methods", "afd@matched", "--corruptions", "jpeg:10,gaussian_noise:20", "--out", out
    )
    before = rows(out)
    assert len(before) == 6
    robobench_run("--methods", "afd@matched", "--corruptions", "jpeg:10", "--out", out)
    assert rows(out) == before
    assert _exit_code(["verify", str(out)]) == 0


def test_a_continued_folder_tells_only_the_trainings_of_its_cells(tmp_path):
    """Weights that replaced others leave no trace of them."""
    from robobench.weights import storage

    (shipped,) = (
        path
        for path, card in storage.cards()
        if (card.method, card.dataset, card.trained_on) == ("afd", "shapes10", "common")
    )
    card, tensors = storage.read_card(shipped), storage.load(shipped).tensors
    out, digests = tmp_path / "run", []

    def run_with_other_weights():
        changed = {name: tensor * (1 + 0.01 * len(digests)) for name, tensor in tensors.items()}
        digests.append(storage.read_card(storage.save(card, changed)).digest)
        robobench_run("--methods", "afd@common", "--corruptions", "jpeg:10", "--out", out)
        manifest = json.loads((out / "manifest.json").read_text())
        (told,) = (m["cards"] for m in manifest["methods"] if m["method"] == "afd")
        return [one["digest"] for one in told]

    assert run_with_other_weights() == [digests[0]]
    assert run_with_other_weights() == [digests[1]]


def test_an_untrained_method_has_a_row_for_each_training_of_the_classifier(tmp_path, capsys):
    from dataclasses import replace

    from robobench.reports.sections.severity import severity
    from robobench.weights import storage
    from robobench.weights.classifiers import own_classifier_card

    shipped = own_classifier_card("vgg-tiny", "shapes10", 0)
    card, tensors = storage.read_card(shipped), storage.load(shipped).tensors
    changed = {name: tensor * 1.01 for name, tensor in tensors.items()}
    storage.save(replace(card, train_seed=1), changed)
    place, file = tmp_path / "run", storage.read_card(shipped).file
    options = "--methods", "median", "--corruptions", "jpeg", "--train-seeds", "0-1", "--out"
    robobench_run(*options, place)
    assert capsys.readouterr().out.count("median: no weights but the classifier's") == 1
    run = robobench.load(place)
    seeds = [c.train_seed for c in run.cells if (c.method, c.corruption) == ("median", "clean")]
    assert sorted(seeds) == [0, 1]

    def caption(run):
        return next(b.caption for b in severity(run) if b.name.startswith("severity"))

    assert "several seeds are averaged" in caption(run)
    robobench_run("--weights", shipped.with_name(file), *options, tmp_path / "one")
    assert "several seeds" not in caption(robobench.load(tmp_path / "one"))


def test_each_cell_knows_its_environment(tmp_path, toy, monkeypatch):
    robobench.run("org", "jpeg:10", out=tmp_path, **toy)
    real = robobench.evaluation.description.versions
    monkeypatch.setattr(
        "robobench.evaluation.description.versions", lambda: {**real(), "torch": "99"}
    )
    run = robobench.run("org", "jpeg:10,jpeg:20", out=tmp_path, **toy)
    made_with = {c.level: run.environment(c)["versions"]["torch"] for c in run.cells}
    now = real()["torch"]
    assert made_with == {0.0: now, 10.0: now, 20.0: "99"}


def test_the_callers_model_stays_as_it_was(tmp_path, toy):
    model = toy["backbone"]
    model.train()
    before = copy.deepcopy(model.state_dict())
    robobench.run("org", "jpeg:10", out=tmp_path, **toy)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_org_takes_the_weights_of_org_alone(tmp_path, monkeypatch):
    from robobench.backbones.own import own_network
    from robobench.types import Card
    from robobench.weights import storage
    from robobench.weights.classifiers import own_classifier_card

    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(tmp_path))
    card = Card(
        method="an-imitation",
        belongs_to="classifier",
        dataset="shapes10",
        backbone="vgg-tiny",
        backbone_digest="",
        trained_on="clean",
        train_seed=0,
        digest="",
        file="",
        command="",
        recipe={},
        images="",
        accuracy={},
        parameters=0,
        minutes=0,
        versions={},
        class_names=tuple("abcdefghij"),
    )
    storage.save(card, own_network("vgg-tiny", 10).state_dict())
    found = storage.read_card(own_classifier_card("vgg-tiny", "shapes10", 0))
    assert found.method == "org"


def test_oracles_of_the_reference_engine_are_told_the_native_level():
    degradation = catalogue.at_severity("jpeg_compression", 2, "imagecorruptions")
    assert degradation.level == 2
    assert catalogue.native_level(degradation) == 18
    assert catalogue.native_level(catalogue.at_level("jpeg_compression", 30)) == 30
    assert catalogue.native_level(catalogue.at_severity("fog", 3, "imagecorruptions")) == 3


def test_a_folder_of_an_older_format_is_refused_in_words(tmp_path, toy):
    robobench.run("org", "jpeg:10", out=tmp_path, **toy)
    manifest = tmp_path / "manifest.json"
    old = json.loads(manifest.read_text()) | {"format": 1}
    del old["checksum"]  # there was none
    manifest.write_text(json.dumps(old))
    with pytest.raises(RobobenchError, match="has format 1, but this version reads 2"):
        robobench.load(tmp_path)


def test_an_estimate_counts_shared_work_once(tmp_path, monkeypatch):
    """Degrading and the stem are shared by the methods of a condition."""
    from robobench.evaluation import dry_run
    from robobench.evaluation.configuration import Configuration
    from robobench.evaluation.plan import prepare

    def told(methods):
        settings = Configuration(
            methods=methods, corruptions="jpeg:10", limit=64, out=str(tmp_path / "run")
        )
        return dry_run.estimate(prepare(settings)).seconds

    monkeypatch.setattr(dry_run, "_timed", lambda work: 0.064)  # 1 ms an image
    monkeypatch.setattr(dry_run, "_DEGRADING", 1.0)
    one, two = told("org"), told("org,afd@jpeg")
    own, stem, degraded = 2 * 64 * 1e-3, 2 * 64 * 1e-3, 64.0  # two conditions, one of them clean
    assert one == pytest.approx(own + stem + degraded, rel=0.01)
    assert two == pytest.approx(2 * own + stem + degraded, rel=0.01)


def test_processors_are_counted_where_affinity_is_unknown(monkeypatch):
    import os

    from robobench.environment import usable_processors

    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_processors() == os.cpu_count()
