"""A classifier that has no answer, or another at each loading, is refused before anything is learned from it."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from robobench.backbones.backbone import Backbone
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.types import Geometry
from robobench.weights.classifiers import check_finite

NETWORK = """
import torch
from torch import nn
class Answers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.stage = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())
    def forward(self, x):
        return self.stage(self.act(self.conv(x))).mean((2, 3)) * float("nan")
def nan():
    torch.manual_seed(0)
    return Answers()
def other():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 4))
"""
TRAIN = "train --method {} --trained-on jpeg --dataset folder:photos --images photos"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A network in a file, and photographs."""
    (tmp_path / "net.py").write_text(NETWORK)
    rng = np.random.default_rng(0)
    for i in range(4):
        (tmp_path / "photos" / str(i)).mkdir(parents=True)
        image = Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8))
        image.save(tmp_path / "photos" / str(i) / "a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command", [TRAIN.format("ddp"), TRAIN.format("finetune"), "export org --out new.ts"]
)
def test_nothing_is_learned_or_exported_from_nan(command, place, monkeypatch, capsys):
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(place / "weights"))
    network = "--backbone net.py:nan --resize 32 --crop 32"
    assert _exit_code([*command.split(), *network.split()]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "backbone net.py:nan: its logits for a grey image are NaN" in said, said
    assert not (place / "weights").exists()
    assert not (place / "new.ts").exists()


def test_nothing_is_learned_from_a_network_that_is_another_each_time(place, monkeypatch, capsys):
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(place / "weights"))
    network = "--backbone net.py:other --resize 32 --crop 32"
    assert _exit_code([*TRAIN.format("afd").split(), *network.split()]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "backbone net.py:other: it has other weights each time it is loaded" in said, said
    assert not (place / "weights").exists()


class Sometimes(nn.Module):
    """Logits that are infinite for images of much contrast."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        answer = self.first(x).mean((2, 3))
        return torch.where(x.std() > 0.5, torch.inf, answer)


def test_an_image_of_noise_is_tried_too_and_named():
    backbone = Backbone(Sometimes(), geometry=Geometry(crop=16))
    with pytest.raises(RobobenchError, match="for an image of noise are infinite"):
        check_finite(backbone)
    with pytest.raises(RobobenchError, match="its logits for an image of noise are not finite"):
        _ = backbone.split


def test_a_finite_network_is_accepted():
    check_finite(
        Backbone(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), geometry=Geometry(crop=8))
    )
