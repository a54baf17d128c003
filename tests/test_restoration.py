"""Restoration, then classification: measures of quality, filters, trained and foreign networks."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import robobench
from robobench.backbones.backbone import Backbone, cost_of, folded
from robobench.backbones.vision import import_torchvision
from robobench.baselines.dncnn import DnCnn
from robobench.baselines.image_quality import psnr, ssim
from robobench.baselines.restoration import in_pieces
from robobench.baselines.restore_file import _reflected
from robobench.cli import _exit_code
from robobench.corruptions import apply, catalogue
from robobench.datasets import open_dataset
from robobench.errors import MissingWeights, RobobenchError
from robobench.evaluation import plan
from robobench.registry import METHODS
from robobench.training.trainer import Order, train_one
from robobench.types import CLEAN, Context, Geometry
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone
from robobench.weights.readiness import readiness
from robobench.weights.selection import resolve

FILTERS = ["median", "bilateral", "nlm"]
FOREIGN = {"dncnn-color-blind.pth": 3, "dncnn3-luma-jpeg.pth": 1}
DATA = os.environ.get("ROBOBENCH_DATA", "")


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("vgg-tiny", dataset="shapes10")


@pytest.fixture(scope="module")
def clean():
    return open_dataset("shapes10").read(np.arange(40), Geometry())


@pytest.fixture(scope="module")
def degraded(clean):
    return apply(clean, catalogue.at_level("jpeg_compression", 10), torch.arange(len(clean)))


def random_images(n=4, height=32, width=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, height, width), generator=generator, dtype=torch.uint8)


# --- measures


@pytest.mark.parametrize("size", [(32, 32), (40, 27), (11, 64), (96, 96)])
@pytest.mark.parametrize("sigma", [0.0, 2.0, 40.0])
def test_ssim_is_that_of_scikit_image(size, sigma):
    from skimage.metrics import structural_similarity

    ramp = torch.linspace(0, 255, size[1]).expand(4, 3, *size)
    first = torch.cat([random_images(3, *size), ramp[:1].to(torch.uint8)])
    noise = torch.randn(first.shape, generator=torch.Generator().manual_seed(1)) * sigma
    second = (first + noise).clamp(0, 255).round().to(torch.uint8)
    expected = [
        structural_similarity(
            a.permute(1, 2, 0).numpy(),
            b.permute(1, 2, 0).numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=255,
        )
        for a, b in zip(first, second, strict=True)
    ]
    torch.testing.assert_close(
        ssim(first, second), torch.tensor(expected).float(), atol=1e-4, rtol=0
    )


def test_ssim_of_equal_and_of_opposite_images():
    images = random_images()
    assert torch.equal(ssim(images, images), torch.ones(4))
    assert (ssim(images, 255 - images) < 0).all()
    flat = torch.full((1, 3, 16, 16), 128, dtype=torch.uint8)
    assert float(ssim(flat, flat + 1)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("size", "window"), [((10, 32), 9), ((8, 8), 7), ((3, 5), 3), ((1, 4), 1)])
def test_small_images_have_a_smaller_window(size, window):
    a, b = random_images(2, *size), random_images(2, *size, seed=1)
    place = torch.arange(window) - window // 2
    weight = torch.exp(-(place**2) / 4.5).double()
    weight = torch.outer(weight, weight) / weight.sum() ** 2
    windows = [t.double().unfold(2, window, 1).unfold(3, window, 1) for t in (a, b)]
    means = [(w * weight).sum((4, 5)) for w in windows]
    squares = [(w**2 * weight).sum((4, 5)) for w in windows]
    (x, y), (vx, vy) = means, [s - m**2 for s, m in zip(squares, means, strict=True)]
    covariance = (windows[0] * windows[1] * weight).sum((4, 5)) - x * y
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * x * y + c1) * (2 * covariance + c2) / ((x**2 + y**2 + c1) * (vx + vy + c2))
    torch.testing.assert_close(ssim(a, b), expected.mean((1, 2, 3)).float(), atol=1e-5, rtol=0)


def test_both_measures_reach_the_results(tmp_path):
    run = robobench.run("median", "jpeg:10", limit=20, out=str(tmp_path / "run"))
    frame = run.frame[run.frame["method"] == "median"].set_index(["metric", "corruption"])["value"]
    assert frame["ssim", CLEAN] > frame["ssim", "jpeg_compression"] > 0
    assert 45 > frame["psnr", CLEAN] > frame["psnr", "jpeg_compression"] > 15


# --- filters


@pytest.mark.parametrize("name", FILTERS)
def test_filters_keep_clean_images_close_and_flat_ones_equal(name, backbone, clean):
    method = METHODS[name](backbone)
    restored = method.restore(clean)
    assert restored.shape == clean.shape
    assert restored.dtype == torch.uint8
    assert float(psnr(restored, clean).mean()) > 24
    flat = torch.full((2, 3, 20, 33), 77, dtype=torch.uint8)
    assert torch.equal(method.restore(flat), flat)


@pytest.mark.parametrize("name", FILTERS)
def test_filters_remove_noise(name, backbone):
    method = METHODS[name](backbone)
    smooth = torch.linspace(60, 190, 48).expand(2, 3, 48, 48).to(torch.uint8)
    noisy = apply(smooth, catalogue.at_level("gaussian_noise", 8), torch.arange(2))
    assert (psnr(method.restore(noisy), smooth) > psnr(noisy, smooth)).all()
    assert (ssim(method.restore(noisy), smooth) > ssim(noisy, smooth)).all()


# --- networks that are trained here


def test_dncnn_has_the_sizes_of_the_record():
    published = sum(p.numel() for p in folded(DnCnn(20).eval()).parameters())
    assert published == 668_227  # the colour-blind one, batch normalisation folded
    small = DnCnn(**METHODS["dncnn"].small)
    assert cost_of(small.eval(), torch.zeros(1, 3, 32, 32)).macs < 30e6


def test_an_untrained_dncnn_leaves_images_alone():
    x = torch.rand(2, 3, 20, 24)
    torch.testing.assert_close(DnCnn(5, 8)(x), x)


def test_restorers_are_sized_by_the_images(backbone):
    large = Backbone(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), geometry=Geometry(crop=96)
    )
    for name, option in (("arcnn", "widths"), ("dncnn", "depth")):
        kind = METHODS[name]
        assert kind.recipes(backbone)["standard"].options[option] == kind.small[option]
        assert kind.recipes(large)["standard"].options[option] == kind.large[option]


def test_arcnn_restores_what_jpeg_took(backbone, clean, degraded):
    found = storage.find("arcnn", dataset="shapes10", trained_on="jpeg_compression")
    method = METHODS["arcnn"](backbone, storage.load(found[0]))
    told = method.columns(degraded, clean, Context())
    assert float((told["psnr"] - psnr(degraded, clean)).mean()) > 0.2
    assert float((told["ssim"] - ssim(degraded, clean)).mean()) > 0
    assert float(psnr(method.restore(clean), clean).mean()) > 28


def test_many_large_images_are_restored_a_few_at_a_time():
    seen = []

    def note(piece):
        seen.append(len(piece))
        return piece

    images = torch.zeros(7, 3, 256, 512, dtype=torch.uint8)
    assert torch.equal(in_pieces(note, images), images)
    assert seen == [2, 2, 2, 1]
    assert in_pieces(note, images[:0]).shape == (0, 3, 256, 512)


# --- classifiers behind a restorer


@pytest.fixture
def brief(monkeypatch):
    """The classifiers of jpg are trained for a few steps on a few images."""
    monkeypatch.setattr("robobench.training.pools._VALIDATION_IMAGES", 40)
    kind = METHODS["jpg"]
    recipes = kind.recipes.__func__

    def shortened(cls, backbone):
        return {
            name: recipe.in_one_cycle(steps=5, batch=16, evaluations=1)
            for name, recipe in recipes(cls, backbone).items()
        }

    monkeypatch.setattr(kind, "recipes", classmethod(shortened))


def test_a_classifier_is_trained_behind_its_restorer_and_run(brief, backbone, degraded, tmp_path):
    made = train_one(
        Order(limit=200, precision="fp32"), "arcnn-res", "jpeg_compression", again=True
    )
    loaded = storage.load(made.card)
    restorer = storage.load(
        storage.find("arcnn", dataset="shapes10", trained_on="jpeg_compression")[0]
    )
    jpg = METHODS["jpg"].recipes(backbone)["standard"]
    assert loaded.card.belongs_to == "classifier"
    assert loaded.card.recipe["rate"] == jpg.rate
    assert loaded.card.recipe["network"]["restorer digest"] == restorer.card.digest
    assert {k for k in loaded.tensors if k.startswith("restorer.")} == {
        f"restorer.{k}" for k in restorer.tensors
    }
    for key, tensor in restorer.tensors.items():
        assert torch.equal(loaded.tensors[f"restorer.{key}"], tensor)

    method = METHODS["arcnn-res"](backbone, loaded)
    in_front = METHODS["arcnn"](backbone, restorer)
    restored = in_front.restore(degraded)
    assert torch.equal(method.restore(degraded), restored)
    with torch.inference_mode():
        answers = method.predict(degraded, Context())
    assert torch.equal(answers, method.classifier(restored))
    assert not torch.equal(answers, backbone(restored))
    assert method.cost() == in_front.cost()

    out = tmp_path / "run"
    arguments = (
        f"run --methods arcnn,arcnn-res --corruptions jpeg:10 --limit 30 --no-report --out {out}"
    )
    assert _exit_code(arguments.split()) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    told = {m["method"]: m for m in manifest["methods"]}
    assert told["arcnn-res"]["trained_on"] == "jpeg_compression"
    assert told["arcnn-res"]["macs"] == told["arcnn"]["macs"] > told["org"]["macs"]


def test_a_missing_restorer_is_named_with_the_command_that_makes_it():
    with pytest.raises(MissingWeights) as caught:
        train_one(Order(limit=20), "dncnn-res", "gaussian_noise")
    told = str(caught.value)
    assert "dncnn-res is built on dncnn" in told
    line = "robobench train --method dncnn --dataset shapes10 --backbone vgg-tiny"
    assert f"`{line} --trained-on gaussian_noise`" in told
    assert "\n" not in told


def test_train_missing_trains_the_restorer_first(monkeypatch):
    from robobench.evaluation.configuration import Configuration
    from robobench.training import trainer

    asked = []

    def train(order, method, training):
        asked.append(method)
        if asked == ["dncnn-res"]:
            raise MissingWeights("no", method="dncnn", trainings=(training,), train_seed=0)

    monkeypatch.setattr(trainer, "train_one", train)
    missing = MissingWeights("no", method="dncnn-res", trainings=("noise",), train_seed=0)
    plan._train(Configuration(), missing, lambda line: None)
    assert asked == ["dncnn-res", "dncnn", "dncnn-res"]


# --- networks of others


def write_dncnn(path, channels=3, width=8):
    """A file as the authors of DnCNN publish them, of a network that spandrel knows."""
    generator = torch.Generator().manual_seed(0)
    layers = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
    for _ in range(6):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    layers.append(nn.Conv2d(width, channels, 3, padding=1))
    state = {f"model.{k}": v for k, v in nn.Sequential(*layers).state_dict().items()}
    state = {k: torch.randn(v.shape, generator=generator) * 0.05 for k, v in state.items()}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def rgb_file(tmp_path_factory):
    return write_dncnn(tmp_path_factory.mktemp("foreign") / "small network.pth")


@pytest.fixture(scope="module")
def luma_file(tmp_path_factory):
    return write_dncnn(tmp_path_factory.mktemp("foreign") / "luma.safetensors", channels=1)


def chosen(file, backbone):
    return resolve(f"restore:{file}", dataset="shapes10", backbone=backbone, corruptions=[])


def restoring(file, backbone):
    return chosen(file, backbone).build(backbone)


def test_a_file_gets_a_short_name_and_its_digest(rgb_file, luma_file, backbone):
    choice = chosen(rgb_file, backbone)
    assert choice.name == "restore:small-network"
    assert choice.method.argument_digest == storage.digest_of_file(rgb_file)
    digests = {c.digest("") for c in (choice, chosen(luma_file, backbone))}
    assert len(digests | {backbone.digest}) == 3
    assert storage.digest_of_file(rgb_file)[:12] in choice.line


def test_a_network_of_three_channels_restores_rgb(rgb_file, backbone):
    method, images = restoring(rgb_file, backbone), random_images()
    network = method.network
    expected = (network(images.float() / 255) * 255).round().to(torch.uint8)
    assert torch.equal(method.restore(images), expected)
    assert not torch.equal(expected, images)
    with torch.inference_mode():
        assert torch.equal(method.predict(images, Context()), backbone(expected))
    assert "DnCNN" in method.notes[0]
    assert "RGB" in method.notes[0]


def test_a_network_of_one_channel_restores_luma_and_leaves_chroma(luma_file, backbone):
    method = restoring(luma_file, backbone)
    images = random_images().clamp(60, 190)
    matrix = torch.tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    before, after = (
        torch.einsum("kc,nchw->nkhw", matrix, t.float()) for t in (images, method.restore(images))
    )
    expected = method.network(before[:, :1] / 255) * 255
    assert (after[:, :1] - expected).abs().max() <= 0.51
    assert (after[:, 1:] - before[:, 1:]).abs().max() <= 1.01  # rounding to bytes
    assert (after[:, :1] - before[:, :1]).abs().mean() > 1
    assert "luma" in method.notes[0]


def test_its_cost_is_that_of_network_and_classifier(rgb_file, backbone):
    cost, alone = restoring(rgb_file, backbone).cost(), backbone.cost()
    weights_of_layers = (3 * 8 + 6 * 8 * 8 + 8 * 3) * 9
    assert cost.parameters - alone.parameters == weights_of_layers + 7 * 8 + 3
    assert cost.macs - alone.macs == weights_of_layers * 32 * 32


@pytest.mark.parametrize(("side", "more"), [(5, 0), (5, 3), (2, 7), (1, 3), (32, 32)])
def test_images_are_continued_by_reflection(side, more):
    line = np.arange(side)
    expected = np.pad(line, (0, more), mode="reflect") if side > 1 else np.zeros(side + more)
    np.testing.assert_array_equal(_reflected(side, more).numpy(), expected)


def test_a_network_that_wants_large_multiples_gets_them(rgb_file, backbone, monkeypatch):
    import_torchvision()
    from spandrel import SizeRequirements

    method, images = restoring(rgb_file, backbone), random_images(2, 20, 24)
    plain = method.restore(images)
    monkeypatch.setattr(
        method.network,
        "size_requirements",
        SizeRequirements(minimum=40, multiple_of=8, square=True),
    )
    seen = []
    hook = method.network.model.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape))
    padded = method.restore(images)
    hook.remove()
    assert seen == [(2, 3, 40, 40)]
    assert padded.shape == images.shape
    inside = (..., slice(0, 12), slice(0, 16))  # the network sees eight pixels
    assert (padded[inside].int() - plain[inside].int()).abs().max() <= 1


@pytest.mark.parametrize("name", FOREIGN)
def test_published_networks_restore(name, backbone, clean, degraded):
    file = Path(DATA) / "weights" / name
    if not DATA or not file.is_file():
        pytest.skip(f"ROBOBENCH_DATA has no weights/{name}")
    method = restoring(file, backbone)
    assert method.channels == FOREIGN[name]
    if name.startswith("dncnn3"):
        source, enough = degraded, 0.1
    else:
        noise = catalogue.at_level("gaussian_noise", 25)
        source, enough = apply(clean, noise, torch.arange(len(clean))), 3
    gained = psnr(method.restore(source), clean) - psnr(source, clean)
    assert float(gained.mean()) > enough
    assert float(psnr(method.restore(clean), clean).mean()) > 28


def test_two_files_run_from_the_command_line(rgb_file, luma_file, tmp_path):
    out = tmp_path / "run"
    methods = f"restore:{rgb_file},restore:{luma_file},restore:{rgb_file.parent}/./{rgb_file.name}"
    arguments = ["run", "--methods", methods, "--corruptions", "jpeg:10", "--limit", "20"]
    assert _exit_code([*arguments, "--out", str(out)]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    names = ["org", "restore:small-network", "restore:luma"]
    assert [m["method"] for m in manifest["methods"]] == names
    assert any(storage.digest_of_file(luma_file) in note for note in manifest["notes"])
    run = robobench.load(out)
    assert set(run.frame["method"]) == set(names)
    assert {c.weights for c, _ in run.items if c.method == "restore:luma"} != {
        c.weights for c, _ in run.items if c.method == "org"
    }
    assert (out / "report" / "index.html").is_file()
    assert _exit_code([*arguments, "--out", str(out), "--no-report"]) == 0
    assert len(robobench.load(out).manifest["sessions"]) == 2
    assert robobench.load(out).manifest["sessions"][1]["cells"] == 0


def test_restore_is_listed_with_its_argument():
    assert ("restore:FILE", "ready: with a FILE of your own") in readiness("shapes10")


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["ROBOBENCH_TEST_EVIL"],)


MISTAKES = {
    "misspelled": ("restor:x.pth", "unknown method 'restor': did you mean 'restore'"),
    "no file named": ("restore", "expected restore:FILE"),
    "nothing after the colon": ("restore:", "expected restore:FILE"),
    "an argument too many": ("median:5", "median takes no argument; leave :5 out"),
    "missing": ("restore:{place}/none.pth", "no such file"),
    "folder": ("restore:{place}", ": a folder"),
    "text": ("restore:{place}/text.pth", "cannot be read"),
    "cut": ("restore:{place}/cut.safetensors", "cannot be read"),
    "code": ("restore:{place}/evil.pth", "holds tensors only"),
    "a list": ("restore:{place}/list.pth", "state dict .* got list"),
    "unknown network": ("restore:{place}/other.pth", "spandrel knows no network"),
    "super-resolution": ("restore:{place}/large.pth", "enlarges images"),
    "two of one name": ("restore:{place}/a/same.pth,restore:{place}/b/same.pth", "rename one"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    import_torchvision()
    from spandrel.architectures.Compact import Compact

    place = tmp_path_factory.mktemp("wrong")
    (place / "text.pth").write_text("not a network")
    whole = write_dncnn(place / "whole.safetensors").read_bytes()
    (place / "cut.safetensors").write_bytes(whole[:100])
    torch.save([1, 2], place / "list.pth")
    torch.save({"weight": torch.zeros(3)}, place / "other.pth")
    torch.save(Compact(num_feat=4, num_conv=1, upscale=2).state_dict(), place / "large.pth")
    for number, name in enumerate("ab"):
        (place / name).mkdir()
        write_dncnn(place / name / "same.pth", width=8 + 8 * number)
    return place


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_end_in_one_line(mistake, place, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBOBENCH_TEST_EVIL", str(place / "was-run"))
    torch.save({"evil": Evil()}, place / "evil.pth")
    methods, message = MISTAKES[mistake]
    methods = methods.format(place=place)
    arguments = ["run", "--methods", methods, "--corruptions", "jpeg:10", "--limit", "20"]
    assert _exit_code([*arguments, "--no-report", "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err.strip()
    assert told.count("\n") == 0, told
    assert told.startswith("robobench: ")
    assert re.search(message, told), told
    assert not (tmp_path / "run").exists()
    assert not (place / "was-run").exists()


def test_without_spandrel_the_extra_is_named(rgb_file, backbone, monkeypatch):
    from robobench.baselines import restore_file

    restore_file._load.cache_clear()
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(RobobenchError, match=r"pip install 'robobench\[restoration\]'"):
        restoring(rgb_file, backbone)
