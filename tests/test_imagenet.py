"""ImageNet, ImageNet-C and Tiny ImageNet as they are published, in miniature."""

import numpy as np
import pytest
from made_up_images import photograph
from refusals import refused

from robobench.datasets import open_dataset
from robobench.datasets.classes import imagenet_classes
from robobench.types import Geometry

WNIDS = imagenet_classes()[0]


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
