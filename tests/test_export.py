"""Exported files say what the method says, carry their card, and are evaluated as a classifier."""

import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from edges import ending
from refusals import refused
from test_methods import make
from torch import nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.backbones.export_card import FILE, PROPERTY, ExportCard
from robobench.cli import _exit_code
from robobench.contracts import Method
from robobench.corruptions import apply, catalogue
from robobench.exporting import export as exporting
from robobench.exporting.antialias import resizing_matrix
from robobench.exporting.checking import compared
from robobench.exporting.formats import FORMATS, opened, written
from robobench.exporting.images import CheckImages, half_degraded
from robobench.exporting.network import ExportedNetwork, exported_method
from robobench.methods.afd import Afd
from robobench.methods.ddp import Ddp
from robobench.registry import METHODS
from robobench.types import Context, Geometry
from robobench.weights.candidates import Candidate
from robobench.weights.classifiers import load_backbone
from robobench.weights.selection import select

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SUFFIXES = [".onnx", ".pt2", ".ts"]
EXPORTABLE = [n for n in METHODS.names() if METHODS[n].as_module is not Method.as_module]


@pytest.fixture(autouse=True)
def _one_thread(_two_threads):
    """Threads that wait for each other make single images slow on a busy machine."""
    torch.set_num_threads(1)


def exported(path, *arguments):
    """Export to a file; its format and content."""
    command = ["export", *arguments, "--out", str(path), "--limit", "5"]
    assert _exit_code(command) == 0
    return FORMATS[path.suffix], path.read_bytes()


def card_in(path):
    if path.suffix == ".onnx":
        onnx = pytest.importorskip("onnx")
        properties = {p.key: p.value for p in onnx.load(path).metadata_props}
        return ExportCard.from_json(properties[PROPERTY], "the file")
    with zipfile.ZipFile(path) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(FILE)]
        return ExportCard.from_json(archive.read(name).decode(), "the file")


def card_of(method, backbone):
    chosen = select(method, dataset="shapes10", backbone=backbone, corruptions=["jpeg_compression"])
    return exporting._card(chosen, "uint8", "logits", 32, 32)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("method", ["afd@jpeg", "ddp@jpeg"])
def test_a_file_says_what_the_method_says(suffix, method, backbone, degraded, tmp_path, capsys):
    path = tmp_path / f"net{suffix}"
    run = opened(*exported(path, method))
    chosen = select(method, dataset="shapes10", backbone=backbone, corruptions=[])
    for batch in (degraded[:1], degraded[:7]):
        expected = chosen.method.predict(batch, Context())
        torch.testing.assert_close(run(batch), expected, atol=1e-5, rtol=1e-4)
    said = capsys.readouterr().out
    assert "top-1 equal on 5 of 5" in said
    assert "ms per image, one at a time on 1 thread(s)" in said
    card = card_in(path)
    assert (card.method, card.backbone, card.layer) == (method[:3], "vgg-tiny", "stem")
    assert (card.trained_on, card.weights) == ("jpeg_compression", chosen.digest(""))
    assert (card.input, card.output, card.height, card.width) == ("uint8", "probabilities", 32, 32)
    assert (card.mean, card.std) == (backbone.geometry.mean, backbone.geometry.std)
    assert card.class_names == backbone.class_names
    assert torch.__version__.startswith(card.versions["torch"])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_floats_in_and_logits_out(suffix, backbone, degraded, tmp_path):
    path = tmp_path / f"net{suffix}"
    run = opened(*exported(path, "afd@jpeg", "--input", "float", "--output", "logits"))
    method = select("afd@jpeg", dataset="shapes10", backbone=backbone, corruptions=[]).method
    logits = run(degraded.float() / 255)
    expected = method.predict(degraded, Context())
    torch.testing.assert_close(logits.softmax(1), expected, atol=1e-5, rtol=1e-4)
    assert (logits < 0).any()
    assert (card_in(path).input, card_in(path).output) == ("float", "logits")


