"""What tests share: a toy data set and classifier in memory, and the shipped ones of `shapes10`."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from robobench import registry
from robobench.corruptions import apply, catalogue
from robobench.datasets import open_dataset
from robobench.types import Geometry
from robobench.weights.classifiers import load_backbone

pytest_plugins = ["made_up_run", "robobench.testing.pytest_plugin"]


@pytest.fixture(autouse=True)
def _two_threads():
    torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory, monkeypatch):
    """No test reads or writes a developer's own weights, data or runs."""
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
    monkeypatch.delenv("ROBOBENCH_DATA", raising=False)


@pytest.fixture
def registered():
    """Forget what a test registers."""
    registry.announce_installed()
    before = [(r, dict(r._entries), dict(r._aliases)) for r in registry.REGISTRIES.values()]
    yield
    for door, entries, aliases in before:
        door._entries, door._aliases = entries, aliases
    for name in [n for n in sys.modules if n.startswith("robobench_plugin_")]:
        del sys.modules[name]  # else the next test's --plugin would find it loaded, and empty


def toy_images(n=600, side=16, classes=3, seed=0):
    """uint8 N x H x W x 3 images whose mean colour tells the class, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = rng.integers(40, 200, (n, side, side, 3))
    for k in range(classes):
        images[labels == k, :, :, k] += 18
    return images.clip(0, 255).astype(np.uint8), labels.astype(np.int64)


class ToyNet(nn.Module):
    """A convolution and a mean: sees the colour, with noise of its own."""

    def __init__(self, classes=3):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(3, classes)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) * 0.1)
            self.head.weight.copy_(torch.eye(classes, 3) * 40)

    def forward(self, x):
        noise = self.relu(self.conv(x)).mean((2, 3))[:, :3]
        return self.head(x.mean((2, 3)) + 0.01 * noise)


def toy_settings():
    """Keywords of `robobench.run` for the toy data set and classifier."""
    return {
        "dataset": toy_images(),
        "backbone": ToyNet(),
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
    }


@pytest.fixture
def toy():
    """See `toy_settings`."""
    return toy_settings()


@pytest.fixture(scope="module")
def backbone():
    """The shipped classifier of `shapes10`."""
    return load_backbone("vgg-tiny", dataset="shapes10")


@pytest.fixture(scope="module")
def clean():
    """Forty images of `shapes10`."""
    return open_dataset("shapes10").read(np.arange(40), Geometry())


@pytest.fixture(scope="module")
def degraded(clean):
    """The same images at JPEG quality 10."""
    return apply(clean, catalogue.at_level("jpeg_compression", 10), torch.arange(len(clean)))


@pytest.fixture
def brief(monkeypatch):
    """Every method is trained for six steps and validated on twenty images."""
    monkeypatch.setattr("robobench.training.pools._VALIDATION_IMAGES", 20)
    for name in registry.METHODS:
        kind = registry.METHODS[name]
        if kind.recipes(None):
            recipes = kind.recipes.__func__

            def shortened(cls, backbone, recipes=recipes):
                return {
                    name: recipe.in_one_cycle(steps=6, batch=8, evaluations=1)
                    for name, recipe in recipes(cls, backbone).items()
                }

            monkeypatch.setattr(kind, "recipes", classmethod(shortened))
