"""How fast the corruptions are, beside the two fastest published packages, in one run.

    python tests/benchmarks/bench_corruptions.py --imaug PYTHON --tta PYTHON [--size 224 32]
        [--severities 1-5] [--rounds 5] [--images 16] [--names ...] [--into docs/corruptions.md] [--device cuda]

PYTHON is the interpreter of an environment of its own with ``imagecorruptions-imaug==1.1.5`` (it
has the module name of imagecorruptions) or ``corrupt-tta==0.1.7``. Each runs in a subprocess; the
three take turns at every corruption, severity and round, all pinned to the same single core, and
the best round counts for each. Images are crops of photographs that scikit-image brings along. The
packages take one image a call; robobench takes the batch.
"""

import argparse
import contextlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

NAMES = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate",
    "jpeg_compression", "speckle_noise", "gaussian_blur", "spatter", "saturate",
)  # fmt: skip
PROFILES = {224: "imagenet-c", 32: "cifar-c", 64: "tiny-imagenet-c", 299: "inception-c"}


def photographs(count: int, size: int) -> Any:
    """Crops of photographs, uint8 count x size x size x 3, the same in every environment."""
    import numpy as np
    from skimage import data

    photo = data.astronaut()
    rng = np.random.default_rng(0)
    step = max(1, min(4, 512 // (size + 1)))  # small images are thumbnails, not blank patches
    photo = np.ascontiguousarray(photo[::step, ::step])
    corners = rng.integers(0, photo.shape[0] - size + 1, (count, 2))
    return np.stack([photo[y : y + size, x : x + size] for y, x in corners])


def worker(package: str) -> None:
    """Answer one timing request a line: milliseconds for one image."""
    import numpy as np

    with contextlib.redirect_stdout(sys.stderr):
        if package == "robobench":
            call = _ours()
        else:
            module = __import__("imagecorruptions" if package == "imaug" else "corrupt_tta")

            def call(images: Any, name: str, severity: int, device: str) -> Callable[[], Any]:
                return lambda: [
                    module.corrupt(image, corruption_name=name, severity=severity)
                    for image in images
                ]

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        ask = json.loads(line)
        images = photographs(ask["images"], ask["size"])
        try:
            with contextlib.redirect_stdout(sys.stderr):
                work = call(images, ask["name"], ask["severity"], ask["device"])
                if not ask["warm"]:
                    work()
                start = time.perf_counter()
                work()
                took = (time.perf_counter() - start) / len(images) * 1e3
            answer: dict[str, Any] = {"ms": took}
        except Exception as error:  # noqa: BLE001 - a rival may fail in any way
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    del np


def _ours() -> Callable[..., Callable[[], Any]]:
    import torch

    from robobench.corruptions import apply, catalogue

    torch.set_num_threads(1)

    def call(images: Any, name: str, severity: int, device: str) -> Callable[[], Any]:
        batch = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)
        places = torch.arange(len(batch))
        degradation = catalogue.at_severity(name, severity, PROFILES[batch.shape[2]])

        def work() -> None:
            apply(batch, degradation, places)
            if device != "cpu":
                torch.cuda.synchronize()

        return work

    return call


class Rival:
    """One package in a process of its own."""

    def __init__(self, package: str, python: str, core: int | None) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
        self.process = subprocess.Popen(
            [python, __file__, "--worker", package],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment,
        )  # fmt: skip
        if core is not None:
            os.sched_setaffinity(self.process.pid, {core})
        self._read()

    def ask(self, **request: Any) -> float:
        """Milliseconds for one image; NaN where the package fails."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return float(self._read().get("ms", "nan"))

    def _read(self) -> dict[str, Any]:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        line = out.readline()
        if not line:
            raise SystemExit(f"the process {self.process.args} ended; does its package import?")
        answer: dict[str, Any] = json.loads(line)
        return answer


def measure(arguments: argparse.Namespace, size: int) -> dict[str, dict[str, list[float]]]:
    """Per corruption and package, the best time at each severity."""
    core = min(os.sched_getaffinity(0)) if arguments.device == "cpu" else None
    pythons = {"robobench": sys.executable, "imaug": arguments.imaug, "tta": arguments.tta}
    rivals = {name: Rival(name, python, core) for name, python in pythons.items() if python}
    times: dict[str, dict[str, list[float]]] = {}
    for name in arguments.names:
        times[name] = {rival: [] for rival in rivals}
        for severity in arguments.severities:
            best = dict.fromkeys(rivals, float("inf"))
            spent = 0.0
            for turn in range(arguments.rounds):
                for rival, process in rivals.items():
                    ours = rival == "robobench"
                    count = (
                        min(256, (arguments.images or max(8, 16 * 224 // size * 224 // size)))
                        if ours
                        else 4
                    )
                    took = process.ask(
                        name=name, severity=severity, size=size, images=count, warm=turn > 0,
                        device=arguments.device if rival == "robobench" else "cpu",
                    )  # fmt: skip
                    spent += took * count / 1e3
                    if math.isnan(took) or took < best[rival]:
                        best[rival] = took
                if spent > arguments.budget:
                    break
            for rival, took in best.items():
                times[name][rival].append(took)
        print(f"  {size} {name}", file=sys.stderr)
    for process in rivals.values():
        process.process.kill()
    return times


def table(times: dict[str, dict[str, list[float]]], size: int) -> str:
    """The means over severities as a Markdown table, with sums and ratios."""
    mean = {n: {r: sum(v) / len(v) for r, v in row.items()} for n, row in times.items()}
    rivals = list(next(iter(mean.values())))
    others = [r for r in rivals if r != "robobench"]
    title = {"imaug": "imagecorruptions-imaug 1.1.5", "tta": "corrupt-tta 0.1.7"}
    lines = [
        f"| {size} x {size}, ms per image | robobench | "
        + " | ".join(title[r] for r in others)
        + " | speed-up over the faster |",
        "|---|" + "---:|" * (len(rivals) + 1),
    ]
    for name, row in mean.items():
        fastest = min((row[r] for r in others if not math.isnan(row[r])), default=float("nan"))
        cells = " | ".join(f"{row[r]:.3f}" for r in rivals)
        lines.append(f"| {name} | {cells} | {fastest / row['robobench']:.1f} |")
    total = {r: sum(row[r] for row in mean.values()) for r in rivals}
    cells = " | ".join(f"{total[r]:.2f}" for r in rivals)
    ratios = ", ".join(f"{total[r] / total['robobench']:.1f} ({r})" for r in others)
    lines.append(f"| **sum of {len(mean)}** | {cells} | {ratios} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worker", choices=["robobench", "imaug", "tta"])
    parser.add_argument("--imaug", help="python with imagecorruptions-imaug 1.1.5")
    parser.add_argument("--tta", help="python with corrupt-tta 0.1.7")
    parser.add_argument("--size", type=int, nargs="+", default=[224, 32], choices=list(PROFILES))
    parser.add_argument("--severities", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="in robobench's batch; 16 at 224, 256 at 32")
    parser.add_argument("--budget", type=float, default=3, help="seconds a corruption and severity")
    parser.add_argument("--device", default="cpu", help="for robobench")
    parser.add_argument("--into", type=Path, help="page whose block `speed` becomes the tables")
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        worker(chosen.worker)
        return
    if importlib.util.find_spec("robobench") is None:
        raise SystemExit("robobench is not installed in this environment")
    tables = [table(measure(chosen, size), size) for size in chosen.size]
    text = "\n\n".join(tables)
    print(text)
    if chosen.into:
        from markdown_tables import write_block  # needs what the peers' environments may lack

        write_block(chosen.into, "speed", text)


if __name__ == "__main__":
    main()
