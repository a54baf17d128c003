"""CIFAR and CIFAR-C as they are published, in miniature, and what is refused."""

import dataclasses
import hashlib
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from made_up_images import noise
from refusals import refused

from robobench.datasets import cifar, open_dataset
from robobench.types import Geometry

# cifar


@pytest.fixture
def cifar_root(tmp_path, monkeypatch):
    """CIFAR-10 with 100 test and 10,000 training images, its sums adapted."""
    home = tmp_path / "cifar-10-batches-py"
    home.mkdir()

    def batch(name, count):
        content = {
            b"data": noise(count, 3072, seed=len(name)),
            b"labels": [k % 10 for k in range(count)],
        }
        data = pickle.dumps(content, protocol=3).replace(b"numpy._core", b"numpy.core")
        (home / name).write_bytes(data)
        return {name: hashlib.md5(data).hexdigest()}

    small = dataclasses.replace(
        cifar.PUBLISHED["cifar10"],
        test=batch("test_batch", 100),
        train=batch("data_batch_1", 4000) | batch("data_batch_22", 6000),
    )
    monkeypatch.setitem(cifar.PUBLISHED, "cifar10", small)
    return tmp_path


def test_cifar_splits(cifar_root):
    test, train, validation = (
        open_dataset("cifar10", split=s, root=cifar_root) for s in ("test", "train", "validation")
    )
    assert [len(test), len(train), len(validation)] == [100, 5000, 5000]
    assert np.bincount(validation.labels).tolist() == [500] * 10
    assert test.class_names[9] == "truck"
    assert test.profile == "cifar-c"
    assert len({d.fingerprint() for d in (test, train, validation)}) == 3
    stored = noise(100, 3072, seed=len("test_batch")).reshape(-1, 3, 32, 32)
    np.testing.assert_array_equal(test.read(np.array([7, 2]), Geometry()).numpy(), stored[[7, 2]])
    np.testing.assert_array_equal(test.read_native(7), stored[7].transpose(1, 2, 0))


def test_cifar_train_and_validation_are_apart(cifar_root):
    train, validation = (
        open_dataset("cifar10", split=s, root=cifar_root) for s in ("train", "validation")
    )
    everything = Geometry()
    seen = [
        {image.tobytes() for image in d.read(np.arange(len(d)), everything).numpy()}
        for d in (train, validation)
    ]
    assert len(seen[0]) + len(seen[1]) == 10000
    assert not seen[0] & seen[1]


def test_damaged_cifar(cifar_root):
    path = cifar_root / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:-1])
    refused([str(path), "MD5", "--download"], open_dataset, "cifar10", root=cifar_root)
    path.unlink()
    refused([str(path), "cannot be read"], open_dataset, "cifar10", root=cifar_root)


def test_cifar_builds_nothing_but_arrays(cifar_root, monkeypatch):
    path = cifar_root / "cifar-10-batches-py" / "test_batch"
    data = pickle.dumps({b"data": hashlib.sha256}, protocol=2)
    path.write_bytes(data)
    published = cifar.PUBLISHED["cifar10"]
    evil = dataclasses.replace(published, test={path.name: hashlib.md5(data).hexdigest()})
    monkeypatch.setitem(cifar.PUBLISHED, "cifar10", evil)
    with pytest.raises(pickle.UnpicklingError, match="is not expected"):
        open_dataset("cifar10", root=cifar_root)


def fake_torchvision(monkeypatch, download):
    utils = types.ModuleType("torchvision.datasets.utils")
    utils.download_and_extract_archive = download
    for name in ("torchvision", "torchvision.datasets"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "torchvision.datasets.utils", utils)


def test_download_is_torchvisions_with_its_sum(tmp_path, monkeypatch):
    asked = []
    fake_torchvision(monkeypatch, lambda url, root, md5: asked.append((url, root, md5)))
    root = tmp_path / "new"
    refused("no folder cifar-100", open_dataset, "cifar100", root=root, download=True)
    published = cifar.PUBLISHED["cifar100"]
    assert asked == [(published.url, str(root), published.md5)]