@pytest.mark.parametrize("name", EXPORTABLE)
def test_every_network_is_its_method(name, backbone, degraded):
    method = make(name, backbone)
    network = ExportedNetwork(method.as_module(), "uint8", "probabilities").eval()
    with torch.inference_mode():
        expected = method.predict(degraded, Context())
        parts = degraded.split(network.batch or len(degraded))
        got = torch.cat([network(part) for part in parts])
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    card = replace(card_of("org", backbone), batch=network.batch)
    content = written(FORMATS[".onnx"], network, degraded[: network.batch or 2], card)
    run = opened(FORMATS[".onnx"], content, network.batch)
    found = compared(run, method, degraded, takes="uint8", returns="probabilities")
    assert found.largest < 1e-4
    assert found.same == found.images == len(degraded)
    assert found.milliseconds > 0


@pytest.mark.parametrize(
    "spelling", [["--input", "uint8"], ["--input", "float"], ["--output", "logits"]]
)
def test_a_run_evaluates_the_file_to_the_same_accuracy(spelling, tmp_path):
    path = tmp_path / "net.onnx"
    exported(path, "afd@jpeg", *spelling)
    common = {"corruptions": "jpeg", "severities": "4", "limit": 60}
    ours = robobench.run(methods="afd@jpeg", out=tmp_path / "ours", **common).frame
    theirs = robobench.run(backbone=f"onnx:{path}", out=tmp_path / "theirs", **common).frame
    wanted = ours[(ours["method"] == "afd") & (ours["metric"] == "accuracy")]
    got = theirs[theirs["metric"] == "accuracy"]
    assert sorted(wanted["value"]) == sorted(got["value"])
    assert len(got) == 2


def test_a_files_card_tells_size_and_classes(backbone, tmp_path):
    exported(tmp_path / "net.onnx", "org", "--resize", "36", "--crop", "32")
    name = f"onnx:{tmp_path / 'net.onnx'}"
    loaded = load_backbone(name)
    assert loaded.geometry == Geometry(36, 32, "bilinear", (0, 0, 0), (1, 1, 1))
    assert loaded.class_names == backbone.class_names
    assert load_backbone(name, resize=40).geometry.resize == 40
    refused(["--mean 0.5,0.5,0.5", "itself"], load_backbone, name, mean=(0.5, 0.5, 0.5))
    refused(["--std 2,2,2", "itself"], load_backbone, name, std=(2.0, 2.0, 2.0))
    refused(["--crop 24", "32 x 32"], load_backbone, name, crop=24)
    small = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    refused(["32 x 32", "16 x 16"], loaded, small)
    with pytest.raises(robobench.errors.RobobenchError, match="exported already"):
        loaded.as_module()


def test_a_card_of_another_version_is_refused(backbone):
    text = card_of("afd@jpeg", backbone).to_json()
    assert ExportCard.from_json(text, "x").to_json() == text
    for broken in ("{", "[]", "{}", text.replace('"format": 1', '"format": 9')):
        refused(["x: its robobench metadata", "export it again"], ExportCard.from_json, broken, "x")


