"""How fast the corruptions are on a GPU, beside one and all cores of the same machine.

    python tests/benchmarks/cuda_corruptions.py [--into docs/corruptions.md]

Milliseconds per image, mean over the five severities, the best of three rounds each; 64 images of
224 pixels and 512 of 32 in a batch, which is already where it is degraded.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from bench_corruptions import NAMES, PROFILES, photographs
from markdown_tables import write_block

from robobench.corruptions import apply, catalogue

BATCHES = {224: 64, 32: 512}
ROUNDS = 3


def milliseconds(name: str, images: torch.Tensor, severity: int) -> float:
    """The best of three rounds, after one that compiles."""
    degradation = catalogue.at_severity(name, severity, PROFILES[images.shape[2]])
    places = torch.arange(len(images), device=images.device)
    took = []
    for _ in range(1 + ROUNDS):
        if images.is_cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        apply(images, degradation, places)
        if images.is_cuda:
            torch.cuda.synchronize()
        took.append((time.perf_counter() - start) / len(images) * 1e3)
    return min(took[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, help="page whose block `cuda` becomes the table")
    parser.add_argument("--severities", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    chosen = parser.parse_args()
    cores = torch.get_num_threads()
    places = [("cpu", 1), ("cpu", cores), *([("cuda", 1)] if torch.cuda.is_available() else [])]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    titles = [f"1 core, {s}" for s in BATCHES], [f"{cores} cores, {s}" for s in BATCHES]
    heads = [*titles[0], *titles[1], *[f"{gpu}, {s}" for s in BATCHES]]
    lines = ["| ms per image | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    total = [0.0] * len(heads)
    for name in NAMES:
        row = []
        for device, threads in places:
            torch.set_num_threads(threads)
            for side, count in BATCHES.items():
                images = torch.from_numpy(photographs(count, side)).permute(0, 3, 1, 2)
                images = images.contiguous().to(device)
                times = [milliseconds(name, images, severity) for severity in chosen.severities]
                row.append(sum(times) / len(times))
        total = [a + b for a, b in zip(total, row, strict=False)]
        lines.append(f"| {name} | " + " | ".join(f"{value:.4f}" for value in row) + " |")
        print(lines[-1], flush=True)
    cells = " | ".join(f"{value:.3f}" for value in total)
    lines.append(f"| **sum of {len(NAMES)}** | {cells} |")
    text = "\n".join(lines)
    print(text)
    if chosen.into:
        write_block(chosen.into, "cuda", text)


if __name__ == "__main__":
    main()
