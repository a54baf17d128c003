"""How long a report takes and how large its page is: run ``python tests/benchmarks/report_page.py``.

A made-up run of ten methods, the 19 corruptions of ImageNet-C at five severities and 2,000 images,
with estimated levels, contact sheets and restored images. ``--out FOLDER`` keeps it to look at.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from robobench.corruptions import catalogue
from robobench.reports.builder import build
from robobench.results.manifest import write_manifest
from robobench.results.run import load
from robobench.results.store import Store
from robobench.types import Cell, Predictions

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# Name and training, share of right answers on clean images, what each severity takes from it.
METHODS = (
    ("org", "clean", 0.93, 0.10),
    ("afd", "common", 0.925, 0.055),
    ("ddp", "common", 0.92, 0.052),
    ("median", "", 0.80, 0.07),
    ("arcnn", "jpeg_compression", 0.92, 0.085),
    ("arcnn", "gaussian_noise", 0.91, 0.08),
    ("dedrift", "common", 0.93, 0.06),
    ("jpg-estqf", "jpeg_compression", 0.93, 0.09),
    ("jpg-trueqf", "jpeg_compression", 0.935, 0.04),
    ("tent", "", 0.915, 0.065),
)


def write_run(folder: Path, methods: int, images: int) -> None:
    """A run whose methods err on mostly the same images, more so at higher severities."""
    store, rng = Store(folder), np.random.default_rng(0)
    told = [METHODS[k] if k < len(METHODS) else _another(k) for k in range(methods)]
    luck, label = rng.random(images), rng.integers(0, len(CLASSES), images)
    conditions = [("clean", 0.0, "", 0)]
    for name in catalogue.GROUPS["all"]:
        for severity in range(1, 6):
            made = catalogue.at_severity(name, severity, "cifar-c")
            conditions.append((name, made.level, made.profile, severity))
    for place, (method, trained_on, clean, loss) in enumerate(told):
        for number, (name, level, profile, severity) in enumerate(conditions):
            weight = 0.4 + 1.2 * ((place * 7 + number // 5 * 3) % 11) / 10
            chance = clean - loss * severity * weight
            right = luck + 0.08 * rng.standard_normal(images) < chance
            confidence = np.clip(0.45 + 0.5 * rng.random(images) + 0.05 * right, 0, 1)
            confidence = confidence.astype(np.float32)
            extra = {}
            if method == "jpg-estqf":
                found = level + 3 * rng.standard_normal(images)
                extra = {"estimated_level": found.astype(np.float32)}
            predicted = np.where(right, label, (label + 1 + number % 3) % len(CLASSES))
            true = np.where(right, confidence, (1 - confidence) / 3).astype(np.float32)
            cell = Cell(
                *("toy", "test", "as-is", "crop", profile, name, level, 0),
                *(method, "net", f"w{place}", trained_on, 0),
            )
            store.put(
                cell, Predictions(np.arange(images), label, predicted, confidence, true, extra)
            )
    write_manifest(
        folder,
        {
            "command": "robobench run",
            "configuration": {"methods": [m for m, *_ in told]},
            "profile": "cifar-c",
            "cells": methods * len(conditions),
            "dataset": {
                "name": "toy",
                "split": "test",
                "fingerprint": "f",
                "count": images,
                "total": images,
                "class_names": list(CLASSES),
            },
            "methods": [
                {
                    "label": method,
                    "method": method,
                    "trained_on": trained_on,
                    "backbone": "net",
                    "train_seed": 0,
                    "weights": {"": f"w{place}"},
                    "oracle": method == "jpg-trueqf",
                    "adapts": method == "tent",
                    "parameters": 250_000,
                    "macs": 12_000_000 + 2_000_000 * place,
                }
                for place, (method, trained_on, _, _) in enumerate(told)
            ],
            "samples": _samples(folder, conditions, told),
            "thumbnails": _thumbnails(folder, min(images, 400)),
        },
    )


def _another(place: int) -> tuple[str, str, float, float]:
    return f"method-{place}", "common", 0.9 + place % 5 / 100, 0.04 + place % 7 / 100


def _samples(folder, conditions, told):
    """Strips of six noisy crops of a photograph, plain and restored by two entries of one method."""
    from skimage import data

    photo = Image.fromarray(data.astronaut()).resize((192, 192))
    tiles = [photo.crop((32 * k, 48, 32 * k + 32, 80)) for k in range(6)]
    strip = np.concatenate([np.asarray(tile) for tile in tiles], axis=1).astype(float)
    rng = np.random.default_rng(0)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    listed = []
    for method, trained_on, *_ in [("", ""), *((m, t) for m, t, *_ in told if m == "arcnn")]:
        for name, level, _, severity in conditions:
            noisy = strip + (4 if method else 12) * severity * rng.standard_normal(strip.shape)
            file = f"samples/{name}_{level:g}_{method}{trained_on}.png"
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / file)
            entry = {"file": file, "corruption": name, "level": level, "method": method}
            listed.append({**entry, "trained_on": trained_on})
    return listed


def _thumbnails(folder, count):
    """As `robobench run` keeps them: crops of a photograph, 20 in a row."""
    from skimage import data

    photo = Image.fromarray(data.astronaut())
    rng = np.random.default_rng(0)
    sheet = Image.new("RGB", (20 * 64, -(-count // 20) * 64))
    for place in range(count):
        x, y = (int(v) for v in rng.integers(0, 512 - 64, 2))
        sheet.paste(photo.crop((x, y, x + 64, y + 64)), (place % 20 * 64, place // 20 * 64))
    sheet.save(folder / "samples/thumbnails.webp", quality=90)
    described = {"side": 64, "columns": 20, "index": list(range(count))}
    return {"file": "samples/thumbnails.webp", **described}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", type=int, default=10)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--formats", default="html,latex,csv", help="separated by commas")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.out or Path(scratch)
        write_run(folder, asked.methods, asked.images)
        start = time.perf_counter()
        page = build(load(folder), folder / "report", asked.formats.split(","))
        seconds = time.perf_counter() - start
        print(f"{asked.methods} methods, {asked.images} images: {seconds:.1f} s", end="")
        print(f", {page.stat().st_size / 1e6:.2f} MB" if page.is_file() else "")


if __name__ == "__main__":
    main()
