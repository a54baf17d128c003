"""Images that are broken, or do not fit together, are found before the work, or left out aloud."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from edges import ending
from PIL import Image

from robobench.cli import _exit_code
from robobench.datasets import open_dataset
from robobench.datasets.examining import glance
from robobench.types import Geometry

NET = """
import torch
from torch import nn
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
"""
CUT = "b/3.jpg"


def photo(path, size=(48, 48), seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def photos(tmp_path):
    """Four JPEG files in each of three classes, named a to c; the classifier's names are numbers."""
    for k, name in enumerate("abc"):
        for n in range(4):
            photo(tmp_path / "photos" / name / f"{n}.jpg", seed=4 * k + n)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path / "photos"


@pytest.fixture
def arguments(photos):
    """A run on the photographs, with the folders' own names as classes."""
    return [
        *("run", "--dataset", f"folder:{photos}", "--backbone", f"{photos.parent}/net.py:net"),
        *("--classes", "sorted", "--corruptions", "jpeg", "--severities", "1", "--no-report"),
        *("--out", photos.parent / "out"),
    ]


def manifest(photos):
    return json.loads((photos.parent / "out" / "manifest.json").read_text())


def test_without_ray_nothing_is_opened_first(arguments, photos, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    shutil.rmtree(photos)
    code, line = ending([*arguments, "--executor", "ray"], capsys)
    assert code == 2
    assert "robobench[ray]" in line
    assert not (photos.parent / "out").exists()


def test_a_truncated_file_is_named_before_the_work(arguments, photos, capsys):
    cut(photos / CUT)
    cut(photos / "a" / "0.jpg")
    code, line = ending(arguments, capsys)
    assert code == 2
    assert f"{photos / 'a/0.jpg'} of folder:photos cannot be used" in line
    assert "truncated" in line
    assert f"nor can {CUT}" in line
    assert "--skip-broken" in line
    assert not (photos.parent / "out").exists()


def test_only_images_of_the_run_are_looked_at(arguments, photos, monkeypatch):
    looked = []
    monkeypatch.setattr(
        "robobench.datasets.files.glance", lambda path: looked.append(path) or glance(path)
    )
    assert _exit_code([str(a) for a in [*arguments, "--limit", 3]]) == 0
    assert len(looked) == 3


def test_whole_files_are_not_decoded_twice(photos, monkeypatch):
    opened = open_dataset(f"folder:{photos}", class_names=None)
    photo(photos / "a" / "0.jpg", format="PNG")
    monkeypatch.setattr("robobench.datasets.files.decode", lambda path: pytest.fail(path))
    opened.check(np.arange(len(opened)), Geometry())


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tif"])
def test_a_whole_file_of_any_format_passes_and_a_cut_one_does_not(suffix, photos):
    photo(photos / "a" / f"new.{suffix}")
    opened = open_dataset(f"folder:{photos}", class_names=None)
    everything = np.arange(len(opened))
    opened.check(everything, Geometry())
    cut(photos / "a" / f"new.{suffix}")
    with pytest.raises(Exception, match=rf"a/new\.{suffix} of folder:photos cannot be used"):
        opened.check(everything, Geometry())


def test_images_of_different_sizes_are_found_before_the_work(arguments, photos, capsys):
    photo(photos / CUT, size=(64, 48))
    code, line = ending(arguments, capsys)
    assert code == 2
    assert f"a/0.jpg is 48 x 48, {CUT} is 64 x 48" in line
    assert "--resize" in line
    code, line = ending([*arguments, "--crop", 50], capsys)
    assert code == 2
    assert "smaller than the crop of 50" in line
    assert not (photos.parent / "out").exists()
    assert _exit_code([str(a) for a in [*arguments, "--resize", 32, "--crop", 32]]) == 0


def test_a_turned_camera_is_no_other_size(photos):
    exif = Image.Exif()
    exif[0x0112] = 6
    for n in range(4):
        photo(photos / "a" / f"{n}.jpg", size=(40, 48), **({"exif": exif} if n else {}))
    for name in ("b", "c"):
        shutil.rmtree(photos / name)
    opened = open_dataset(f"folder:{photos}", class_names=None)
    with pytest.raises(Exception, match=r"40 x 48.* is 48 x 40"):
        opened.check(np.arange(4), Geometry())
    opened.check(np.arange(1, 4), Geometry())


def test_a_run_without_broken_images_says_so_everywhere(arguments, photos, capsys):
    cut(photos / CUT)
    (photos / "c" / "0.jpg").write_bytes(b"")
    (photos / "c" / "4.heic").write_bytes(b"never read")
    code = _exit_code([str(a) for a in [*arguments, "--skip-broken"]])
    said = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert f"left out 3 of 13 images that cannot be read: {CUT}, c/0.jpg, c/4.heic" in said
    told = manifest(photos)
    assert told["dataset"]["skipped"] == [CUT, "c/0.jpg", "c/4.heic"]
    assert told["dataset"]["count"] == 10
    assert any("left out 3 of 13 images" in note for note in told["notes"])


def test_what_is_left_out_is_as_if_it_were_not_there(photos):
    cut(photos / CUT)
    (photos / "a" / "0.jpg").write_bytes(b"")  # one whose size the profile would look at
    opened = open_dataset(f"folder:{photos}", class_names=None, skip_broken=True)
    shutil.copytree(photos, photos.parent / "clean" / "photos")
    (photos.parent / "clean" / "photos" / CUT).unlink()
    (photos.parent / "clean" / "photos" / "a" / "0.jpg").unlink()
    without = open_dataset(f"folder:{photos.parent}/clean/photos", class_names=None)
    assert opened.fingerprint() == without.fingerprint()
    assert opened.files == without.files
    read = [d.read(np.arange(len(d)), Geometry()) for d in (opened, without)]
    assert torch.equal(*read)


def test_a_repaired_image_makes_another_data_set(arguments, photos, capsys):
    whole = (photos / CUT).read_bytes()
    cut(photos / CUT)
    assert _exit_code([str(a) for a in [*arguments, "--skip-broken"]]) == 0
    (photos / CUT).write_bytes(whole)
    code, line = ending([*arguments, "--skip-broken"], capsys)
    assert code == 2
    assert "fingerprints differ" in line


def test_nothing_can_be_left_out_of_arrays(capsys):
    code, line = ending(["run", "--skip-broken", "--out", "never"], capsys)
    assert code == 2
    assert "shapes10" in line
    assert "--skip-broken is for folder:PATH" in line


def test_the_folder_is_missed_before_the_classifier(capsys, tmp_path):
    missing = f"folder:{tmp_path}/there-is-none"
    for command in ("run", "train"):
        words = [command, "--dataset", missing, "--backbone", "timm:nonsense"]
        words += ["--method", "afd"] if command == "train" else ["--out", tmp_path / "out"]
        code, line = ending(words, capsys)
        assert code == 2
        assert "there-is-none: no such folder" in line
    code, line = ending(
        ["train", "--method", "afd", "--backbone", "timm:nonsense", "--images", tmp_path / "no"],
        capsys,
    )
    assert code == 2
    assert f"--images {tmp_path / 'no'}: no such folder" in line


def copying(photos, *more):
    out = photos.parent / "copy"
    words = ["corrupt", photos, out, "--corruptions", "jpeg", "--severities", "1", *more]
    return [str(w) for w in [*words, "--workers", "1"]]


def test_corrupt_names_broken_files_before_it_writes(photos, capsys):
    cut(photos / CUT)
    code, line = ending(copying(photos), capsys)
    assert code == 2
    assert CUT in line
    assert "truncated" in line
    assert not (photos.parent / "copy").exists()


def test_corrupt_goes_on_without_broken_files_as_an_evaluation_does(photos, capsys):
    cut(photos / "a" / "0.jpg")
    (photos / "a" / "9.heic").write_bytes(b"never read")
    assert _exit_code(copying(photos, "--skip-broken")) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "left out 2 of 13 images that cannot be read: a/0.jpg, a/9.heic" in said
    copy = photos.parent / "copy"
    assert json.loads((copy / "manifest.json").read_text())["left_out"] == ["a/0.jpg", "a/9.heic"]
    assert len([*copy.rglob("*.png")]) == 11
    code, line = ending(copying(photos), capsys)
    assert code == 2
    assert "a/9.heic" in line
    (photos / "a" / "9.heic").unlink()
    photo(photos / "a" / "0.jpg")
    code, line = ending(copying(photos), capsys)
    assert code == 2
    assert "copy with other settings (files" in line


@pytest.mark.parametrize("workers", ["1000000", "0"])
def test_a_million_processes_are_refused(workers, photos, capsys):
    code, line = ending([*copying(photos), "--workers", workers], capsys)
    assert code == 2
    assert "1<=x<=256" in line
    assert not (photos.parent / "copy").exists()


def test_sorted_folders_are_the_classes(photos):
    opened = open_dataset(f"folder:{photos}", class_names=("x", "y", "z"), classes="sorted")
    assert opened.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert opened.class_names == ("x", "y", "z")
    assert any("'a' is 0, 'c' 2" in note for note in opened.notes)


def test_sorted_folders_must_be_as_many_as_the_classes(arguments, photos, capsys):
    shutil.rmtree(photos / "b")
    code, line = ending(arguments, capsys)
    assert code == 2
    assert "--classes sorted" in line
    assert "classifier's 3 classes, got 2 (a, c)" in line


def test_a_list_of_names_is_a_class_file(photos):
    file = photos.parent / "names.txt"
    file.write_text("C\nb\na\n")
    opened = open_dataset(f"folder:{photos}", class_names=("0", "1", "2"), classes=file)
    assert opened.labels.tolist() == [2] * 4 + [1] * 4 + [0] * 4
    assert opened.class_names == ("C", "b", "a")
    for text, words in (("a\nb\n", "3 classes, got 2"), ("a\nb\nb\n", "'b' is there 2 times")):
        file.write_text(text)
        with pytest.raises(Exception, match=words):
            open_dataset(f"folder:{photos}", class_names=("0", "1", "2"), classes=file)
