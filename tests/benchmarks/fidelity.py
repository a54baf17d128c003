"""How close each corruption is to its published description: the table of docs/corruptions.md.

    python tests/benchmarks/fidelity.py [--images 2] [--into docs/corruptions.md]

Every severity of every profile, on crops of photographs that scikit-image brings along and one
image of noise. All but the noises are compared pixel by pixel with
``tests/published_corruptions.py``, which is given the same random numbers; a noise has the
histograms of its differences compared with NumPy's (a chi-square test; p is the smallest of all).
Glass blur and fog are written there as plain loops: the whole takes some minutes.
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markdown_tables import write_block
from scipy import stats
from skimage import data, util

from robobench.corruptions import apply, catalogue, random

_PATH = Path(__file__).parents[1] / "published_corruptions.py"
_SPEC = importlib.util.spec_from_file_location("published_corruptions", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
published: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(published)


def images(count: int, size: int) -> list[Any]:
    """Crops of photographs and one image of noise: uint8 size x size x 3 each."""
    rng = np.random.default_rng(0)
    photos = [data.astronaut(), data.coffee(), data.chelsea()]
    made = []
    for i in range(count):
        step = max(1, min(photos[i % 3].shape[:2]) // (2 * size))
        photo = photos[i % 3][::step, ::step]
        top, left = rng.integers(0, [photo.shape[0] - size + 1, photo.shape[1] - size + 1])
        made.append(np.ascontiguousarray(photo[top : top + size, left : left + size]))
    return [*made, rng.integers(0, 256, (size, size, 3), dtype=np.uint8)]


def compared(name: str, profile: str, pictures: Sequence[Any]) -> tuple[int, float, float]:
    """Largest difference in grey levels, share of values that differ, and by more than one."""
    most, differ, beyond = 0, [], []
    for severity in range(1, 6):
        degradation = catalogue.at_severity(name, severity, profile)
        level = catalogue.severity_table(name, profile)[severity - 1]
        for index, image in enumerate(pictures):
            places = torch.tensor([index])
            key = int(random.keys(0, degradation, places)[0])
            ours = _applied(image[None], degradation, places)[0]
            off = np.abs(ours.astype(int) - published.reference(name, image, level, key))
            most = max(most, int(off.max()))
            differ.append((off > 0).mean())
            beyond.append((off > 1).mean())
    return most, float(np.mean(differ)), float(np.mean(beyond))


def _applied(batch: Any, degradation: Any, places: torch.Tensor) -> Any:
    tensor = torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous()
    return apply(tensor, degradation, places).permute(0, 2, 3, 1).numpy()


def noise_p(name: str, profile: str, pictures: Sequence[Any]) -> float:
    """Smallest p of a chi-square test between histograms of our noise and NumPy's."""
    rng = np.random.default_rng(1)
    smallest = 1.0
    for severity in range(1, 6):
        degradation = catalogue.at_severity(name, severity, profile)
        c = degradation.level
        for picture in pictures:
            copies = np.stack([picture] * max(1, 2_000_000 // picture.size))
            ours = _applied(copies, degradation, torch.arange(len(copies)))
            x = copies / 255
            if name == "gaussian_noise":
                noisy = x + rng.normal(size=x.shape, scale=c / 255)
            elif name == "shot_noise":
                noisy = rng.poisson(x * c) / c
            elif name == "speckle_noise":
                noisy = x + x * rng.normal(size=x.shape, scale=c)
            else:
                noisy = util.random_noise(x, "s&p", rng=rng, amount=c)
            theirs = np.uint8(np.clip(noisy, 0, 1) * 255)
            pair = [np.bincount((a.astype(int) - copies + 255).ravel(), minlength=511)
                    for a in (ours, theirs)]  # fmt: skip
            table = np.array(pair)
            frequent = table.sum(0) > 50
            table = np.column_stack([table[:, frequent], table[:, ~frequent].sum(1)])
            table = table[:, table.sum(0) > 0]
            if table.shape[1] > 1:
                smallest = min(smallest, float(stats.chi2_contingency(table).pvalue))
    return smallest


def table(count: int) -> str:
    """The table in Markdown."""
    heads = [f"{p} ({s} x {s})" for p, s in catalogue.PROFILE_SIZES.items()]
    lines = [f"| corruption | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for name in catalogue.GROUPS["all"]:
        cells = []
        for profile, size in catalogue.PROFILE_SIZES.items():
            if name.endswith("noise"):
                cells.append(f"p = {noise_p(name, profile, images(count, size)):.2g}")
                continue
            most, differ, beyond = compared(name, profile, images(count, size))
            if not most:
                cells.append("equal")
                continue
            more = f", {beyond:.3%} by more than 1" if beyond else ""
            cells.append(f"at most {most} on {differ:.2%}{more}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(f"  {name}", file=sys.stderr)
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--into", type=Path, help="page whose block `fidelity` becomes the table")
    chosen = parser.parse_args()
    text = table(chosen.images)
    print(text)
    if chosen.into:
        write_block(chosen.into, "fidelity", text)


if __name__ == "__main__":
    main()
