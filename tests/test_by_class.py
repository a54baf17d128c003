"""Ranks, each class's accuracy and confusion, against other libraries and over whole runs."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from robobench import load, run
from robobench.analysis.by_class import class_accuracies, confusions, counted_together
from robobench.analysis.metrics import metric_value, top5
from robobench.cli import cli
from robobench.errors import RobobenchError
from robobench.evaluation.column import judge
from robobench.registry import METRICS
from robobench.results.manifest import write_manifest
from robobench.results.store import Store, file_checksum
from robobench.types import Predictions


class _Method:
    backbone = SimpleNamespace(num_classes=12)


def judged(probabilities, labels, classes=12):
    """Predictions as a run stores them."""
    method = _Method()
    method.backbone.num_classes = classes
    part = judge(method, probabilities, labels, {}, logits=True)
    return Predictions(np.arange(len(labels)), labels.numpy(), **part)


@pytest.fixture
def some():
    generator = torch.Generator().manual_seed(3)
    probabilities = torch.randn(500, 12, generator=generator).softmax(1)
    return probabilities, torch.randint(12, (500,), generator=generator)


def test_top5_is_that_of_torchmetrics(some):
    classification = pytest.importorskip("torchmetrics.functional.classification")
    probabilities, labels = some
    ours = metric_value(top5, judged(probabilities, labels))
    theirs = classification.multiclass_accuracy(
        probabilities, labels, num_classes=12, top_k=5, average="micro"
    )
    assert ours[0] == pytest.approx(float(theirs))
    assert ours[1] < ours[0] < ours[2]


def test_each_class_and_confusion_are_those_of_scikit_learn(some):
    metrics = pytest.importorskip("sklearn.metrics")
    found = judged(*some)
    counts = counted_together([found])
    expected = metrics.confusion_matrix(found.label, found.predicted)
    np.testing.assert_array_equal(counts.to_numpy(), expected)
    recall = metrics.recall_score(found.label, found.predicted, average=None)
    accuracies = class_accuracies(counts)
    np.testing.assert_allclose(accuracies["accuracy"], recall)
    worst = metric_value(METRICS["worst_class_accuracy"], found)
    assert worst[0] == pytest.approx(recall.min())
    assert accuracies["images"].tolist() == np.bincount(found.label).tolist()


def test_second_class_and_logits_are_those_of_the_probabilities(some):
    probabilities, labels = some
    found = judged(probabilities, labels)
    two = probabilities.topk(2)
    np.testing.assert_array_equal(found.second, two.indices[:, 1])
    np.testing.assert_array_equal(found.second_probability, two.values[:, 1])
    again = torch.from_numpy(found.logits.astype(np.float32)).softmax(1)
    torch.testing.assert_close(again, probabilities, atol=2e-3, rtol=0)
    order = probabilities.argsort(dim=1, descending=True)
    np.testing.assert_array_equal(found.true_rank, (order == labels[:, None]).int().argmax(1) + 1)


def test_ties_invalid_rows_and_a_single_class_are_told():
    rows = torch.tensor([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [torch.nan, 0.5, 0.5], [1.0, 0.0, 0.0]])
    found = judged(rows, torch.tensor([0, 1, 1, 2]), 3)
    assert found.predicted.tolist() == [0, 0, -1, 0]
    assert found.true_rank.tolist() == [1, 2, 0, 3]
    assert found.second.tolist() == [1, 1, -1, 1]
    assert np.isnan(found.second_probability[2])
    assert np.isnan(found.logits[2].astype(float)).all()
    assert np.isfinite(found.logits[3].astype(float)).all()
    assert metric_value(top5, found)[0] == 0.75
    counts = counted_together([found, found])
    assert counts.loc[1, -1] == 2
    assert counts.to_numpy().sum() == 8
    names = ("cat", "dog")
    assert class_accuracies(counts, names)["name"].tolist() == ["cat", "dog", "2"]
    assert {"cat", "dog", "2", "(none)"} >= set(confusions(counts, names)["predicted"])
    alone = judged(torch.ones(2, 1), torch.zeros(2, dtype=torch.int64), 1)
    assert alone.second.tolist() == [-1, -1]
    assert alone.true_rank.tolist() == [1, 1]
    with pytest.raises(RobobenchError, match="no cell was chosen"):
        counted_together([])


def evaluated(folder, **settings):
    return run("org", "contrast", severities="4", out=folder, **{"limit": 100, **settings})


def test_logits_are_kept_on_demand_and_the_same_run_gives_the_same_bytes(tmp_path):
    plain = evaluated(tmp_path / "plain")
    kept = evaluated(tmp_path / "kept", keep="logits")
    again = evaluated(tmp_path / "again", keep="logits", limit=70)
    again = evaluated(tmp_path / "again", keep="logits")
    later = evaluated(tmp_path / "plain2")
    later = evaluated(tmp_path / "plain2", keep="logits")
    for cell in plain.cells:
        assert plain.predictions(cell).logits is None
        found = kept.predictions(cell)
        assert found.logits.shape == (100, 10)
        assert found.logits.dtype == np.float16
        np.testing.assert_array_equal(found.logits.argmax(1), found.predicted)
        bytes_ = kept.store.path(cell).read_bytes()
        assert again.store.path(cell).read_bytes() == bytes_
        assert later.store.path(cell).read_bytes() == bytes_
    assert CliRunner().invoke(cli, ["verify", str(kept.folder)]).exit_code == 0
    with pytest.raises(RobobenchError, match="100 images without logits"):
        evaluated(tmp_path / "plain", keep="logits", limit=50)
    with pytest.raises(RobobenchError, match="--keep: expected logits"):
        evaluated(tmp_path / "wrong", keep="logit")


def without_ranks(done):
    """Rewrite a run's cells as an earlier version stored them."""
    for cell in done.cells:
        found = done.predictions(cell)
        found.true_rank = found.second = found.second_probability = None
        path = Store(done.folder).put(cell, found)
        for session in done.manifest["sessions"]:
            session["made"][cell.digest[:16]] = file_checksum(path)
    write_manifest(done.folder, done.manifest)


