"""Every registered data set as it is published, in miniature, and what is refused."""

import dataclasses
import hashlib
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from robobench import registry
from robobench.datasets import cifar, from_arrays, nested_order, open_dataset
from robobench.datasets.classes import imagenet_classes
from robobench.datasets.order import hold_out
from robobench.errors import RobobenchError
from robobench.types import Geometry

WNIDS = imagenet_classes()[0]


def refused(words, function, *args, **options):
    """The call must fail in one line that holds all these words."""
    with pytest.raises(RobobenchError) as caught:
        function(*args, **options)
    text = str(caught.value)
    assert "\n" not in text
    for word in [words] if isinstance(words, str) else words:
        assert word in text
    return text


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def photograph(path, side=40, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(side, side, 3, seed=seed)).save(path, **options)


# nested_order


def test_order_is_a_permutation_of_balanced_prefixes():
    labels = np.repeat(np.arange(7), 30)
    order = nested_order(labels)
    assert sorted(order) == list(range(210))
    for count in range(1, 211):
        seen = np.bincount(labels[order[:count]], minlength=7)
        assert seen.max() - seen.min() <= 1


def test_order_takes_small_classes_whole():
    labels = np.array([0] * 100 + [1] * 3 + [2] * 20)
    seen = np.bincount(labels[nested_order(labels)[:30]])
    assert seen.tolist() == [14, 3, 13] or seen.tolist() == [13, 3, 14]


def test_order_is_the_same_for_ever():
    order = nested_order(np.arange(1000) % 10)
    digest = hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "04c69abb238d531f"
    assert not np.array_equal(order, nested_order(np.arange(1000) % 10, seed=1))


def test_order_of_unlabelled_and_of_nothing():
    assert sorted(nested_order(np.full(9, -1))) == list(range(9))
    assert nested_order(np.array([], dtype=np.int64)).shape == (0,)


def test_held_out_images_are_balanced_and_apart():
    labels = np.repeat(np.arange(5), [20, 20, 20, 20, 40])
    train, validation = hold_out(labels, 25)
    assert np.bincount(labels[validation]).tolist() == [5] * 5
    assert sorted([*train, *validation]) == list(range(120))
    assert (np.diff(train) > 0).all()


# from_arrays


def test_numpy_and_torch_are_the_same_data_set():
    images, labels = noise(5, 8, 9, 3), np.array([0, 1, 2, 1, 0])
    ours = from_arrays(images, labels, ["a", "b", "c"])
    theirs = from_arrays(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))
    assert (ours.name, ours.split, ours.class_names) == ("memory", "test", ("a", "b", "c"))
    assert theirs.class_names == ("0", "1", "2")
    assert ours.fingerprint() == theirs.fingerprint()
    read = ours.read(np.array([3, 0]), Geometry())
    assert read.dtype == torch.uint8
    np.testing.assert_array_equal(read.permute(0, 2, 3, 1).numpy(), images[[3, 0]])
    assert torch.equal(read, theirs.read(np.array([3, 0]), Geometry()))
    assert ours.read(np.array([1, 2]), Geometry(8, 6)).shape == (2, 3, 6, 6)
    np.testing.assert_array_equal(ours.read_native(4), images[4])
    assert ours.header_quality(np.arange(5)).tolist() == [0] * 5


def test_profile_goes_by_size():
    assert from_arrays(noise(2, 36, 30, 3), [0, 1]).profile == "cifar-c"
    assert from_arrays(noise(2, 230, 300, 3), [0, 1]).profile == "imagenet-c"
    assert from_arrays(noise(2, 8, 8, 3), [0, 1], profile="imagenet-c").profile == "imagenet-c"


