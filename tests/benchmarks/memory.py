"""What the command line's allocator settings are worth: run with ``python tests/benchmarks/memory.py``.

Processor time of a ResNet-56 on images of 32 pixels, in processes of their own that take turns, by
default and with the settings; one thread.
"""

import statistics
import subprocess
import sys
import time

import torch

from robobench.backbones.backbone import folded, placed
from robobench.backbones.own import own_network
from robobench.cli._memory import keep_freed_memory

TURNS = 3


def seconds(work: str, rounds: int) -> float:
    """Median processor time of an evaluated chunk, or of a training step."""
    torch.set_num_threads(1)
    network = placed(own_network("resnet-56", 10), "cpu")
    images = torch.randn(64 if work == "evaluation" else 125, 3, 32, 32)
    images = images.contiguous(memory_format=torch.channels_last)
    if work == "evaluation":
        network = folded(network.eval().requires_grad_(False))
    times = []
    for _ in range(rounds):
        before = time.process_time()
        outputs = network(images)
        if work != "evaluation":
            outputs.square().mean().backward()
        times.append(time.process_time() - before)
    return statistics.median(times)


def main() -> None:
    for work, rounds in (("evaluation", 30), ("training", 7)):
        found: dict[str, list[float]] = {"default": [], "kept": []}
        for _ in range(TURNS):
            for how, times in found.items():
                child = [sys.executable, __file__, how, work, str(rounds)]
                text = subprocess.run(child, check=True, capture_output=True, text=True).stdout
                times.append(float(text))
        default, kept = (min(times) for times in found.values())
        print(f"{work}: {default:.3f} s by default, {kept:.3f} s kept: {kept / default:.2f}")


if __name__ == "__main__":
    if sys.argv[1:]:
        if sys.argv[1] == "kept":
            assert keep_freed_memory(), "the allocator is set up by the environment"
        print(seconds(sys.argv[2], int(sys.argv[3])))
    else:
        main()