class Strided(nn.Module):
    """A network whose features are smaller than the image, and not by a whole factor."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, images):
        return self.head(self.first(images).mean((2, 3)))


def made_up(kind, backbone):
    """A plug-in module that is trained on nothing, but changes something."""
    method = kind(backbone)
    settings = kind.settings(backbone.stem_channels, rectified=backbone.stem_is_rectified)
    method.module = kind.build(settings).eval().requires_grad_(False)
    for parameter in method.module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return method


def transformer(**options):
    timm = pytest.importorskip("timm")
    return timm.create_model("vit_tiny_patch16_224", img_size=80, depth=2, num_classes=4, **options)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [Afd, Ddp])
@pytest.mark.parametrize("network", [Strided, transformer])
def test_resized_images_and_tokens(suffix, kind, network):
    torch.manual_seed(0)
    layer = "first" if network is Strided else "blocks.0"
    outer = Backbone(network(), geometry=Geometry(crop=80), layer=layer)
    method = made_up(kind, outer)
    images = torch.randint(0, 256, (6, 3, 80, 80), dtype=torch.uint8)
    plain, repaired = outer(images), method.predict(images, Context())
    assert (plain - repaired).abs().max() > 1e-4
    net = ExportedNetwork(method.as_module(), "uint8", "probabilities").eval()
    card = card_of("org", load_backbone("vgg-tiny", dataset="shapes10"))
    run = opened(FORMATS[suffix], written(FORMATS[suffix], net, images[:2], card))
    torch.testing.assert_close(run(images), repaired, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(run(images[:1]), repaired[:1], atol=1e-5, rtol=1e-4)


def test_a_resize_is_a_product():
    images = torch.rand(2, 3, 37, 50)
    rows, columns = resizing_matrix(37, 15), resizing_matrix(50, 21)
    wanted = nn.functional.interpolate(images, (15, 21), mode="bilinear", antialias=True)
    torch.testing.assert_close(rows @ images @ columns.T, wanted)


def test_a_plain_name_takes_the_training_that_covers_the_others(backbone, monkeypatch):
    options = {"dataset": "shapes10", "backbone": backbone, "train_seed": 0, "command": ""}

    def store(*trainings):
        card = SimpleNamespace(recipe_name="", images_count=0)
        found = {
            on: [Candidate(card, Path(f"{number}.json"))] for number, on in enumerate(trainings)
        }
        monkeypatch.setattr("robobench.weights.selection.candidates", lambda *_: found)

    store("jpeg_compression", "noise")
    text = refused("several trainings here", exported_method, "afd", **options)
    assert "afd@jpeg_compression or afd@noise" in text
    refused("is a bank", exported_method, "afd@matched", **options)
    store("jpeg_compression", "jpeg_compression/noise")
    assert exported_method("afd", **options).trained_on == "jpeg_compression/noise"
    assert exported_method("jpg", **options).trained_on == "jpeg_compression"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["afd@jpeg", "--out", "net.foo"], [".onnx (ONNX)", "got .foo"]),
        (["afd@jpeg", "--out", "net"], ["got no suffix"]),
        (["afd@jpeg", "--out", "none/net.onnx"], ["no folder none"]),
        (["afd@jpeg", "--out", "there.onnx"], ["exists", "--force"]),
        (["afd@jpeg", "--out", "folder.onnx"], ["a folder"]),
        (["afd@matched", "--out", "net.onnx"], ["bank", "afd@noise"]),
        (["afdd@jpeg", "--out", "net.onnx"], ["did you mean 'afd'"]),
        (["median", "--out", "net.onnx"], ["not one network", "these can: ", "afd"]),
        (["jpg-trueqf", "--out", "net.onnx"], ["told the level"]),
        (["jpg-headerqf", "--out", "net.onnx"], ["JPEG header"]),
        (["tent", "--out", "net.onnx"], ["adapts"]),
        (["afd@fog", "--out", "net.onnx"], ["`robobench train --method afd", "--trained-on fog"]),
        (["dncnn", "--out", "net.pt2"], ["`robobench train --method dncnn"]),
        (["arcnn", "--backbone", "onnx:x", "--out", "net.ts"], ["--dataset"]),
        (
            ["afd@jpeg", "--out", "net.ts", "--check", "nowhere"],
            ["--check nowhere", "no such folder"],
        ),
        (["afd@jpeg", "--out", "net.ts", "--check", "empty"], ["no image"]),
        (["org", "--dataset", "folder:nowhere", "--out", "net.ts"], ["nowhere"]),
        (["org", "--dataset", "shapes", "--out", "net.ts"], ["did you mean 'shapes10'"]),
        (["afd@jpeg", "--out", "net.ts", "--limit", "0"], ["--limit"]),
        (["afd@jpeg", "--out", "net.ts", "--input", "bytes"], ["--input"]),
        (["afd@jpeg", "--out", "/proc/net.ts"], ["/proc/net.ts"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_and_leaves_nothing(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.onnx").write_text("keep me")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    code, line = ending(["export", *arguments], capsys)
    assert code == 2
    for word in words:
        assert word in line
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.onnx").read_text() == "keep me"


def test_force_replaces_a_file(tmp_path):
    path = tmp_path / "net.ts"
    path.write_text("old")
    exported(path, "org", "--force")
    assert zipfile.is_zipfile(path)


def test_a_file_that_says_something_else_is_not_kept(registered, tmp_path, capsys):
    @robobench.method("other")
    class Other(Method):
        """Says one thing and writes another."""

        def predict(self, images, context):
            return self.backbone(images)

        def as_module(self):
            return Other.written(self.backbone.as_module())

        class written(nn.Module):
            def __init__(self, network):
                super().__init__()
                self.network = network

            def forward(self, images):
                return self.network(images.flip(1))

    code, line = ending(["export", "other", "--out", tmp_path / "net.ts"], capsys)
    assert code == 2
    assert "says something else than the method" in line
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_written_is_named(registered, tmp_path, capsys):
    @robobench.method("branching")
    class Branching(Method):
        """Decides by the pixels."""

        def predict(self, images, context):
            return self.backbone(images)

        def as_module(self):
            return Branching.Net(self.backbone.as_module())

        class Net(nn.Module):
            def __init__(self, network):
                super().__init__()
                self.network = network

            def forward(self, images):
                return self.network(images) * (1 if images.mean() > 99 else 2)

    code, line = ending(["export", "branching", "--out", tmp_path / "net.pt2"], capsys)
    assert code == 2
    assert "cannot be written as torch.export" in line
    assert ".onnx" in line
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, capsys):
    def fail(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "write_whole", fail)
    code, line = ending(["export", "org", "--out", tmp_path / "net.ts"], capsys)
    assert code == 2
    assert "No space left" in line


def test_without_the_extra_it_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    code, line = ending(["export", "org", "--out", tmp_path / "net.onnx"], capsys)
    assert code == 2
    assert "robobench[onnx]" in line
    exported(tmp_path / "net.ts", "org")


def test_images_come_from_a_folder_or_are_generated(tmp_path, capsys):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(3):
        pixels = np.random.default_rng(k).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    exported(tmp_path / "net.ts", "org", "--check", str(folder))
    assert "on 3 images of images:photos" in capsys.readouterr().out
    exported(tmp_path / "other.ts", "org", "--dataset", "cifar10")
    assert "on 5 generated images (" in capsys.readouterr().out


def test_a_foreign_file_with_pixels_is_not_normalised(backbone, degraded, tmp_path):
    onnx = pytest.importorskip("onnx")
    exported(tmp_path / "net.onnx", "org")
    model = onnx.load(tmp_path / "net.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    foreign = load_backbone(f"onnx:{tmp_path / 'foreign.onnx'}")
    assert foreign.geometry == Geometry(37, 32, "bilinear", (0, 0, 0), (1, 1, 1))
    assert foreign.class_names[1] == "class 1"
    torch.testing.assert_close(foreign(degraded), backbone(degraded), atol=1e-5, rtol=1e-4)


def test_half_of_the_images_are_degraded_by_what_was_trained_on():
    clean = CheckImages(torch.randint(0, 256, (9, 3, 32, 32), dtype=torch.uint8), "9 images")
    found = half_degraded(clean, "jpeg_compression/fog#10")
    changed = (found.images != clean.images).flatten(1).any(1)
    assert changed.tolist() == [n % 2 == 1 for n in range(9)]
    assert "4 of them degraded by the corruptions of jpeg_compression/fog" in found.description
    fogged = apply(
        clean.images[3:4], catalogue.at_severity("fog", 3, "cifar-c"), torch.tensor([3]), 0
    )
    assert torch.equal(found.images[3:4], fogged)
    for nothing in ("", "clean"):
        assert half_degraded(clean, nothing) is clean
