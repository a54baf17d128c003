"""Opening data sets by name, and `shapes10` as a data set."""

import numpy as np
import pytest
from made_up_images import noise
from refusals import refused

from robobench import registry
from robobench.datasets import from_arrays, open_dataset
from robobench.types import Geometry

# open_dataset


def test_unknown_names():
    refused(["unknown dataset 'cifar'", "did you mean"], open_dataset, "cifar")
    refused("unknown dataset 'nothing'", open_dataset, "nothing")


def test_a_bare_folder_is_told_how(tmp_path):
    refused(f"folder:{tmp_path}", open_dataset, str(tmp_path))


def test_options_that_mean_nothing_are_refused(tmp_path):
    refused("takes nothing after a colon", open_dataset, "shapes10:64")
    refused("--classes is for folder:PATH", open_dataset, "shapes10", classes="a.csv")
    refused("cannot be downloaded", open_dataset, "imagenet", root=tmp_path, download=True)


def test_missing_root_and_missing_data(tmp_path, monkeypatch):
    refused(["--data-root", "no such folder"], open_dataset, "cifar10", root=tmp_path / "no")
    refused(
        ["no folder cifar-10-batches-py", str(tmp_path), "--download"],
        open_dataset,
        "cifar10",
        root=tmp_path,
    )
    monkeypatch.setenv("ROBOBENCH_DATA", str(tmp_path / "gone"))
    refused(["ROBOBENCH_DATA", "no such folder"], open_dataset, "cifar10")
    monkeypatch.setenv("ROBOBENCH_DATA", str(tmp_path))
    refused(str(tmp_path), open_dataset, "cifar10")


@pytest.mark.parametrize(
    "name", ["cifar10", "imagenet", "imagenet-c", "tiny-imagenet", "cifar10-c"]
)
def test_unknown_splits(tmp_path, name):
    refused(["'tset'", "did you mean 'test'"], open_dataset, name, split="tset", root=tmp_path)


@pytest.mark.usefixtures("registered")
def test_a_data_set_of_somebody_else():
    @registry.dataset("theirs")
    def theirs(*, split):
        """Two images."""
        return from_arrays(noise(2, 8, 8, 3), [0, 1], name="theirs")

    @registry.dataset("broken")
    def broken():
        opened = from_arrays(noise(2, 8, 8, 3), [0, 1])
        opened.labels = np.array([0, 7])
        return opened

    @registry.dataset("listed")
    def listed():
        opened = from_arrays(noise(2, 8, 8, 3), [0, 1])
        opened.labels = [0, 1]
        return opened

    assert len(open_dataset("theirs", root=None, class_names=["x"])) == 2
    refused("one int64 array", open_dataset, "listed")
    refused(["broken has labels from 0 to 7", "2 class names"], open_dataset, "broken")


# shapes10


def test_shapes10_is_drawn_at_the_size_asked_for():
    shapes = open_dataset("shapes10", split="validation")
    assert len(shapes) == 2000
    assert np.bincount(shapes.labels).tolist() == [200] * 10
    assert shapes.profile == "cifar-c"
    small = shapes.read(np.array([5, 3]), Geometry())
    assert small.shape == (2, 3, 32, 32)
    assert shapes.read(np.array([5]), Geometry(72, 64)).shape == (1, 3, 64, 64)
    np.testing.assert_array_equal(shapes.read_native(3), small[1].permute(1, 2, 0).numpy())
    assert shapes.header_quality(np.arange(2)).tolist() == [0, 0]


def test_shapes10_labels_are_those_of_its_images():
    from robobench.datasets.shapes10 import render

    for split in ("train", "validation", "test"):
        shapes = open_dataset("shapes10", split=split)
        chosen = np.array([0, 17, 999])
        np.testing.assert_array_equal(shapes.labels[chosen], render(split, chosen, 8)[1])


def test_shapes10_fingerprints_differ():
    prints = [open_dataset("shapes10", split=s).fingerprint() for s in ("test", "train")]
    assert len(set(prints)) == 2
    assert prints[0] == open_dataset("shapes10").fingerprint()


def test_shapes10_too_small():
    refused("no images of 4 pixels", open_dataset("shapes10").read, np.arange(1), Geometry(crop=4))


def test_shapes10_split():
    refused(["split of shapes10", "did you mean 'train'"], open_dataset, "shapes10", split="trian")
