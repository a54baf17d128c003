"""Every mistake that a user can make ends in one helpful line and exit code 2."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from robobench.cli import _exit_code
from robobench.results.manifest import write_manifest
from robobench.results.store import Store

RUN = "run --methods org --corruptions jpeg --severities 1 --limit 20 --no-report --out {out}"
TOYNET = """
from torch import nn

def three():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))

def raising():
    raise OSError("no such luck")

def wrong():
    return "not a network"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with everything that can be wrong."""
    place = tmp_path_factory.mktemp("mistakes")
    rng = np.random.default_rng(0)

    def image(path, mode="RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).convert(mode).save(path)

    for name in ("0", "1", "2"):
        image(place / "good" / name / "a.png")
        image(place / "good" / name / "b.png")
        image(place / "unknown" / f"class{name}x" / "a.png")
    image(place / "broken" / "0" / "a.png")
    image(place / "broken" / "1" / "a.png")
    cut = place / "broken" / "1" / "a.png"
    cut.write_bytes(cut.read_bytes()[:300])
    (place / "empty").mkdir()
    (place / "classless").mkdir()
    image(place / "classless" / "a.png")
    image(place / "beyond" / "7" / "a.png")
    (place / "net.py").write_text(TOYNET)
    (place / "raises.py").write_text("1 / 0\n")
    (place / "twice.py").write_text(
        "import robobench\n@robobench.method('org')\nclass O(robobench.Method): pass\n"
    )
    (place / "config.toml").write_text("metods = 'org'\n")
    (place / "broken.toml").write_text("= nothing\n")
    (place / "classes.csv").write_text("folder,class\n0,zebra\n1,class 1\n2,class 2\n")
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    save_file(head.state_dict(), place / "three.safetensors")
    save_file({"2.weight": torch.zeros(5, 3), "2.bias": torch.zeros(5)}, place / "five.safetensors")
    save_file({"other": torch.zeros(1)}, place / "other.safetensors")
    (place / "cut.safetensors").write_bytes((place / "three.safetensors").read_bytes()[:60])
    torch.save(head, place / "pickle.pt")
    return place


NET = "--backbone {place}/net.py:three --weights {place}/three.safetensors"
GOOD = "--dataset folder:{place}/good " + NET

MISTAKES = {
    "unknown command": ("rnu", "unknown command 'rnu': did you mean 'run'"),
    "unknown option": ("run --metods org", r"(?i)no such option.*--methods"),
    "option without value": ("run --methods", "requires an argument"),
    "unknown method": (RUN + " --methods adf", "unknown method 'adf': did you mean 'afd'"),
    "no method": (RUN + " --methods , --no-reference", "at least one is expected"),
    "method trained on nothing": (RUN + " --methods afd@", "after @"),
    "no method before #": (RUN + " --methods #10", "expected a method before #"),
    "no method before @": ("train --method @jpeg", "expected a method before @"),
    "unknown training": (RUN + " --methods afd@jpg", "jpeg"),
    "training of another method": (RUN + " --methods jpg@fog", "jpeg_compression"),
    "a level alone": (RUN + " --corruptions jpeg:10,20", "'jpeg:10,jpeg:20'"),
    "unknown corruption": (RUN + " --corruptions jpeq", "did you mean 'jpeg"),
    "no corruption": (RUN + " --corruptions ,", "at least one is expected"),
    "quality out of range": (RUN + " --corruptions jpeg:0-200", "100"),
    "sweep backwards": (RUN + " --corruptions jpeg:90-10", "LOW <= HIGH"),
    "sweep without unit": (RUN + " --corruptions glass_blur:3", "glass_blur"),
    "sweep in words": (RUN + " --corruptions jpeg:low", "levels are written like"),
    "severity out of range": (RUN + " --severities 0-6", "from 1 to 5"),
    "severity in words": (RUN + " --severities high", "from 1 to 5"),
    "unknown profile": (RUN + " --profile imagenet", "did you mean 'imagenet-c'"),
    "unknown dataset": (RUN + " --dataset shape10", "did you mean 'shapes10'"),
    "dataset without data": (RUN + " --dataset cifar10 --backbone vgg-small", "cifar10"),
    "data root missing": (RUN + " --dataset cifar100 --data-root {place}/no", "no"),
    "folder missing": (RUN + " --dataset folder:{place}/no " + NET, "no"),
    "folder without path": (RUN + " --dataset folder: " + NET, "folder:PATH"),
    "folder empty": (RUN + " --dataset folder:{place}/empty " + NET, "empty"),
    "folder without classes": (RUN + " --dataset folder:{place}/classless " + NET, "classless"),
    "class names unknown": (RUN + " --dataset folder:{place}/unknown " + NET, "--classes"),
    "class beyond the outputs": (RUN + " --dataset folder:{place}/beyond " + NET, "7"),
    "broken image": (RUN + " --dataset folder:{place}/broken " + NET, "a.png"),
    "classes file missing": (RUN + " --classes {place}/no.csv " + GOOD, "no.csv"),
    "classes file wrong": (RUN + " --classes {place}/classes.csv " + GOOD, "zebra"),
    "no backbone for a folder": (RUN + " --dataset folder:{place}/good", "--backbone"),
    "unknown backbone": (RUN + " --backbone vgg-tny", "did you mean 'vgg-tiny'"),
    "unknown timm model": (RUN + " --backbone timm:resnet18x", "resnet18"),
    "unknown torchvision model": (RUN + " --backbone torchvision:resnet19", "resnet18"),
    "pretrained without download": (RUN + " --backbone torchvision:resnet18", "--weights"),
    "weights missing": (RUN + " --backbone torchvision:resnet18 --weights {place}/no.pt", "no.pt"),
    "weights of another shape": (
        RUN + " --dataset folder:{place}/good --backbone {place}/net.py:three"
        " --weights {place}/five.safetensors",
        r"\(?5, 3|5 x 3|\[5, 3\]",
    ),
    "weights of another network": (
        RUN + " --dataset folder:{place}/good --backbone {place}/net.py:three"
        " --weights {place}/other.safetensors",
        "other",
    ),
    "weights cut short": (
        RUN + " --dataset folder:{place}/good --backbone {place}/net.py:three"
        " --weights {place}/cut.safetensors",
        r"cut\.safetensors",
    ),
    "weights as a pickle": (
        RUN + " --dataset folder:{place}/good --backbone {place}/net.py:three"
        " --weights {place}/pickle.pt",
        r"pickle\.pt",
    ),
    "wrong class count": (RUN + " " + NET, "10|classes"),
    "factory missing": (RUN + " --backbone {place}/net.py:four", r"function four\(\)"),
    "factory raises": (RUN + " --backbone {place}/net.py:raising", "no such luck"),
    "factory returns no network": (RUN + " --backbone {place}/net.py:wrong", r"nn\.Module"),
    "onnx missing": (RUN + " --backbone onnx:{place}/no.onnx", r"no\.onnx"),
    "limit zero": (RUN + " --limit 0", "1 or more"),
    "limit in words": (RUN + " --limit few", "few"),
    "batch size negative": (RUN + " --batch-size -1", "1 or more"),
    "mean of two": (RUN + " --mean 0.5,0.5", "three numbers"),
    "std of zero": (RUN + " --std 0,1,1", "above 0"),
    "unknown device": (RUN + " --device cuda:99", "--device cuda:99"),
    "unknown precision": (RUN + " --precision fp64", "fp32 or bf16"),
    "unknown executor": (RUN + " --executor slurm", "local or ray"),
    "unknown engine": (RUN + " --engine native2", "native or imagecorruptions"),
    "unknown place of corruption": (RUN + " --corrupt-at file", "crop or native"),
    "config missing": (RUN + " --config {place}/no.toml", r"no\.toml"),
    "config with unknown key": (RUN + " --config {place}/config.toml", "did you mean 'methods'"),
    "config that is no toml": (RUN + " --config {place}/broken.toml", "not valid TOML"),
    "plugin missing": (RUN + " --plugin {place}/no.py", r"no\.py"),
    "plugin that raises": (RUN + " --plugin {place}/raises.py", "ZeroDivisionError"),
    "plugin that takes a name": (RUN + " --plugin {place}/twice.py", "already registered"),
    "out is a file": (RUN + " --out {place}/net.py", r"net\.py"),
    "report of no run": ("report {place}/empty", "no run is there"),
    "report in an unknown format": ("report {run} --format pdf", "html"),
    "report with an unknown section": ("report {run} --sections sumary", "summary"),
    "plot of an unknown kind": ("plot {run} --kind sverity --out {out}.svg", "severity"),
    "verify of no run": ("verify {place}/no", "no run is there"),
    "check without a baseline": ("check {run} --baseline {place}/no.json", r"no\.json"),
    "check against something else": ("check {run} --baseline {place}/classes.csv", "baseline"),
    "negative tolerance": ("check {run} --baseline {place}/x --tolerance -1", "tolerance"),
    "freeze of no run": ("freeze {place}/empty --out {out}.json", "no run is there"),
    "train without method's data": ("train --method jpg --dataset folder:{place}/good", "backbone"),
    "train an unknown method": ("train --method adf", "did you mean 'afd'"),
    "train what is not trained": ("train --method median --dataset shapes10", "median"),
    "train with a bad time limit": ("train --method jpg --time-limit soon", "25m"),
    "list of an unknown kind": ("list metods", "methods"),
    "corrupt a missing folder": ("corrupt {place}/no {out} --corruptions jpeg", "no"),
    "preview of a missing image": ("preview --corruptions jpeg --image {place}/no.png", r"no\.png"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small complete run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert _exit_code(RUN.format(out=out).split()) == 0
    return out


def complain(arguments, capsys):
    capsys.readouterr()
    code = _exit_code(arguments)
    captured = capsys.readouterr()
    assert code == 2, captured.err or captured.out
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("robobench: ")
    assert "Traceback" not in captured.err
    return lines[0]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_helpful_line(mistake, place, finished, tmp_path, capsys, registered):
    command, message = MISTAKES[mistake]
    text = command.format(place=place, out=tmp_path / "out", run=finished)
    line = complain(text.split(), capsys)
    assert re.search(message, line), line


def test_forty_mistakes_are_tried():
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize("progress", ["shown", "hidden"])
def test_a_cut_cell_is_one_helpful_line(progress, finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CI", "1" if progress == "shown" else "")
    broken = tmp_path / "run"
    shutil.copytree(finished, broken)
    path = next((broken / "cells").glob("*.npz"))
    path.write_bytes(path.read_bytes()[:50])
    assert "run again, which keeps" in complain(["report", str(broken)], capsys)
    assert _exit_code([*RUN.format(out=broken).split(), "--dry-run"]) == 0
    assert _exit_code(RUN.format(out=broken).split()) == 0
    assert f"cells/{path.name}: damaged, kept as" in capsys.readouterr().out
    assert _exit_code(["report", str(broken)]) == 0


def test_a_cut_manifest_is_one_helpful_line(finished, tmp_path, capsys):
    broken = tmp_path / "run"
    shutil.copytree(finished, broken)
    manifest = broken / "manifest.json"
    manifest.write_text(manifest.read_text()[:200])
    assert "not a robobench manifest" in complain(["report", str(broken)], capsys)


def test_a_newer_manifest_is_one_helpful_line(finished, tmp_path, capsys):
    newer = tmp_path / "run"
    shutil.copytree(finished, newer)
    manifest = json.loads((newer / "manifest.json").read_text())
    write_manifest(newer, {**manifest, "format": 99})
    assert "format 99" in complain(["report", str(newer)], capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_helpful_line(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert "cannot write" in complain(RUN.format(out=tmp_path / "x").split(), capsys)


def test_a_full_disk_is_one_helpful_line(tmp_path, capsys, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert "No space left on device" in complain(RUN.format(out=tmp_path / "x").split(), capsys)


def test_a_damaged_weights_file_is_refused(tmp_path, capsys, monkeypatch):
    from importlib import resources

    shipped = resources.files("robobench.methods") / "weights"
    for file in shipped.iterdir():
        if "afd" in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    for file in tmp_path.glob("*.safetensors"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(tmp_path))
    arguments = RUN.format(out=tmp_path / "x").replace("org", "afd").split()
    assert "digest" in complain(arguments, capsys)
    assert not Store(tmp_path / "x").cells_folder.exists(), "refused before any work"
