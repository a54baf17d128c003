"""Made-up runs, whose answers are known, for tests of reports."""

from pathlib import Path

import numpy as np
import pytest

from robobench.corruptions import catalogue
from robobench.results.manifest import write_manifest
from robobench.results.run import load
from robobench.results.store import Store
from robobench.types import Cell, Predictions

CORRUPTIONS = ("jpeg_compression", "gaussian_noise")
# Probability of a right answer on clean images, and what each severity takes from it.
SKILL = {"org": (0.92, 0.12), "afd": (0.92, 0.06), "twin": (0.92, 0.06), "truth": (0.93, 0.02)}
TRAINED_ON = {"org": "clean", "afd": "matched", "truth": "jpeg_compression"}


def _write_run(
    folder,
    methods=("org", "afd", "truth"),
    corruptions=CORRUPTIONS,
    *,
    images=300,
    levels=None,
    without=(),
    refuses=(),
    dataset="shapes10",
    backbone="vgg-tiny",
    weights="a",
    luck=0,
    skill=None,
    shown=True,
    **manifest,
):
    """A run's folder with made-up answers: correlated between methods, worse with severity."""
    folder = Path(folder)
    store = Store(folder)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, images)
    luck = np.random.default_rng(luck).random(images)
    conditions = [("clean", 0.0, "", 0)]
    for name in corruptions:
        for severity in range(1, 6):
            d = catalogue.at_severity(name, severity, "cifar-c")
            conditions.append((name, d.level, d.profile, severity))
    for name, swept in (levels or {}).items():
        conditions += [(name, float(level), "", 5 * level / max(swept)) for level in swept]
    for method in methods:
        clean, loss = {**SKILL, **(skill or {})}.get(method, SKILL["afd"])
        for name, level, profile, strength in conditions:
            if (method, name, level) in without or (method, name) in refuses:
                continue
            right = luck < clean - loss * strength
            if method == "twin":  # differs from afd on two images: no way to tell them apart
                right = right ^ (np.arange(images) < 2)
            probability = np.where(right, 0.9, 0.2).astype(np.float32)
            cell = Cell(
                dataset=dataset,
                split="test",
                geometry="as-is",
                corrupt_at="crop",
                profile=profile,
                corruption=name,
                level=level,
                seed=0,
                method=method,
                backbone=backbone,
                weights=weights + method,
                trained_on=TRAINED_ON.get(method, ""),
                train_seed=0,
            )
            extra = {"psnr": np.full(images, 25, np.float32)} if method == "truth" else {}
            predicted = np.where(right, label, (label + 1) % 3)
            store.put(
                cell,
                Predictions(np.arange(images), label, predicted, probability, probability, extra),
            )
    write_manifest(
        folder,
        {
            "command": "robobench run --methods afd --corruptions jpeg",
            "configuration": {"methods": list(methods), "limit": None},
            "versions": {"robobench": "0.1.0", "libjpeg_turbo": "3.1.0"},
            "machine": {"device": "cpu", "threads": 2},
            "dataset": {
                "name": dataset,
                "split": "test",
                "fingerprint": "ab" * 32,
                "count": images,
                "total": images,
            },
            "profile": "cifar-c",
            "seeds": [0],
            "backbones": {
                backbone: {
                    "digest": "cd" * 32,
                    "geometry": {"resize": None, "interpolation": "bilinear"},
                }
            },
            "methods": [
                {
                    "label": method,
                    "method": method,
                    "trained_on": TRAINED_ON.get(method, ""),
                    "train_seed": 0,
                    "backbone": backbone,
                    "needs": ["level"] if method == "truth" else [],
                    "adapts": method == "twin",
                    "oracle": method == "truth",
                    "weights": {"": weights + method},
                    "parameters": 250_000,
                    "macs": 12_000_000 * (1 + place),
                }
                for place, method in enumerate(methods)
            ],
            "not_applicable": [
                {"method": m, "corruption": c, "why": "made for JPEG"} for m, c in refuses
            ],
            "notes": [],
            "cells": len(store.cells()),
            "samples": _samples(folder, conditions) if shown else [],
            "sessions": [{"seconds": 1.5, "cells": 1}],
            **manifest,
        },
    )
    return folder


def _samples(folder, conditions):
    from PIL import Image

    (folder / "samples").mkdir(exist_ok=True)
    listed = []
    for name, level, _, strength in conditions[:11]:
        strip = np.full((8, 48, 3), int(20 * strength), np.uint8)
        file = f"samples/{name}_{level:g}.png"
        Image.fromarray(strip).save(folder / file)
        listed.append({"file": file, "corruption": name, "level": level, "method": ""})
    return listed


@pytest.fixture(scope="session")
def write_run():
    """A function that writes a run's folder."""
    return _write_run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return _write_run(tmp_path_factory.mktemp("runs") / "main", ("org", "afd", "twin", "truth"))


@pytest.fixture(scope="session")
def run(folder):
    return load(folder)


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    levels = {"jpeg_compression": range(1, 101), "gaussian_noise": range(51)}
    where = tmp_path_factory.mktemp("runs") / "sweep"
    return load(_write_run(where, ("org", "afd"), (), levels=levels, images=60, shown=False))
