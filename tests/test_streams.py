"""Methods that adapt see one condition after the other, in an order and in batches of their own."""

import json

import numpy as np
import pytest
import torch
from normed_network import measured_norm
from torch import nn

import robobench
from robobench.cli import main
from robobench.datasets.arrays import ArrayDataset
from robobench.datasets.order import arrival_order
from robobench.errors import CellsFailed, RobobenchError

METHODS = "bn-adapt,tent,eata,sar,roid"


class NormedNet(nn.Module):
    """Tells the classes of the toy images by their colour, behind batch normalisation."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.first = measured_norm(4)
        self.head = nn.Linear(4, 3)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for p in self.parameters():
                p.add_(torch.randn(p.shape, generator=generator) * 0.1)

    def forward(self, x):
        return self.head(self.first(self.conv(x)).relu().mean((2, 3)))


@pytest.fixture
def normed(toy):
    torch.manual_seed(0)
    return {**toy, "backbone": NormedNet()}


@pytest.fixture
def only_evaluated(monkeypatch):
    """Methods get no other images than those of the evaluation."""
    monkeypatch.setattr("robobench.evaluation.timing.time_methods", lambda *_: [])
    monkeypatch.setattr(robobench.Method, "cost", lambda self: self.backbone.cost())


@pytest.fixture
def watcher(registered):
    """Adapts to nothing, and notes what it is given."""
    seen = []

    @robobench.method("watcher")
    class Watcher(robobench.Method):
        adapts = True

        @classmethod
        def batch_size(cls, side):
            return 70

        def begin(self, clean):
            seen.append(("begin", tuple(clean(5).shape)))

        def predict(self, images, context):
            seen.append(("batch", context.indices.tolist()))
            return self.backbone(images)

    return seen


def cells(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "cells").glob("*.npz"))}


def test_images_arrive_shuffled_or_class_by_class():
    labels = np.arange(60) % 3
    some = np.arange(0, 60, 2)
    shuffled = arrival_order(some, labels, "iid")
    assert sorted(shuffled) == sorted(some)
    assert len(set(labels[shuffled[:10]])) == 3
    by_class = arrival_order(some, labels, "by-class")
    assert sorted(by_class) == sorted(some)
    assert labels[by_class].tolist() == sorted(labels[some])
    assert by_class[:10].tolist() == [i for i in shuffled if labels[i] == 0]
    assert arrival_order(some[::-1], labels, "iid").tolist() == shuffled.tolist()
    whole = arrival_order(np.arange(60), labels, "iid")
    assert [i for i in whole if i in some] == shuffled.tolist()
    with pytest.raises(ValueError, match="'iid' or 'by-class' is expected"):
        arrival_order(some, labels, "sorted")


def test_a_method_that_adapts_gets_whole_conditions_in_its_own_batches(
    tmp_path, toy, watcher, only_evaluated
):
    settings = {"methods": "watcher,org", "corruptions": "jpeg,shot_noise", "severities": "1-2"}
    run = robobench.run(out=tmp_path, limit=300, batch_size=1, **settings, **toy)
    conditions = [i for i, (what, _) in enumerate(watcher) if what == "begin"]
    assert len(conditions) == 5  # clean, and two corruptions at two severities
    assert all(watcher[i][1] == (5, 3, 16, 16) for i in conditions)
    first = watcher[: conditions[1]]
    assert [len(indices) for what, indices in first if what == "batch"] == [70, 70, 70, 70, 20]
    assert all(watcher[i + 1 : i + 6] == first[1:] for i in conditions)
    plain, watched = (
        {c.degradation: run.predictions(c) for c in run.store.cells() if c.method == name}
        for name in ("org", "watcher")
    )
    for degradation, predictions in watched.items():  # each answer is filed with its image
        assert np.array_equal(predictions.index, plain[degradation].index)
        np.testing.assert_allclose(
            predictions.true_probability, plain[degradation].true_probability, atol=1e-5
        )


def test_the_same_bytes_whatever_the_batch_size_the_order_or_the_methods(tmp_path, normed):
    settings = {"corruptions": "shot_noise,jpeg", "severities": "1,5", "limit": 450, **normed}
    robobench.run(methods=METHODS, out=tmp_path / "a", **settings)
    robobench.run(methods="roid,eata", batch_size=33, out=tmp_path / "b", **settings)
    robobench.run(methods=METHODS, batch_size=600, workers=2, out=tmp_path / "b", **settings)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")


@pytest.mark.parametrize("stream", ["iid", "by-class"])
def test_a_raised_limit_gives_what_the_whole_would_have(tmp_path, normed, stream):
    settings = {"methods": "tent", "corruptions": "shot_noise", "severities": "3", "stream": stream}
    robobench.run(limit=300, out=tmp_path / "a", **settings, **normed)
    robobench.run(out=tmp_path / "a", **settings, **normed)
    robobench.run(out=tmp_path / "b", **settings, **normed)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")


def test_an_interrupted_run_begins_the_condition_anew(
    tmp_path, normed, monkeypatch, only_evaluated
):
    from robobench.methods.tent import Tent

    settings = {"methods": "tent", "corruptions": "shot_noise", "severities": "1-3", **normed}
    whole, calls = Tent.adapt, []

    def stopping(self, images, context):
        calls.append(1)
        if len(calls) == 8:  # in the third of four conditions of three batches
            raise KeyboardInterrupt
        return whole(self, images, context)

    monkeypatch.setattr(Tent, "adapt", stopping)
    with pytest.raises(KeyboardInterrupt):
        robobench.run(out=tmp_path / "a", **settings)
    robobench.run(out=tmp_path / "a", **settings)
    assert len(calls) == 8 + 6
    monkeypatch.setattr(Tent, "adapt", whole)
    robobench.run(out=tmp_path / "b", **settings)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")


def test_order_and_way_of_adapting_are_part_of_the_identity(tmp_path, normed):
    settings = {"corruptions": "shot_noise", "severities": "3", "out": tmp_path, **normed}
    robobench.run(methods="tent,median", **settings)
    run = robobench.run(
        methods="tent,tent:batch=32", stream="by-class", adapt="episodic", **settings
    )
    entries = {m["method"]: m for m in run.manifest["methods"]}
    names = ["tent:by-class+episodic", "tent:by-class+episodic+batch=32"]
    assert set(entries) == {"org", "tent", "median", *names}
    assert [(entries[n]["stream"], entries[n]["batch_size"]) for n in ("tent", *names)] == [
        ("iid", 200),
        ("by-class", 200),
        ("by-class", 32),
    ]
    assert "stream" not in entries["median"]
    assert run.manifest["configuration"]["stream"] == "by-class"
    assert {c.method for c in run.store.cells()} == set(entries)
    assert any("32 at a time, which came sorted by class" in n for n in run.manifest["notes"])
    assert any("episodic method starts anew" in n for n in run.manifest["notes"])
    text = (tmp_path / "manifest.json").read_text()
    assert json.loads(text)["methods"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"methods": "median", "stream": "iid"},
            "--stream iid: none of the methods org, median adapts",
        ),
        ({"methods": "median", "adapt": "episodic"}, "--adapt episodic: none of the methods"),
        (
            {"methods": "tent", "stream": "sorted"},
            "--stream: expected iid or by-class, got 'sorted'",
        ),
        ({"methods": "tent", "adapt": "daily"}, "--adapt: expected continual or episodic"),
        ({"methods": "tent:iid", "stream": "by-class"}, "two settings of one kind"),
        ({"methods": "tent@jpeg"}, "tent is trained on nothing; leave @jpeg out"),
    ],
)
def test_impossible_options_are_refused_before_any_work(tmp_path, normed, settings, said):
    with pytest.raises(RobobenchError, match=said):
        robobench.run(corruptions="jpeg", out=tmp_path / "run", **settings, **normed)
    assert not (tmp_path / "run").exists()


def test_a_network_without_normalisation_is_refused_before_any_work(tmp_path, toy):
    with pytest.raises(RobobenchError, match="sar: backbone ToyNet has no normalisation layer"):
        robobench.run(methods="sar", corruptions="jpeg", out=tmp_path / "run", **toy)
    assert not (tmp_path / "run").exists()


def test_without_clean_images_only_the_cells_that_need_them_fail(tmp_path, normed, monkeypatch):
    images, labels = normed.pop("dataset")
    monkeypatch.setattr(ArrayDataset, "at", lambda self, *wanted: self, raising=False)
    monkeypatch.setattr(ArrayDataset, "clean", lambda self: None, raising=False)
    every = [("jpeg_compression", s) for s in range(1, 6)]
    monkeypatch.setattr(ArrayDataset, "available", lambda self: every, raising=False)
    settings = {"corruptions": "jpeg", "severities": "1", "dataset": (images, labels), **normed}
    with pytest.raises(
        CellsFailed, match=r"1 cell failed .*eata .*undegraded images, which memory"
    ):
        robobench.run(methods="tent,eata", out=tmp_path, **settings)
    assert len(cells(tmp_path)) == 2


def test_a_dry_run_of_a_method_that_adapts(tmp_path, capsys):
    arguments = ["--methods", "tent,eata", "--corruptions", "jpeg:10", "--limit", "50", "--dry-run"]
    out = ["--out", str(tmp_path / "run"), "--stream", "by-class"]
    with pytest.raises(SystemExit) as end:
        main(["run", *arguments, *out])
    assert end.value.code == 0
    assert "tent:by-class on jpeg_compression 10: 50 images" in capsys.readouterr().out
    assert not (tmp_path / "run" / "cells").exists()