def test_fingerprint_goes_by_content():
    images, labels = noise(4, 8, 8, 3), np.arange(4)
    same = from_arrays(images.copy(), labels.astype(np.int32), name="other").fingerprint()
    assert from_arrays(images, labels).fingerprint() == same
    assert from_arrays(images, labels[::-1].copy()).fingerprint() != same
    images[2, 3, 3, 1] ^= 1
    assert from_arrays(images, labels).fingerprint() != same


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((2, 8, 8, 3)), [0, 1], ["float64", "(images * 255).round().astype(np.uint8)"]),
        (torch.zeros(2, 3, 8, 8), [0, 1], ["torch.float32", ".round().to(torch.uint8)"]),
        (np.zeros((2, 8, 8, 3), np.int64), [0, 1], ["int64", "convert to uint8"]),
        (noise(2, 3, 8, 8), [0, 1], ["2 x 3 x 8 x 8", "images.transpose(0, 2, 3, 1)"]),
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), [0, 1], ["images.permute(0, 3, 1, 2)"]),
        (noise(2, 8, 8), [0, 1], ["2 x 8 x 8", "repeat a grey channel"]),
        (noise(2, 8, 8, 4), [0, 1], ["drop alpha"]),
        (noise(0, 8, 8, 3), [], ["there are none here"]),
        ([noise(8, 8, 3)], [0], ["not a list", "Dataset or DataLoader"]),
        (noise(2, 8, 8, 3), [0, 1, 1], ["got 2 images and 3 labels"]),
        (noise(2, 8, 8, 3), [0, -1], ["-1 is negative"]),
        (noise(2, 8, 8, 3), [0.0, 1.0], ["2 integers"]),
        (noise(2, 8, 8, 3), np.eye(2, dtype=int), ["argmax"]),
        (noise(2, 8, 8, 3), [0, 3], ["label 3", "2 class names"]),
    ],
)
def test_refused_arrays(images, labels, words):
    refused(words, from_arrays, images, labels, ["a", "b"])


def test_a_torch_data_set_is_no_array():
    pairs = torch.utils.data.TensorDataset(torch.zeros(1), torch.zeros(1))
    refused(["not a TensorDataset", "with their labels"], from_arrays, pairs, [0])


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


# imagenet


@pytest.fixture
def imagenet_root(tmp_path):
    for k, wnid in enumerate(WNIDS[:4]):
        for n in range(2):
            photograph(tmp_path / "imagenet" / "val" / wnid / f"val_{k}{n}.JPEG", seed=2 * k + n)
        for n in range(13):
            photograph(tmp_path / "imagenet" / "train" / wnid / f"{wnid}_{n}.JPEG", side=8)
    return tmp_path


def test_imagenet_splits(imagenet_root):
    test, train, validation = (
        open_dataset("imagenet", split=s, root=imagenet_root)
        for s in ("test", "train", "validation")
    )
    assert test.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert test.class_names[0] == "tench, Tinca tinca"
    assert len(test.class_names) == 1000
    assert test.profile == "imagenet-c"
    assert "4 of 1000 class folders" in test.notes[0]
    assert np.bincount(train.labels).tolist() == [3] * 4
    assert np.bincount(validation.labels).tolist() == [10] * 4
    assert not {*train.files} & {*validation.files}


@pytest.mark.parametrize("names", [("0000", "0002"), ("tench", "Great_White_Shark")])
def test_imagenet_folders_by_index_or_name(tmp_path, names):
    for name in names:
        photograph(tmp_path / "val" / name / "a.png")
    assert sorted(open_dataset("imagenet", root=tmp_path).labels) == [0, 2]


def test_refused_imagenet(tmp_path):
    refused(["imagenet/val", "licence"], open_dataset, "imagenet", root=tmp_path)
    photograph(tmp_path / "imagenet" / "val" / "a.JPEG")
    refused(["class folders", "got 1 images without one"], open_dataset, "imagenet", root=tmp_path)
    photograph(tmp_path / "imagenet" / "val" / "n00000000" / "a.JPEG")
    refused("n00000000", open_dataset, "imagenet", root=tmp_path)
    refused("imagenet/train", open_dataset, "imagenet", split="train", root=tmp_path)


@pytest.fixture
def imagenet_c_root(imagenet_root):
    base = imagenet_root / "ImageNet-C"
    for at in ("blur/zoom_blur/1", "blur/zoom_blur/5", "jpeg_compression/2"):
        for k, wnid in enumerate(WNIDS[:3]):
            photograph(base / at / wnid / f"val_{k}1.JPEG", side=32, seed=k, quality=85)
    return imagenet_root


def test_imagenet_c(imagenet_c_root):
    degraded = open_dataset("imagenet-c", root=imagenet_c_root)
    assert degraded.available() == [("jpeg_compression", 2), ("zoom_blur", 1), ("zoom_blur", 5)]
    assert degraded.labels.tolist() == [0, 1, 2]
    copy = degraded.at("zoom_blur", 5)
    assert copy.header_quality(np.arange(3)).tolist() == [85] * 3
    # Published at the network's size: resizing them once more would blur them.
    read = copy.read(np.arange(3), Geometry(40, 32))
    np.testing.assert_array_equal(read[1].permute(1, 2, 0).numpy(), copy.read_native(1))
    assert copy.read(np.arange(3), Geometry(64, 64)).shape == (3, 3, 64, 64)
    refused("give --resize 48 to enlarge", copy.read, np.arange(3), Geometry(56, 48))