def test_cells_of_earlier_versions_read_and_say_what_they_lack(tmp_path):
    done = evaluated(tmp_path / "run")
    expected = done.store.path(done.cells[0]).read_bytes()
    without_ranks(done)
    old = evaluated(tmp_path / "run")
    rows = old.frame[old.frame["metric"] == "top5"]
    assert rows["value"].isna().all()
    assert any("their top5 is blank" in note for note in old.manifest["notes"])
    assert old.predictions(old.cells[0]).true_rank is None
    evaluated(tmp_path / "less", limit=70)
    without_ranks(load(tmp_path / "less"))
    longer = evaluated(tmp_path / "less")  # all of it is made as it is made now
    assert longer.store.path(longer.cells[0]).read_bytes() == expected
    assert longer.frame.loc[longer.frame["metric"] == "top5", "value"].notna().all()


def test_a_run_tells_each_class(tmp_path):
    done = evaluated(tmp_path / "run")
    cell = next(c for c in done.cells if not c.degradation.is_clean)
    found = done.predictions(cell)
    accuracies = done.class_accuracies(cell)
    assert accuracies["name"].tolist() == list(done.class_names)
    assert (accuracies["accuracy"] * accuracies["images"]).sum() == found.correct.sum()
    assert done.confusion(done.cells).to_numpy().sum() == 200
    runner, files = CliRunner(), [str(tmp_path / "accuracies.csv"), str(tmp_path / "confusion.csv")]
    options = ["--corruption", "contrast", "--csv", files[0], "--confusion", files[1]]
    told = runner.invoke(cli, ["classes", str(done.folder), *options])
    assert told.exit_code == 0, told.output
    worst = accuracies.loc[accuracies["accuracy"].idxmin(), "name"]
    assert told.output.splitlines()[3].startswith(worst)
    pd.testing.assert_frame_equal(pd.read_csv(files[0]), accuracies, rtol=1e-5, check_dtype=False)
    assert pd.read_csv(files[1], index_col=0).to_numpy().sum() == 100
    for wrong, message in (
        (["--corruption", "contrasd"], "did you mean 'contrast'"),
        (["--method", "orgg"], "Known: org@clean"),
        (["--backbone", "vgg"], "classifier of this run"),
        (["--level", "99"], "--level: expected one of"),
    ):
        refused = runner.invoke(cli, ["classes", str(done.folder), *wrong])
        assert isinstance(refused.exception, RobobenchError)
        assert message in str(refused.exception)
