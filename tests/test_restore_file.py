"""`restore:FILE`: networks that spandrel loads."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_images import random_images
from safetensors.torch import save_file
from torch import nn

import robobench
from robobench.backbones.vision import import_torchvision
from robobench.baselines.image_quality import psnr
from robobench.baselines.restore_file import _reflected
from robobench.cli import _exit_code
from robobench.corruptions import apply, catalogue
from robobench.errors import RobobenchError
from robobench.types import Context
from robobench.weights import storage
from robobench.weights.readiness import readiness
from robobench.weights.selection import select

FOREIGN = {"dncnn-color-blind.pth": 3, "dncnn3-luma-jpeg.pth": 1}
DATA = os.environ.get("ROBOBENCH_DATA", "")


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
    return select(f"restore:{file}", dataset="shapes10", backbone=backbone, corruptions=[])


def restoring(file, backbone):
    return chosen(file, backbone).method


def test_a_file_gets_a_short_name_and_its_digest(rgb_file, luma_file, backbone):
    selected = chosen(rgb_file, backbone)
    assert selected.name == "restore:small-network"
    assert selected.kind.argument_digest == storage.digest_of_file(rgb_file)
    digests = {c.digest("") for c in (selected, chosen(luma_file, backbone))}
    assert len(digests | {backbone.digest}) == 3
    assert storage.digest_of_file(rgb_file)[:12] in selected.line


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
    assert {c.weights for c in run.cells if c.method == "restore:luma"} != {
        c.weights for c in run.cells if c.method == "org"
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
