"""A run: the same bytes whatever the order, the batch size or the interruptions."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import robobench
from robobench.datasets.arrays import ArrayDataset
from robobench.errors import CellsFailed, RobobenchError
from robobench.evaluation import runner
from robobench.evaluation.chunks import chunk_size
from robobench.evaluation.images import ImageSource


@pytest.fixture
def mirror(registered):
    @robobench.method("mirror")
    class Mirror(robobench.Method):
        """Mean over an image and its mirror image."""

        def predict(self, images, context):
            return (self.backbone(images) + self.backbone(images.flip(-1))) / 2

    return Mirror


def cells(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "cells").glob("*.npz"))}


def test_a_run_writes_what_is_promised(tmp_path, toy, mirror):
    run = robobench.run(methods="mirror", corruptions="jpeg,gaussian_noise", out=tmp_path, **toy)
    assert len(cells(tmp_path)) == 2 * (1 + 5 + 5)
    frame = pd.read_parquet(tmp_path / "results.parquet")
    columns = "dataset split method backbone trained_on train_seed corruption severity level seed n"
    assert list(frame.columns) == [*columns.split(), "metric", "value", "ci_low", "ci_high"]
    accuracy = frame[frame.metric == "accuracy"]
    assert len(accuracy) == 22
    assert (accuracy.n == 600).all()
    clean = run.store.cells()[0]
    rows = accuracy[(accuracy.corruption == "clean") & (accuracy.method == clean.method)]
    assert rows.value.item() == pytest.approx(run.predictions(clean).correct.mean())
    assert len(pd.read_csv(tmp_path / "results.csv")) == len(frame)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["dataset"]["count"] == 600
    assert {m["label"] for m in manifest["methods"]} == {"org", "mirror"}
    assert manifest["versions"]["libjpeg_turbo"]
    assert all((tmp_path / s["file"]).is_file() for s in manifest["samples"])


def test_the_same_run_is_the_same_bytes(tmp_path, toy, mirror):
    settings = {"corruptions": "jpeg,shot_noise", "severities": "1,5", **toy}
    robobench.run(methods="org,mirror", out=tmp_path / "a", **settings)
    robobench.run(methods="mirror,org", batch_size=1, workers=3, out=tmp_path / "b", **settings)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")


def test_a_stored_cell_is_not_computed_again(tmp_path, toy, registered):
    calls = []

    @robobench.method("counting")
    class Counting(robobench.Method):
        def predict(self, images, context):
            if len(images) > 1:  # one image alone is asked what it costs
                calls.append(len(images))
            return self.backbone(images)

    settings = {"methods": "counting", "corruptions": "jpeg", "severities": "1", **toy}
    robobench.run(out=tmp_path, **settings)
    first = len(calls)
    robobench.run(out=tmp_path, **settings)
    assert len(calls) == first
    assert set(calls) == {chunk_size(16)}, "every chunk has the same size, the last one padded"


def test_what_no_training_changes_is_computed_once_for_all(tmp_path, toy, monkeypatch):
    calls, original = [], runner.predict_chunk
    monkeypatch.setattr(
        runner, "predict_chunk", lambda *a, **k: calls.append(a[0].backbone) or original(*a, **k)
    )
    settings = {"methods": "org", "corruptions": "jpeg", "severities": "1", **toy}
    robobench.run(out=tmp_path / "one", **settings)
    chunks = len(calls)
    run = robobench.run(out=tmp_path / "three", train_seeds="0-2", **settings)
    assert len(calls) == 2 * chunks > 2
    assert len(set(calls[chunks:])) == 1, "one network in memory"
    for condition in {cell.corruption for cell in run.cells}:
        found = [cell for cell in run.cells if cell.corruption == condition]
        assert sorted(cell.train_seed for cell in found) == [0, 1, 2]
        answers = [run.predictions(cell).confidence for cell in found]
        assert all(np.array_equal(answers[0], other) for other in answers[1:])


def test_a_raised_limit_extends_the_cells(tmp_path, toy, mirror):
    settings = {"methods": "mirror", "corruptions": "gaussian_noise", "severities": "3", **toy}
    small = robobench.run(limit=300, out=tmp_path / "a", **settings)
    labels = small.predictions(small.store.cells()[0]).label
    assert np.bincount(labels).tolist() == [100, 100, 100]
    robobench.run(out=tmp_path / "a", **settings)
    robobench.run(out=tmp_path / "b", **settings)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")
    robobench.run(limit=300, out=tmp_path / "a", **settings)
    assert cells(tmp_path / "a") == cells(tmp_path / "b"), "a lower limit loses nothing"


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, toy, registered):
    def register(limit):
        calls = []

        class Stopping(robobench.Method):
            """Is interrupted after some chunks."""

            def predict(self, images, context):
                calls.append(1)
                if len(calls) > limit:
                    raise KeyboardInterrupt
                return self.backbone(images)

        robobench.registry.METHODS._entries.pop("stopping", None)
        robobench.method("stopping")(Stopping)

    settings = {"methods": "stopping", "corruptions": "jpeg,shot_noise", "severities": "1-2", **toy}
    for limit in (1, 25, 15):
        register(limit)
        with pytest.raises(KeyboardInterrupt):
            robobench.run(out=tmp_path / "a", **settings)
    register(1000)
    robobench.run(out=tmp_path / "a", **settings)
    robobench.run(out=tmp_path / "b", **settings)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")
    assert not list((tmp_path / "a").glob("**/.*.tmp"))


def test_a_method_that_raises_loses_its_cells_and_no_others(tmp_path, toy, registered):
    @robobench.method("fragile")
    class Fragile(robobench.Method):
        needs = frozenset({"level"})

        def predict(self, images, context):
            if context.level == 40:
                raise ValueError("too much for me")
            return self.backbone(images)

    with pytest.raises(CellsFailed, match=r"1 cells? failed .*fragile on jpeg_compression 40"):
        robobench.run(methods="fragile", corruptions="jpeg", out=tmp_path, **toy)
    assert len(cells(tmp_path)) == 2 * 6 - 1
    assert (tmp_path / "results.parquet").is_file()


def test_nan_is_stored_as_no_answer(tmp_path, toy, registered):
    @robobench.method("silent")
    class Silent(robobench.Method):
        def predict(self, images, context):
            probabilities = self.backbone(images)
            probabilities[::2] = torch.nan
            return probabilities

    run = robobench.run(methods="silent", corruptions="jpeg", severities="1", out=tmp_path, **toy)
    silent = [p for c, p in run.each() if c.method == "silent"]
    assert all((p.predicted == -1).sum() == 300 for p in silent)
    assert all(np.isnan(p.confidence).sum() == 300 for p in silent)


def test_the_wrong_shape_is_the_methods_fault(tmp_path, toy, registered):
    @robobench.method("odd-shape")
    class OddShape(robobench.Method):
        def predict(self, images, context):
            return self.backbone(images)[:, :2]

    with pytest.raises(CellsFailed, match=r"expected images x 3 classes"):
        robobench.run(methods="odd-shape", corruptions="jpeg", out=tmp_path, **toy)


def test_a_method_is_told_what_it_declared_and_no_more(tmp_path, toy, registered):
    seen = []

    @robobench.method("nosy")
    class Nosy(robobench.Method):
        needs = frozenset({"level", "severity"})

        def predict(self, images, context):
            if len(images) > 1:  # one image alone is asked what it costs
                seen.append((context.corruption, context.severity, context.level))
            return self.backbone(images)

    robobench.run(methods="nosy", corruptions="jpeg", severities="1", out=tmp_path, **toy)
    assert set(seen) == {(None, None, 0.0), (None, 1, 80.0)}


def test_two_runs_in_one_folder_at_once_are_refused(tmp_path, toy):
    from filelock import FileLock

    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(RobobenchError, match="another run is writing"),
    ):
        robobench.run(corruptions="jpeg", out=tmp_path, **toy)


def test_other_images_of_the_same_name_are_refused(tmp_path, toy):
    robobench.run(corruptions="jpeg", severities="1", out=tmp_path, **toy)
    images, labels = toy["dataset"]
    toy["dataset"] = images[::-1].copy(), labels
    with pytest.raises(RobobenchError, match="fingerprints differ"):
        robobench.run(corruptions="jpeg", severities="1", out=tmp_path, **toy)


def test_load_reads_what_run_wrote(tmp_path, toy, mirror):
    made = robobench.run(methods="mirror", corruptions="jpeg", out=tmp_path, **toy)
    read = robobench.load(tmp_path)
    pd.testing.assert_frame_equal(made.frame, read.frame)
    pd.testing.assert_frame_equal(made.summary(), read.summary())
    with pytest.raises(RobobenchError, match="no run is there"):
        robobench.load(tmp_path / "cells")


def test_large_data_sets_are_read_once_for_several_conditions(tmp_path, toy, mirror, monkeypatch):
    settings = {"methods": "mirror", "corruptions": "jpeg,shot_noise", "severities": "1-3", **toy}
    robobench.run(out=tmp_path / "small", **settings)
    reads = []
    read = ArrayDataset.read

    def counted(self, indices, geometry):
        reads.append(len(indices))
        return read(self, indices, geometry)

    monkeypatch.setattr(ArrayDataset, "read", counted)
    monkeypatch.setattr("robobench.evaluation.images._CACHE_BYTES", 1000)
    monkeypatch.setattr(ImageSource, "_is_in_memory", False)  # as if they were files
    robobench.run(out=tmp_path / "large", **settings)
    assert cells(tmp_path / "small") == cells(tmp_path / "large")
    assert sum(reads) < 3 * 600, "two readings of the images for seven conditions, and samples"
