"""Folders of anybody's images: a name means one class or none, and no image is lost in silence."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused

from robobench.datasets import open_dataset, open_images
from robobench.datasets.classes import imagenet_classes, match_classes, read_classes_file
from robobench.datasets.geometry import fit_geometry
from robobench.types import Geometry

WNIDS, IMAGENET = imagenet_classes()
PETS = ("tabby cat", "Great Dane", "goldfish", "sea-lion")


def photograph(path, width=40, height=40, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def open_pets(path, class_names=PETS, **options):
    return open_dataset(f"folder:{path}", class_names=class_names, **options)


@pytest.fixture
def pets(tmp_path):
    """Eight images of four classes, the folders named by class index."""
    for k in range(4):
        for n in range(2):
            photograph(tmp_path / "pets" / str(k) / f"{n}.png", seed=2 * k + n)
    return tmp_path / "pets"


# Which class a folder means


@pytest.mark.parametrize(
    ("folder", "index"),
    [
        ("Tabby_Cat", 0),
        ("tabby-cat", 0),
        ("tabbycat", 0),
        ("GREAT DANE", 1),
        ("goldfish", 2),
        ("sea lion", 3),
        ("3", 3),
        ("0002", 2),
    ],
)
def test_spellings(folder, index):
    assert match_classes([folder], PETS) == {folder: index}


@pytest.mark.parametrize(
    "class_names",
    [IMAGENET, WNIDS, [str(k) for k in range(1000)], [f"class {k}" for k in range(1000)]],
)
def test_wnids_where_the_classes_are_imagenets(class_names):
    assert match_classes([WNIDS[7], WNIDS[900]], class_names) == {WNIDS[7]: 7, WNIDS[900]: 900}


def test_synonyms_of_imagenet():
    folders = ["tench", "Carcharodon_carcharias", WNIDS[5], "Egyptian cat"]
    assert list(match_classes(folders, IMAGENET).values()) == [0, 2, 5, 285]


def test_a_class_called_just_so_is_meant_before_a_synonym():
    assert match_classes(["jay"], ["blue bird, jay", "jay"]) == {"jay": 1}


@pytest.mark.parametrize(
    ("folders", "class_names", "words"),
    [
        (["tabby", "xyz", "abc", "def", "ghi"], PETS, ["'tabby', 'xyz', 'abc' and 2 more", "4 is"]),
        (["goldfisch"], PETS, ["did you mean 'goldfish' (2)"]),
        (["3", "4"], PETS, ["folder '4'", "from 0 to 3"]),
        (["1", "goldfish"], PETS, ["folder '1'"]),  # a number among names is no index
        (["-1"], PETS, ["folder '-1'"]),
        (["goldfish", "Gold Fish"], PETS, ["both mean class 2 (goldfish)"]),
        (["1", "01"], PETS, ["'1' and '01' both mean class 1"]),
        (["n01440764"], PETS, ["n01440764", "not ImageNet's"]),
        (["n00000000"], IMAGENET, ["n00000000", "not a wnid"]),
        (["crane"], IMAGENET, ["'crane' may mean class 134", "or 517"]),
        (["1", "2"], ["1", "2", "3"], ["'1' may mean class 0 (1) or 1 (2)"]),
        ([WNIDS[3]], [f"thing {k}" for k in range(1000)], ["not ImageNet's"]),
    ],
)
def test_no_class_is_guessed(folders, class_names, words):
    words = ["classifier's 4" if word == "4 is" else word for word in words]
    text = refused(words, match_classes, folders, class_names)
    assert "--classes FILE" in text or "index" in text


# --classes FILE


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "folder,class\ncats,tabby cat\nfish,2\n"),
        ("a.csv", "cats,Tabby_Cat\r\nfish,goldfish\r\n\r\n"),
        ("a.csv", "\ufefffolder;class\ncats;0\nfish;2\n"),
        ("a.csv", 'folder,class\n"cats","tabby cat"\n"fish"," goldfish "\n'),
        ("a.tsv", "cats\ttabby cat\nfish\t2\n"),
        ("a.json", '{"cats": "tabby cat", "fish": 2}'),
        ("a.json", '[["cats", 0], ["fish", "goldfish"]]'),
    ],
)
def test_classes_file(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    mapping = read_classes_file(tmp_path / name)
    assert match_classes(["fish", "cats"], PETS, mapping) == {"fish": 2, "cats": 0}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"folder,class\n", "the file is empty"),
        ("a.csv", b"cats\n", "['cats']"),
        ("a.csv", b"cats,a,b\n", "got"),
        ("a.csv", b"cats,0\ncats,1\n", "'cats' has two classes"),
        ("a.csv", b"\xff\xfec\x00", "UTF-8"),
        ("a.json", b"{'cats': 1}", "line 1"),
        ("a.json", b'"cats"', "got 'cats'"),
        ("a.json", b'{"cats": {"class": 1}}', "got \"('cats'"),
    ],
)
def test_refused_classes_file(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    refused([words, str(tmp_path / name)], read_classes_file, tmp_path / name)


def test_classes_file_that_is_not_there(tmp_path):
    refused("no.csv", read_classes_file, tmp_path / "no.csv")


def test_classes_file_must_name_every_folder_and_known_classes(pets):
    file = pets.parent / "classes.csv"
    file.write_text("0,goldfish\n1,goldfish\n2,0\n")
    refused(["does not list folder '3'"], open_pets, pets, classes=file)
    file.write_text("0,goldfish\n1,goldfisch\n2,0\n3,0\n")
    refused(["--classes", "'goldfisch'", "'goldfish' (2)"], open_pets, pets, classes=file)
    file.write_text("0,goldfish\n1,goldfish\n2,9\n3,0\n")
    refused(["--classes", "'9'", "0 to 3"], open_pets, pets, classes=file)
    file.write_text("0,goldfish\n1,goldfish\n2,sea lion\n3,0\nbeside,1\n")
    assert open_pets(pets, classes=file).labels.tolist() == [2, 2, 2, 2, 3, 3, 0, 0]


# Opening


def test_a_folder_of_class_folders(pets):
    opened = open_pets(pets)
    assert (opened.name, opened.split) == ("folder:pets", "test")
    assert opened.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert opened.labels.dtype == np.int64
    assert opened.class_names == PETS
    assert opened.profile == "cifar-c"
    assert opened.notes == ()
    read = opened.read(np.array([6, 1]), Geometry())
    assert read.dtype == torch.uint8
    for image, file in zip(read, ("3/0.png", "0/1.png"), strict=True):
        with Image.open(pets / file) as stored:
            np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), np.asarray(stored))


def test_some_classes_of_many():
    folders = [WNIDS[k] for k in range(0, 1000, 20)]
    assert len(match_classes(folders, IMAGENET)) == 50


def test_own_classes_only_when_asked_for(pets):
    assert open_pets(pets, class_names=None).class_names == ("0", "1", "2", "3")
    refused(["class_names is missing", "or None"], open_dataset, f"folder:{pets}")
    file = pets.parent / "classes.csv"
    file.write_text("0,dog\n1,cat\n2,dog\n3,ant\n")
    own = open_pets(pets, class_names=None, classes=file)
    assert own.class_names == ("ant", "cat", "dog")
    assert own.labels.tolist() == [2, 2, 1, 1, 2, 2, 0, 0]
    file.write_text("0,dog\n")
    refused("does not list folder 1, 2, 3", open_pets, pets, class_names=None, classes=file)


def test_splits_and_own_classes_across_them(tmp_path):
    for place in ("train/ant", "train/bee", "train/cat", "val/cat", "val/bee", "test/cat"):
        photograph(tmp_path / place / "a.png")
    splits = {
        split: open_pets(tmp_path, class_names=None, split=split)
        for split in ("train", "validation", "test")
    }
    assert splits["train"].labels.tolist() == [0, 1, 2]
    assert splits["validation"].labels.tolist() == [1, 2]
    assert splits["test"].labels.tolist() == [2]
    assert all(opened.class_names == ("ant", "bee", "cat") for opened in splits.values())
    shutil.rmtree(tmp_path / "test")
    refused(["has train, val but no test"], open_pets, tmp_path, class_names=None)
    photograph(tmp_path / "sketches" / "a.png")
    refused(["train, val next to sketches"], open_pets, tmp_path, class_names=None)


def test_test_images_are_never_trained_on(pets):
    refused(["no train split", "into train"], open_pets, pets, split="train")
    refused(["'dev'", "validation"], open_pets, pets, split="dev")


def test_empty_and_missing_folders(tmp_path):
    refused("the path is missing", open_pets, "")
    refused(["nowhere", "no such folder"], open_pets, tmp_path / "nowhere")
    photograph(tmp_path / "a.png")
    refused("a file, not a folder", open_pets, tmp_path / "a.png")
    refused("got 1 images without one", open_pets, tmp_path)
    (tmp_path / "goldfish").mkdir()
    refused("no image in the class folders", open_pets, tmp_path)
    photograph(tmp_path / "tabby cat" / "a.png")
    opened = open_pets(tmp_path)
    assert opened.labels.tolist() == [0]
    assert opened.notes == (f"{tmp_path}: left out goldfish: class folders without an image",)


def test_other_files_are_noted_and_hidden_ones_ignored(pets):
    (pets / "1" / "notes.txt").write_text("hm")
    (pets / "1" / ".DS_Store").write_text("")
    (pets / "1" / "._0.png").write_text("")
    (pets / ".git").mkdir()
    opened = open_pets(pets)
    assert len(opened) == 8
    assert opened.notes == (f"{pets / '1'}: left out notes.txt: not named like images",)


def test_images_in_formats_that_cannot_be_read_are_named_together(pets):
    for file in ("0/a.jp2", "1/x.JXR", "2/y.jxr", "3/z.jxl"):
        (pets / file).write_text("")
    refused(
        ["4 images", "(.jp2, .jxl, .jxr)", "0/a.jp2, 1/x.JXR, 2/y.jxr, 3/z.jxl", "convert"],
        open_pets,
        pets,
    )


def test_a_broken_image_is_named_at_opening_where_the_size_is_looked_at(pets):
    (pets / "0" / "0.png").write_bytes(b"nothing")
    refused([str(pets / "0" / "0.png")], open_pets, pets)


def test_deeper_folders_capitals_and_links(pets):
    photograph(pets / "1" / "more" / "B.JPEG")
    (pets / "2" / "again").symlink_to(pets / "2")
    shutil.move(pets / "3", pets.parent / "three")
    (pets / "3").symlink_to(pets.parent / "three")
    opened = open_pets(pets)
    assert opened.labels.tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert opened.files[4] == "1/more/B.JPEG"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read")
def test_a_folder_that_may_not_be_entered(pets):
    (pets / "1").chmod(0)
    try:
        refused("cannot be read: Permission denied", open_pets, pets)
    finally:
        (pets / "1").chmod(0o755)


# Reading


def test_threads_change_nothing(pets):
    everything = np.arange(8)
    one, four = (open_pets(pets, workers=n).read(everything, Geometry(32, 24)) for n in (1, 4))
    assert torch.equal(one, four)
    refused(["--workers: ", "got 0"], open_pets, pets, workers=0)


def test_no_images_asked_for(pets):
    assert open_pets(pets).read(np.arange(0), Geometry(32, 24)).shape == (0, 3, 24, 24)


def test_native_pixels_and_their_geometry(pets):
    opened = open_pets(pets)
    native = opened.read_native(5)
    assert native.shape == (40, 40, 3)
    assert native.flags.writeable
    fitted = fit_geometry(native, Geometry(32, 24))
    read = opened.read(np.array([5]), Geometry(32, 24))[0]
    np.testing.assert_array_equal(read.permute(1, 2, 0).numpy(), fitted)


def test_broken_images_are_named_up_to_five(pets):
    opened = open_pets(pets)
    for index, file in enumerate(opened.files[:7]):
        whole = (pets / file).read_bytes()
        (pets / file).write_bytes(whole[: len(whole) // 2] if index else b"<html>")
    text = refused(
        [
            f"image {pets / '0/0.png'}",
            "not an image that Pillow can read",
            "0/1.png, 1/0.png",
            "2 more",
        ],
        opened.read,
        np.arange(8),
        Geometry(),
    )
    assert text.count(".png") == 5
    refused(["2/0.png", "truncated"], opened.read_native, 4)
    (pets / "3/1.png").unlink()
    refused(["3/1.png", "no such file"], opened.read, np.array([7]), Geometry())
    refused(["3/1.png"], opened.fingerprint)


def test_sizes_that_do_not_fit_together(pets):
    photograph(pets / "1" / "wide.png", width=60)
    opened = open_pets(pets)
    refused(
        ["0/0.png is 40 x 40", "1/wide.png is 60 x 40", "--crop"],
        opened.read,
        np.arange(9),
        Geometry(),
    )
    assert opened.read(np.arange(9), Geometry(32, 32)).shape == (9, 3, 32, 32)
    refused(
        ["0/0.png", "smaller than the crop of 48"], opened.read, np.arange(9), Geometry(crop=48)
    )
    text = refused(["--crop 9", "--resize 8"], opened.read, np.arange(9), Geometry(8, 9))
    assert ".png" not in text


def test_header_quality(pets):
    photograph(pets / "0" / "a.jpg", quality=33)
    opened = open_pets(pets)
    assert opened.header_quality(np.array([2, 0])).tolist() == [33, 0]
    (pets / "0" / "a.jpg").write_bytes(b"nothing")
    refused("0/a.jpg", opened.header_quality, np.arange(3))


# Fingerprint


def test_fingerprint_is_of_the_files_not_of_the_place(pets):
    shutil.copytree(pets, pets.parent / "elsewhere" / "pets")
    first = open_pets(pets).fingerprint()
    assert first == open_pets(pets.parent / "elsewhere" / "pets").fingerprint()
    assert first == open_pets(pets, workers=1).fingerprint()


@pytest.mark.parametrize("change", ["content", "name", "label", "more", "fewer"])
def test_fingerprint_changes_with(pets, change):
    first = open_pets(pets).fingerprint()
    file = pets / "0" / "0.png"
    if change == "content":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    elif change == "name":
        file.rename(pets / "0" / "00.png")
    elif change == "more":
        photograph(pets / "0" / "9.png")
    elif change == "fewer":
        file.unlink()
    mapping = pets.parent / "classes.json"
    mapping.write_text(json.dumps({"0": 3 if change == "label" else 0, "1": 1, "2": 2, "3": 3}))
    assert open_pets(pets, classes=mapping).fingerprint() != first


# Images without classes


def test_open_images(tmp_path):
    photograph(tmp_path / "b.png")
    photograph(tmp_path / "deep" / "er" / "a.jpg", quality=50)
    opened = open_images(tmp_path)
    assert opened.files == ["b.png", "deep/er/a.jpg"]
    assert opened.labels.tolist() == [-1, -1]
    assert opened.split == "train"
    assert opened.read(np.arange(2), Geometry(32, 32)).shape == (2, 3, 32, 32)


def test_refused_images(tmp_path):
    refused(["--images", "no such folder"], open_images, tmp_path / "no")
    refused(["--images", "no image in it", ".png"], open_images, tmp_path)
