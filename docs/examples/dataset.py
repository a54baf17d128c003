"""A data set in one file: bars that run across or down, in a random place and colour.

robobench train --plugin dataset.py --plugin backbone.py --method org --dataset bars --recipe quick
"""

import hashlib

import numpy as np
import torch

import robobench
from robobench.datasets.geometry import fit_batch

SIDE = 16
SPLITS = {"test": 400, "validation": 200, "train": 1000}


@robobench.dataset("bars", backbone="small-cnn", training_images=True)
class Bars:
    """Bars across or down: two classes, 16 x 16, made by a seed."""

    name = "bars"
    class_names = ("across", "down")
    profile = "cifar-c"  # the severity table for images of about this size

    def __init__(self, *, split="test"):
        count = SPLITS[split]
        rng = np.random.default_rng(list(SPLITS).index(split))
        self.split = split
        self.labels = np.arange(count, dtype=np.int64) % 2
        self.images = rng.integers(60, 120, (count, SIDE, SIDE, 3), dtype=np.uint8)
        for image, label, place, colour in zip(
            self.images,
            self.labels,
            rng.integers(SIDE - 3, size=count),
            rng.integers(140, 256, (count, 3)),
            strict=True,
        ):
            lines = image if label == 0 else image.swapaxes(0, 1)
            lines[place : place + 3] = colour

    def __len__(self):
        return len(self.labels)

    def fingerprint(self):
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()

    def read(self, indices, geometry):
        images = fit_batch(self.images[indices], geometry)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
