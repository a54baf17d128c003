"""Mean and standard deviation are those of pixels on 0..1, wherever a user gives them."""

import numpy as np
import pytest
import torch
from torch import nn

import robobench
from robobench.backbones.networks import network_named
from robobench.backbones.overrides import check_normalisation
from robobench.backbones.own import own_geometry
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.registry import BACKBONES
from robobench.training.trainer import TrainingRequest
from robobench.weights.classifiers import load_backbone

BYTES = {"mean": (124.0, 116.0, 104.0), "std": (58.0, 57.0, 57.0)}
DIVIDED = "--mean 0.4863,0.4549,0.4078 --std 0.2275,0.2235,0.2235"
FACTORY = """
from torch import nn
import robobench
def build():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    network.geometry = robobench.Geometry(mean=(124.0, 116.0, 104.0))
    return network
"""


@pytest.mark.parametrize("command", ["run", "train --method afd --trained-on jpeg", "export org"])
def test_numbers_on_255_are_refused_by_all_commands(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out = [] if command.startswith("train") else ["--out", "new.ts"]
    given = [*out, "--mean", "124,116,104", "--std", "58,57,57"]
    assert _exit_code([*command.split(), *given]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "--mean: expected three means from 0 to 1" in said, said
    assert said.endswith(f"divided by 255: {DIVIDED}")
    assert not list(tmp_path.iterdir())


def test_numbers_on_255_are_refused_from_python(tmp_path):
    data = np.zeros((4, 8, 8, 3), np.uint8), np.arange(4)
    with pytest.raises(RobobenchError, match=r"--mean 0\.4863"):
        robobench.run(backbone=nn.Flatten(), dataset=data, out=tmp_path / "run", **BYTES)
    with pytest.raises(RobobenchError, match=r"--mean 0\.4863"):
        load_backbone("vgg-tiny", dataset="shapes10", **BYTES)
    with pytest.raises(RobobenchError, match=r"--mean 0\.4863"):
        TrainingRequest(**BYTES)


def test_a_network_that_declares_numbers_on_255_is_refused(tmp_path, registered):
    (tmp_path / "net.py").write_text(FACTORY)
    name = f"{tmp_path / 'net.py'}:build"
    with pytest.raises(RobobenchError, match=r"its geometry's mean: expected .* got 124,116,104"):
        network_named(name, None, None)

    @robobench.backbone("bytes", std=(58.0, 57.0, 57.0))
    def build(classes, dropout=0.0):
        """Registered with a deviation on 0..255."""
        return nn.Linear(3, classes)

    assert "bytes" in BACKBONES
    with pytest.raises(RobobenchError, match=r"backbone bytes: std: expected .* std 0\.2275"):
        own_geometry("bytes")


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0.5,) * 3, (0.5,) * 3), ((0.0,) * 3, (1.0,) * 3), ((0.0,) * 3, (1 / 255,) * 3),
        ((1.0,) * 3, None), (None, (0.229, 0.224, 0.225)), (None, None),
    ],
)  # fmt: skip
def test_what_networks_use_is_accepted(mean, std):
    check_normalisation(mean, std)


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ((-0.1, 0.5, 0.5), None, "--mean: expected three means from 0 to 1"),
        ((0.0,) * 3, (0.0, 1.0, 1.0), "--std: expected three standard deviations above 0"),
        (None, (1.1, 1.0, 1.0), "at most 1"), ((0.5, torch.nan, 0.5), None, "got 0.5,nan,0.5"),
        ((0.5, 0.5), None, "three means"), ((999.0,) * 3, None, "got 999,999,999"),
    ],
)  # fmt: skip
def test_impossible_numbers_are_refused(mean, std, said):
    with pytest.raises(RobobenchError) as refused:
        check_normalisation(mean, std)
    assert said in str(refused.value)


def test_only_what_is_on_255_is_shown_divided():
    def hint(mean, std):
        with pytest.raises(RobobenchError) as refused:
            check_normalisation(mean, std)
        return str(refused.value).partition("divided by 255: ")[2]

    assert hint((0.5,) * 3, (51.0,) * 3) == "--std 0.2,0.2,0.2"
    assert hint((127.5,) * 3, (0.25,) * 3) == "--mean 0.5,0.5,0.5"
    assert hint((127.5,) * 3, (1.0,) * 3).endswith("--std 0.003922,0.003922,0.003922")
    assert hint((999.0,) * 3, None) == ""
