"""Images from Parquet tables, tar archives, torch data sets and HEIF files."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from refusals import refused
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import robobench
from robobench.backbones import hub
from robobench.datasets import decoding, from_arrays, open_dataset
from robobench.datasets.torch_data import from_torch
from robobench.types import Geometry

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 16, 16, 3), np.uint8)
LABELS = [0, 1, 2, 2, 1, 0]
NAMES = ["ant", "bee", "cat"]


def encoded(pixels, form="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def table(path, images=PIXELS, labels=LABELS, names=NAMES, column="label", plain=False):
    """A file as `datasets.Dataset.to_parquet` writes it."""
    content = [encoded(image) for image in images]
    if not plain:
        content = [{"bytes": one, "path": f"{k}.png"} for k, one in enumerate(content)]
    made = pa.table({"image": content, column: labels})
    if names:
        features = {"image": {"_type": "Image"}, column: {"names": names, "_type": "ClassLabel"}}
        text = json.dumps({"info": {"features": features}})
        made = made.replace_schema_metadata({"huggingface": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(made, path)


@pytest.mark.parametrize("plain", [False, True])
def test_a_folder_of_parquet_files(tmp_path, plain):
    table(tmp_path / "data" / "test-00000-of-00002.parquet", PIXELS[:4], LABELS[:4], plain=plain)
    table(tmp_path / "data" / "test-00001-of-00002.parquet", PIXELS[4:], LABELS[4:], plain=plain)
    table(tmp_path / "data" / "train-00000-of-00001.parquet", PIXELS[:1], [2], plain=plain)
    opened = open_dataset(f"hf:{tmp_path}", class_names=None)
    assert (opened.name, opened.class_names) == (f"hf:{tmp_path.name}", ("ant", "bee", "cat"))
    assert (opened.labels.tolist(), opened.profile) == (LABELS, "cifar-c")
    read = opened.read(np.array([5, 0]), Geometry())
    np.testing.assert_array_equal(read.permute(0, 2, 3, 1).numpy(), PIXELS[[5, 0]])
    np.testing.assert_array_equal(opened.read_native(3), PIXELS[3])
    assert len(open_dataset(f"hf:{tmp_path}", class_names=None, split="train")) == 1
    other = open_dataset(f"hf:{tmp_path}", class_names=None).fingerprint()
    assert opened.fingerprint() == other


def test_labels_are_matched_with_the_classifiers(tmp_path):
    table(tmp_path / "x.parquet", labels=[NAMES[k] for k in LABELS], names=None)
    theirs = ["dog", "cat", "ant", "bee"]
    opened = open_dataset(f"hf:{tmp_path}", class_names=theirs)
    assert opened.labels.tolist() == [2, 3, 1, 1, 3, 2]
    table(tmp_path / "x.parquet")
    assert open_dataset(f"hf:{tmp_path}", class_names=theirs).labels.tolist() == [2, 3, 1, 1, 3, 2]
    refused("not the name of any", open_dataset, f"hf:{tmp_path}", class_names=["x", "y"])


def test_refused_parquet(tmp_path, monkeypatch):
    name = f"hf:{tmp_path}"
    refused("no Parquet file", open_dataset, name)
    table(tmp_path / "validation-00000.parquet", column="species")
    refused(["no column of labels", "image, species"], open_dataset, name)
    table(tmp_path / "validation-00000.parquet")
    assert len(open_dataset(name)) == 6  # the validation images, as often with the hub's sets
    refused("has no train split", open_dataset, name, split="train")
    table(tmp_path / "validation-00000.parquet", labels=[0, 1, 2, 2, 1, 9])
    refused("labels from 0 to 9 for 3 classes", open_dataset, name)
    (tmp_path / "validation-00000.parquet").write_bytes(b"PAR1 torn")
    refused("is no Parquet file", open_dataset, name)
    refused("no such folder", open_dataset, "hf:./nowhere")
    refused("write hf:OWNER/NAME", open_dataset, "hf")
    monkeypatch.setattr(hub, "hub_folder", lambda *_, **told: tmp_path / str(told["download"]))
    refused("no Parquet file", open_dataset, "hf:somebody/set")


def tar(path, samples):
    with tarfile.open(path, "w") as archive:
        for name, content in samples.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_webdataset_archives(tmp_path):
    for shard in range(2):
        samples = {}
        for k in range(3 * shard, 3 * shard + 3):
            samples[f"set/{k:04}.png"] = encoded(PIXELS[k])
            samples[f"set/{k:04}.cls"] = str(LABELS[k]).encode()
            samples[f"set/{k:04}.json"] = b"{}"
        tar(tmp_path / f"shard-{shard}.tar", samples)
    opened = open_dataset(f"wds:{tmp_path}", class_names=NAMES)
    assert (opened.labels.tolist(), opened.class_names) == (LABELS, tuple(NAMES))
    read = opened.read(np.arange(6), Geometry())
    np.testing.assert_array_equal(read.permute(0, 2, 3, 1).numpy(), PIXELS)
    one = open_dataset(f"wds:{tmp_path / 'shard-1.tar'}", class_names=None)
    assert (one.labels.tolist(), one.class_names) == ([2, 1, 0], ("0", "1", "2"))
    refused("label 2 is none of", open_dataset, f"wds:{tmp_path}", class_names=["a", "b"])


def test_refused_archives(tmp_path):
    refused("no such file", open_dataset, "wds:nowhere.tar")
    refused("no tar file", open_dataset, f"wds:{tmp_path}")
    refused("write wds:FILE.tar", open_dataset, "wds")
    (tmp_path / "x.tar").write_bytes(b"torn" * 200)
    refused("is no tar file of samples", open_dataset, f"wds:{tmp_path}")
    tar(tmp_path / "x.tar", {"0.jpg": b"x"})
    refused("sample 0 lacks its label (.cls)", open_dataset, f"wds:{tmp_path}")
    tar(tmp_path / "x.tar", {"0.jpg": b"x", "0.cls": b"0"})
    refused("0.jpg in x.tar", open_dataset, f"wds:{tmp_path}")
    tar(tmp_path / "x.tar", {"0.png": encoded(PIXELS[0]), "0.cls": b"zebra"})
    refused("not the name of any", open_dataset, f"wds:{tmp_path}", class_names=NAMES)


class Listed(torch.utils.data.Dataset):
    def __init__(self, images, labels=LABELS, classes=None):
        self.images, self.labels = images, labels
        if classes:
            self.classes = classes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


class Stream(IterableDataset):
    def __iter__(self):
        yield from zip(TENSORS, LABELS, strict=True)


TENSORS = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
SOURCES = {
    "PIL": Listed([Image.fromarray(p) for p in PIXELS], classes=NAMES),
    "bytes": Listed(list(TENSORS)),
    "floats": Listed(list(TENSORS / 255)),
    "tensor data set": TensorDataset(TENSORS, torch.tensor(LABELS)),
    "shuffled loader": DataLoader(Listed(list(TENSORS)), batch_size=4, shuffle=True),
    "stream": Stream(),
    "loader of a stream": DataLoader(Stream(), batch_size=4),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_torch_data_sets_and_loaders(source):
    opened = from_torch(source)
    wanted = from_arrays(PIXELS, LABELS)
    assert opened.fingerprint() == wanted.fingerprint()
    named = isinstance(source, Listed) and hasattr(source, "classes")
    assert opened.class_names == (tuple(NAMES) if named else ("0", "1", "2"))


REFUSED = {
    "normalised": (Listed([TENSORS[0] / 128 - 1]), "leave Normalize"),
    "grey": (Listed([TENSORS[0][:1]]), "expected a PIL image or a tensor 3 x H x W"),
    "sizes": (Listed([TENSORS[0], TENSORS[0][:, :8]]), "different sizes (16 x 16 and 16 x 8)"),
    "label": (Listed([TENSORS[0]], ["ant"]), "expected an integer as label, got a str"),
    "dictionary": (DataLoader([{"image": 1}]), "expected pairs (image, label), got a dict"),
    "empty": (Listed([]), "has no image"),
    "integers": (Listed([TENSORS[0].int()]), "expected uint8"),
}


@pytest.mark.parametrize(("source", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_torch_data(source, message):
    refused(message, from_torch, source)


def test_a_run_takes_a_torch_data_set(toy, tmp_path):
    images, labels = toy["dataset"]
    settings = {k: v for k, v in toy.items() if k != "dataset"}
    settings |= {"methods": "org", "corruptions": "jpeg:50", "limit": 20}
    data = Listed([Image.fromarray(p) for p in images], labels.tolist())
    one = robobench.run(dataset=DataLoader(data), out=tmp_path / "one", **settings)
    two = robobench.run(dataset=(images, labels), out=tmp_path / "two", **settings)
    assert [cell.digest for cell in one.cells] == [cell.digest for cell in two.cells]
    assert one.frame["value"].tolist() == two.frame["value"].tolist()
    refused("a torch Dataset or DataLoader", robobench.run, dataset=7, out=tmp_path / "three")


def test_heif_files_are_read_where_the_package_is_there(tmp_path):
    pytest.importorskip("pillow_heif")
    for label in ("0", "1"):
        (tmp_path / label).mkdir()
        path = tmp_path / label / "photo.heic"
        path.write_bytes(encoded(PIXELS[0].repeat(4, 0).repeat(4, 1), "HEIF", quality=95))
    opened = open_dataset(f"folder:{tmp_path}", class_names=None)
    assert opened.files == ["0/photo.heic", "1/photo.heic"]
    assert opened.read(np.arange(2), Geometry()).shape == (2, 3, 64, 64)


def test_heif_files_are_refused_where_it_is_not(tmp_path, monkeypatch):
    heif = {".heic", ".heif", ".hif"}
    finding = robobench.datasets.finding
    monkeypatch.setattr(finding, "IMAGE_SUFFIXES", decoding.IMAGE_SUFFIXES - heif)
    monkeypatch.setattr(finding, "UNREAD_SUFFIXES", decoding.UNREAD_SUFFIXES | heif)
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "photo.heic").write_bytes(b"x")
    refused("pip install pillow-heif", open_dataset, f"folder:{tmp_path}", class_names=None)
