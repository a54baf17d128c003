"""`robobench.corrupt` beside the fastest code there is for four corruptions, in one run.

    python tests/benchmarks/fastest_peers.py [--size 224] [--images 32] [--severities 1-5]
        [--rounds 15] [--names ...]

Brightness, saturation, pixelation and JPEG are little work, so loops over Pillow, OpenCV or
libjpeg-turbo come near. Rivals are those that are installed beside robobench; the others are named
and left out: ``pip install imagecorruptions-imaug==1.1.5 corrupt-tta==0.1.7 simplejpeg
opencv-python-headless``. Packages do what ImageNet-C asks for. Loops may do less: OpenCV's HSV has
256 values and its pixelation another filter, and both JPEG codecs may take cheaper chroma.

All get the same uint8 images, height x width x 3, on one thread of one core, and return such; they
take turns at every severity and round, and the best round counts for each.
"""

import argparse
import contextlib
import io
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import torch
from bench_corruptions import PROFILES, photographs
from markdown_tables import markdown
from numpy.typing import NDArray
from PIL import Image

import robobench
from robobench.corruptions import catalogue

_Image = NDArray[np.uint8]
_Loop = Callable[[_Image, Any], _Image]
NAMES = ("brightness", "saturate", "pixelate", "jpeg_compression")
TITLES = {
    "imagecorruptions": "imagecorruptions-imaug",
    "corrupt_tta": "corrupt-tta",
    "PIL": "Pillow",
    "cv2": "OpenCV",
    "simplejpeg": "simplejpeg",
}


def pillow_pixelate(image: _Image, level: float) -> _Image:
    """What ImageNet-C's code does: the box filter there and back."""
    height, width = image.shape[:2]
    small = int(width * level), int(height * level)
    box = Image.Resampling.BOX
    return np.array(Image.fromarray(image).resize(small, box).resize((width, height), box))


def pillow_jpeg(image: _Image, level: float) -> _Image:
    """Saved and loaded in memory."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(level))
    with Image.open(file) as back:
        return np.array(back)


def simplejpeg_loop(module: Any) -> _Loop:
    """libjpeg-turbo, with the accurate transform that ours computes too."""

    def loop(image: _Image, level: float) -> _Image:
        file = module.encode_jpeg(image, quality=int(level), colorsubsampling="420", fastdct=False)
        return np.asarray(module.decode_jpeg(file))

    return loop


def opencv_loops(cv2: Any) -> dict[str, _Loop]:
    """The shortest way through OpenCV, values of 8 bits throughout."""
    cv2.setNumThreads(1)

    def brightness(image: _Image, level: float) -> _Image:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
        cv2.add(hsv, (0, 0, int(255 * level), 0), dst=hsv)
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))

    def saturate(image: _Image, level: tuple[float, float]) -> _Image:
        same = np.arange(256)
        table = np.stack([same, np.clip(same * level[0] + 255 * level[1], 0, 255), same], 1)
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
        hsv = cv2.LUT(hsv, table.astype(np.uint8)[None])
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))

    def pixelate(image: _Image, level: float) -> _Image:
        height, width = image.shape[:2]
        small = int(width * level), int(height * level)
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        nearest = cv2.INTER_NEAREST_EXACT
        return np.asarray(cv2.resize(shrunk, (width, height), interpolation=nearest))

    def jpeg(image: _Image, level: float) -> _Image:
        file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(level)])[1]
        return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))

    return dict(zip(NAMES, (brightness, saturate, pixelate, jpeg), strict=True))


def installed() -> dict[str, Any]:
    """The modules of the rivals that can be imported."""
    found = {}
    for name in TITLES:
        with contextlib.suppress(ImportError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the rivals import
            found[name] = import_module(name)
    return found


def rivals(
    modules: dict[str, Any], name: str, severity: int, level: Any
) -> dict[str, Callable[[_Image], _Image]]:
    """Per module what makes this corruption of one image."""

    def by_package(module: Any) -> Callable[[_Image], _Image]:
        return lambda image: module.corrupt(image, corruption_name=name, severity=severity)

    def at_level(loop: _Loop) -> Callable[[_Image], _Image]:
        return lambda image: loop(image, level)

    made: dict[str, Callable[[_Image], _Image]] = {}
    for module in ("imagecorruptions", "corrupt_tta"):
        if module in modules:
            made[module] = by_package(modules[module])
    pillow = {"pixelate": pillow_pixelate, "jpeg_compression": pillow_jpeg}
    if name in pillow:
        made["PIL"] = at_level(pillow[name])
    if "cv2" in modules:
        made["cv2"] = at_level(opencv_loops(modules["cv2"])[name])
    if "simplejpeg" in modules and name == "jpeg_compression":
        made["simplejpeg"] = at_level(simplejpeg_loop(modules["simplejpeg"]))
    return made


def _each(one: Callable[[_Image], _Image], images: _Image) -> list[_Image]:
    return [one(image) for image in images]


def best_times(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Seconds of each call's best round; one that takes over a second gets two rounds."""
    best = dict.fromkeys(calls, math.inf)
    for call in calls.values():
        call()
    for turn in range(rounds):
        for name, call in calls.items():
            if turn < 2 or best[name] < 1:
                start = time.perf_counter()
                call()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def measure(chosen: argparse.Namespace) -> pd.DataFrame:
    """Milliseconds per image, mean over severities: a row per corruption."""
    images, modules = photographs(chosen.images, chosen.size), installed()
    profile = PROFILES[chosen.size]
    rows: dict[str, pd.Series] = {}
    for name in chosen.names:
        times = []
        for severity in chosen.severities:
            level = catalogue.severity_table(name, profile)[severity - 1]

            def ours(name: str = name, severity: int = severity) -> _Image:
                return robobench.corrupt(images, name, severity=severity, profile=profile)

            calls: dict[str, Callable[[], Any]] = {"robobench": ours}
            for module, one in rivals(modules, name, severity, level).items():
                calls[module] = partial(_each, one, images)
            times.append(best_times(calls, chosen.rounds))
        rows[name] = pd.DataFrame(times).mean() * 1e3 / len(images)
    found = pd.DataFrame(rows).T
    return found[[c for c in ("robobench", *TITLES) if c in found]]


def table(times: pd.DataFrame, size: int) -> str:
    """Markdown: times, and how often faster robobench is than packages and than anything."""
    others = [c for c in times if c != "robobench"]
    packages = [c for c in others if c in ("imagecorruptions", "corrupt_tta")]
    shown = times.map(lambda ms: "" if math.isnan(ms) else f"{ms:.3f}").rename(columns=TITLES)
    for title, columns in (("over packages", packages), ("over all", others)):
        ratio = times[columns].min(axis=1) / times["robobench"]
        shown[title] = ratio.map(lambda r: "" if math.isnan(r) else f"{r:.1f}")
    shown.insert(0, f"{size} x {size}, ms per image", shown.index)
    return markdown(shown)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=224, choices=list(PROFILES))
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--severities", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--names", nargs="+", default=NAMES, choices=NAMES)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in TITLES.keys() - installed().keys():
        print(f"{TITLES[name]} is not installed: left out", file=sys.stderr)
    print(table(measure(chosen), chosen.size))


if __name__ == "__main__":
    main()
