"""A classifier's architecture in one file; `dataset.py` shows how it is trained."""

from torch import nn

import robobench


@robobench.backbone("small-cnn")
def small_cnn(classes, dropout=0.0):
    """Two convolutions and a linear layer, two thousand parameters."""
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()]
    layers += [nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, classes)]
    return nn.Sequential(*layers, *head)