def test_imagenet_c_has_the_clean_images_of_imagenet(imagenet_c_root):
    clean = open_dataset("imagenet-c", root=imagenet_c_root).clean()
    assert [file.rpartition("/")[2] for file in clean.files] == [f"val_{k}1.JPEG" for k in range(3)]
    (imagenet_c_root / "imagenet" / "val" / WNIDS[1] / "val_11.JPEG").unlink()
    refused(["lacks val_11"], open_dataset("imagenet-c", root=imagenet_c_root).clean)
    (imagenet_c_root / "imagenet").rename(imagenet_c_root / "elsewhere")
    assert open_dataset("imagenet-c", root=imagenet_c_root).clean() is None


def test_refused_imagenet_c(imagenet_c_root, tmp_path_factory):
    (imagenet_c_root / "ImageNet-C/blur/zoom_blur/5" / WNIDS[2] / "val_21.JPEG").unlink()
    degraded = open_dataset("imagenet-c", root=imagenet_c_root)
    refused(["hold different images", "val_21"], degraded.at, "zoom_blur", 5)
    refused("severity 1, 5, not at 2", degraded.at, "zoom_blur", 2)
    empty = tmp_path_factory.mktemp("empty")
    refused(["ImageNet-C", "2235448"], open_dataset, "imagenet-c", root=empty)
    (empty / "ImageNet-C").mkdir()
    refused("<corruption>/<severity>", open_dataset, "imagenet-c", root=empty)


# tiny-imagenet


@pytest.fixture
def tiny_root(tmp_path):
    home = tmp_path / "tiny-imagenet-200"
    wnids = ["n02124075", "n01443537"]  # not sorted, like the published ones
    lines = []
    for k, wnid in enumerate(wnids):
        for n in range(27):
            photograph(home / "train" / wnid / "images" / f"{wnid}_{n}.JPEG", side=8)
        for n in range(2):
            photograph(home / "val" / "images" / f"val_{2 * n + k}.JPEG", side=8)
            lines.append(f"val_{2 * n + k}.JPEG\t{wnid}\t0\t32\t44\t62\n")
        (home / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
    (home / "val" / "val_annotations.txt").write_text("".join(lines))
    (home / "wnids.txt").write_text("\n".join(wnids))
    return tmp_path


def test_tiny_imagenet(tiny_root):
    test, train, validation = (
        open_dataset("tiny-imagenet", split=s, root=tiny_root)
        for s in ("test", "train", "validation")
    )
    assert test.class_names == ("goldfish, Carassius auratus", "Egyptian cat")
    assert test.files == [f"val_{k}.JPEG" for k in range(4)]
    assert test.labels.tolist() == [1, 0, 1, 0]
    assert test.profile == "tiny-imagenet-c"
    assert np.bincount(train.labels).tolist() == [2, 2]
    assert np.bincount(validation.labels).tolist() == [25, 25]


def test_tiny_imagenet_sorted_into_folders(tiny_root):
    home = tiny_root / "tiny-imagenet-200" / "val"
    (home / "val_annotations.txt").unlink()
    (home / "images").rename(tiny_root / "elsewhere")
    refused("n01443537", open_dataset, "tiny-imagenet", root=tiny_root)
    for wnid in ("n02124075", "n01443537"):
        photograph(home / wnid / "a.JPEG", side=8)
    assert open_dataset("tiny-imagenet", root=tiny_root).labels.tolist() == [0, 1]


def test_refused_tiny_imagenet(tiny_root, tmp_path_factory):
    home = tiny_root / "tiny-imagenet-200"
    (home / "val" / "images" / "val_0.JPEG").unlink()
    refused(["list different images", "val_0"], open_dataset, "tiny-imagenet", root=tiny_root)
    (home / "val" / "val_annotations.txt").write_text("val_0.JPEG n02124075\n")
    refused(["line 1", "tab"], open_dataset, "tiny-imagenet", root=tiny_root)
    (home / "wnids.txt").unlink()
    refused("wnids.txt", open_dataset, "tiny-imagenet", root=tiny_root)
    empty = tmp_path_factory.mktemp("empty")
    refused("tiny-imagenet-200", open_dataset, "tiny-imagenet", root=empty)