def test_download_only_when_asked_and_needed(cifar_root, monkeypatch):
    fake_torchvision(monkeypatch, lambda *args, **options: pytest.fail("downloaded"))
    open_dataset("cifar10", root=cifar_root)
    open_dataset("cifar10", root=cifar_root, download=True)
    refused("--download fetches it", open_dataset, "cifar100", root=cifar_root)


def test_failed_download(tmp_path, monkeypatch):
    def fail(*args, **options):
        raise OSError("no\nnetwork")

    fake_torchvision(monkeypatch, fail)
    refused(
        ["--download", "no network", "by hand"],
        open_dataset,
        "cifar10",
        root=tmp_path,
        download=True,
    )


# cifar-c


@pytest.fixture
def cifar_c_root(cifar_root):
    home = cifar_root / "CIFAR-10-C"
    home.mkdir()
    np.save(home / "labels.npy", np.tile(np.arange(100) % 10, 5).astype(np.uint8))
    np.save(home / "fog.npy", noise(500, 32, 32, 3, seed=1))
    np.save(home / "jpeg_compression.npy", noise(500, 32, 32, 3, seed=2))
    return cifar_root


def test_cifar_c(cifar_c_root):
    degraded = open_dataset("cifar10-c", root=cifar_c_root)
    assert len(degraded) == 100
    corruptions = ("fog", "jpeg_compression")
    assert degraded.available() == [(c, s) for c in corruptions for s in range(1, 6)]
    third = degraded.at("fog", 3)
    assert third.name == "cifar10-c"
    assert isinstance(third.images, np.memmap)
    stored = noise(500, 32, 32, 3, seed=1)
    read = third.read(np.array([4]), Geometry())[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(read, stored[204])
    np.testing.assert_array_equal(third.labels, np.arange(100) % 10)
    assert degraded.at("fog", 3) is third
    prints = {degraded.at(c, s).fingerprint() for c, s in degraded.available()}
    assert len(prints) == 10


def test_cifar_c_has_the_clean_images_of_cifar(cifar_c_root):
    degraded = open_dataset("cifar10-c", root=cifar_c_root)
    assert degraded.clean().name == "cifar10"
    clean = open_dataset("cifar10", root=cifar_c_root)
    some = np.array([1, 50])
    assert torch.equal(degraded.read(some, Geometry()), clean.read(some, Geometry()))


def test_cifar_c_without_clean_images(cifar_c_root):
    (cifar_c_root / "cifar-10-batches-py").rename(cifar_c_root / "elsewhere")
    degraded = open_dataset("cifar10-c", root=cifar_c_root)
    assert degraded.clean() is None
    refused(["cifar10-c holds degraded images only"], degraded.read, np.arange(1), Geometry())


def test_refused_cifar_c(cifar_c_root):
    home = cifar_c_root / "CIFAR-10-C"
    degraded = open_dataset("cifar10-c", root=cifar_c_root)
    refused(["'frog'", "did you mean 'fog'"], degraded.at, "frog", 1)
    refused("severity 1, 2, 3, 4, 5, not at 6", degraded.at, "fog", 6)
    whole = (home / "fog.npy").read_bytes()
    (home / "fog.npy").write_bytes(whole[:5000])
    refused(["fog.npy", "not a complete npy file"], degraded.at, "fog", 1)
    np.save(home / "fog.npy", noise(400, 32, 32, 3))
    refused(["fog.npy", "(400, 32, 32, 3)", "(500, 32, 32, 3)"], degraded.at, "fog", 1)
    np.save(home / "labels.npy", np.zeros(500, np.uint8))
    moved = open_dataset("cifar10-c", root=cifar_c_root)
    refused("does not hold the labels of cifar10", moved.clean)
    np.save(home / "labels.npy", np.arange(500))
    refused("repeated five times", open_dataset, "cifar10-c", root=cifar_c_root)
    (home / "labels.npy").unlink()
    refused(["labels.npy", "no such file"], open_dataset, "cifar10-c", root=cifar_c_root)
