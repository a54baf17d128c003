"""The commands of docs/repair.md, on a small scale."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from robobench.__main__ import main
from robobench.training.fitting import Fit
from robobench.training.task import TrainingTask

PAGE = Path(__file__).parent.parent / "docs" / "repair.md"
CLASSES = 3


def commands():
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


class Small(nn.Module):
    """Maps normalised images to logits; splits and has stages as larger networks do."""

    side = 32

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.first = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))

    def forward(self, images):
        return self.head(self.second(self.first(self.stem(images))))


FACTORY = """
import sys
sys.path.insert(0, {folder!r})
from test_repair_page import Small


def small():
    return Small()
"""


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """The folders and files that the page names, and trainings that end where they begin."""
    rng = np.random.default_rng(0)
    for place in ("photographs", "birds", "streets", *(f"photos/{k}" for k in range(CLASSES))):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        for number in range(5):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    torch.manual_seed(0)
    save_file(Small().state_dict(), tmp_path / "resnet18.safetensors")
    (tmp_path / "small.py").write_text(FACTORY.format(folder=str(Path(__file__).parent)))
    (tmp_path / "names.txt").write_text("\n".join(str(k) for k in range(CLASSES)))
    monkeypatch.chdir(tmp_path)

    def fit(self, network, objective, validate, **_):
        return Fit(dict(validate()), 0.0, "fp32")

    monkeypatch.setattr(TrainingTask, "fit", fit)
    for module in ("feature_repair", "dedrift"):
        monkeypatch.setattr(f"robobench.methods.{module}.refuse_if_worse", lambda *_: None)


def test_the_commands_of_the_page_work_one_after_the_other(scene, capsys):
    printed = ""
    for words in commands():
        assert words[0] == "robobench"
        here = ["small.py:small" if w.startswith("torchvision:") else w for w in words[1:]]
        here += ["--crop", "32", "--resize", "32"]
        if here[0] == "run":
            here += ["--classes", "names.txt", "--layer", "stem"]
        else:
            here += ["--layer", "stem"]
        with pytest.raises(SystemExit) as ending:
            main(here)
        told = capsys.readouterr()
        assert ending.value.code in (0, None), told.err
        printed += told.out
    assert "dedrift" in printed
    assert "recovered" in printed
    assert "afd@jpeg_compression#streets" in told.out
