"""Degraded batches out of torch's DataLoader: robobench beside imagecorruptions-imaug.

    python tests/benchmarks/in_a_loader.py --imaug PYTHON [--into docs/how-to/speed.md]

PYTHON is the interpreter of an environment with torch and ``imagecorruptions-imaug==1.1.5`` (it has the
module name of imagecorruptions). Each loader has one worker process, which degrades: imagecorruptions
one image after the other where they are read, robobench a whole batch where it is put together.
Both get the same crops of a photograph. The two take turns in processes of their own, and what counts
is the processor time of the worker per image, the least of all turns, so that other load on the machine
matters little; ``--device cuda`` lets robobench degrade on the GPU instead, by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_corruptions import PROFILES, photographs

BATCH, SEVERITY, SECONDS = 32, 3, 0.5
IMAGES = {224: 64, 32: 512}
NAMES = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur"),
    *(
        "zoom_blur",
        "snow",
        "frost",
        "fog",
        "brightness",
        "contrast",
        "elastic_transform",
        "pixelate",
    ),
    "jpeg_compression",
)


class Crops:
    """Images as a data set; degraded one by one if a function for that is given."""

    def __init__(self, pixels: Any, degrade: Any = None) -> None:
        self.pixels, self.degrade = pixels, degrade

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> tuple[int, Any]:
        import torch

        pixels = self.pixels[place]
        if self.degrade is not None:
            pixels = self.degrade(pixels)
        return place, torch.from_numpy(pixels).permute(2, 0, 1)


def worker(package: str, side: int, device: str, names: Sequence[str]) -> None:
    """Print milliseconds per image by corruption, as JSON."""
    import torch

    torch.set_num_threads(1)
    pixels = photographs(IMAGES[side], side)
    found = {}
    for name in names:
        if package == "robobench":
            data, together = Crops(pixels), batched(name, side, device)
        else:
            data, together = Crops(pixels, one_by_one(name)), None
        on_gpu = device != "cpu"
        loader: Any = torch.utils.data.DataLoader(
            data,  # type: ignore[arg-type]  # has all that a loader asks of a data set
            batch_size=BATCH,
            num_workers=0 if on_gpu else 1,
            collate_fn=together,
            persistent_workers=not on_gpu,
        )
        for _ in loader:  # compiles and imports
            pass
        process = None if on_gpu else loader._iterator._workers[0].pid
        began, count = seconds(process), 0
        while count == 0 or seconds(process) < began + SECONDS:  # processes are told in hundredths
            count += sum(len(batch[1]) for batch in loader)
            if on_gpu:
                torch.cuda.synchronize()
        found[name] = 1000 * (seconds(process) - began) / count
        del loader
    print(json.dumps(found))


def one_by_one(name: str) -> Any:
    from imagecorruptions import corrupt

    return lambda pixels: corrupt(pixels, corruption_name=name, severity=SEVERITY)


def batched(name: str, side: int, device: str) -> Any:
    import torch

    from robobench.corruptions import apply, catalogue

    degradation = catalogue.at_severity(name, SEVERITY, PROFILES[side])

    def together(items: list[tuple[int, Any]]) -> tuple[Any, Any]:
        places = torch.tensor([place for place, _ in items])
        images = torch.stack([image for _, image in items]).to(device)
        return places, apply(images, degradation, places)

    return together


def seconds(process: int | None) -> float:
    """Processor time of a process so far; the clock if there is none."""
    if process is None:
        return time.perf_counter()
    words = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def measured(
    package: str, python: str, side: int, device: str, names: Sequence[str]
) -> dict[str, float]:
    child = [python, __file__, "--worker", package, "--side", str(side), "--device", device]
    child += ["--names", *names]
    done = subprocess.run(
        child,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def row(imaug: str, side: int, turns: int, device: str, names: Sequence[str]) -> dict[str, str]:
    """A row of the table: sums over corruptions, and how often which is faster."""
    best: dict[str, dict[str, float]] = {"robobench": {}, "imaug": {}}
    for _ in range(turns):
        for package, known in best.items():
            ours = package == "robobench"
            python = sys.executable if ours else imaug
            told = measured(package, python, side, device if ours else "cpu", names)
            best[package] = {n: min(ms, known.get(n, ms)) for n, ms in told.items()}
    ours, theirs = best["robobench"], best["imaug"]
    slower = [n for n in names if ours[n] > theirs[n]]
    print(json.dumps(best), file=sys.stderr)
    return {
        "pixels": str(side),
        "robobench, ms": f"{sum(ours.values()) / len(names):.2f}",
        "imagecorruptions-imaug, ms": f"{sum(theirs.values()) / len(names):.2f}",
        "ratio": f"{sum(theirs.values()) / sum(ours.values()):.1f}",
        "slower there": ", ".join(slower) or "none",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worker", choices=["robobench", "imaug"])
    parser.add_argument("--imaug", help="python with torch and imagecorruptions-imaug 1.1.5")
    parser.add_argument("--side", type=int, nargs="+", default=[32, 224], choices=list(IMAGES))
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="of robobench")
    parser.add_argument("--into", type=Path, help="page whose block `loader` becomes the table")
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.side[0], options.device, options.names)
        return
    import pandas as pd
    import torch
    from markdown_tables import markdown, write_block

    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("skipped: there is no GPU here")
        return
    if options.imaug is None:
        parser.error("--imaug PYTHON is expected, of an environment with imagecorruptions-imaug")
    rows = [
        row(options.imaug, side, options.turns, options.device, options.names)
        for side in options.side
    ]
    text = markdown(pd.DataFrame(rows))
    print(text)
    if options.into:
        write_block(options.into, "loader", text)


if __name__ == "__main__":
    main()
