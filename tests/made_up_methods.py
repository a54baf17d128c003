"""Runs of many methods with random answers, for tests of what is said of them."""

from pathlib import Path

import numpy as np

from robobench.corruptions import catalogue
from robobench.results.manifest import write_manifest
from robobench.results.run import Run
from robobench.types import Cell, Predictions

CORRUPTIONS = ("gaussian_noise", "fog", "jpeg_compression")


class MadeUpRun(Run):
    """A run whose predictions are in memory, as a store of many small files is slow."""

    def __init__(self, folder, found):
        super().__init__(folder)
        self.found = found
        self.cells = list(found)

    def predictions(self, cell):
        """What was predicted in one cell."""
        return self.found[cell]


def made_up(folder, count, *, images=150, corruptions=CORRUPTIONS, seed=0, told=(), keep=None):
    """A run of `count` methods (``org``, ``m1``, ...), some alike, some better or worse.

    Args:
        folder: Where its manifest goes.
        count: Number of methods.
        images: Number of images.
        corruptions: At five severities each.
        seed: Of the random answers.
        told: Names of methods that are oracles.
        keep: Whether a method has been evaluated on a degradation; all by default.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    names = ["org", *(f"m{k}" for k in range(1, count))]
    conditions = [("clean", 0.0, "", 0)]
    for name in corruptions:
        for severity in range(1, 6):
            d = catalogue.at_severity(name, severity, "cifar-c")
            conditions.append((name, d.level, d.profile, severity))
    difficulty = rng.random(images)
    label = rng.integers(0, 5, images)
    found, planned = {}, 0
    for method in names:
        loss = rng.choice([0.03, 0.06, 0.09, 0.12])
        for name, level, profile, severity in conditions:
            planned += 1
            right = difficulty + rng.normal(0, 0.1, images) < 0.9 - loss * severity
            if keep is not None and not keep(method, name, severity):
                continue
            cell = Cell(
                "shapes10", "test", "as-is", "crop", profile, name, level, 0, method, "net",
                f"w{method}", "", 0,
            )  # fmt: skip
            share = np.where(right, 0.9, 0.2).astype(np.float32)
            predicted = np.where(right, label, (label + 1) % 5)
            found[cell] = Predictions(np.arange(images), label, predicted, share, share)
    write_manifest(folder, manifest_of(names, images, planned, told))
    return MadeUpRun(folder, found)


def manifest_of(names, images, planned, told=()):
    """What a run's manifest says, as far as reports need it."""
    return {
        "command": "robobench run",
        "configuration": {"draws": 200},
        "versions": {"robobench": "0.1.0"},
        "machine": {"device": "cpu"},
        "dataset": {
            "name": "shapes10", "split": "test", "fingerprint": "ab", "count": images,
            "total": images,
        },
        "profile": "cifar-c",
        "backbones": {"net": {"digest": "cd" * 32, "geometry": {}}},
        "methods": [
            {
                "label": name, "method": name, "trained_on": "", "train_seed": 0,
                "backbone": "net", "oracle": name in told, "weights": {"": f"w{name}"},
                "parameters": 1000, "macs": 2000,
            }
            for name in names
        ],
        "cells": planned,
        "sessions": [],
    }  # fmt: skip
