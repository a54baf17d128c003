"""The networks that speed is measured with: one of small images and one of large ones."""

import argparse
from pathlib import Path
from typing import Any

import torch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where they are, and what they run on."""
    parser.add_argument("--weights", type=Path, help="folder of the networks' weights")
    parser.add_argument("--photographs", type=Path, help="folder of ImageNet-like photographs")
    parser.add_argument("--shipped", action="store_true", help="shapes10, with nothing to download")
    parser.add_argument("--device", default="cpu")


def networks(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Settings of ``robobench.run`` for each: the small one first; none where there is no such device."""
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("skipped: there is no GPU here")
        return []
    if options.shipped:
        return [{"dataset": "shapes10", "device": options.device}]
    if None in (options.weights, options.photographs):
        parser.error("--weights FOLDER and --photographs FOLDER are expected, or --shipped")
    small = {
        "dataset": "cifar10",
        "weights": str(options.weights / "cifar10-resnet56.safetensors"),
    }
    large = {
        "dataset": f"folder:{options.photographs}",
        "backbone": "torchvision:resnet18",
        "weights": str(options.weights / "imagenet-resnet18.safetensors"),
    }
    return [{**one, "device": options.device} for one in (small, large)]
