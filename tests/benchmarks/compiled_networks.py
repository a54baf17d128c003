"""What ``robobench run --compile`` gains and costs, network by network.

    python tests/benchmarks/compiled_networks.py --weights FOLDER --photographs FOLDER [--into docs/how-to/speed.md]

needs what ``run_overhead.py`` needs; ``--shipped`` measures the classifier of `shapes10` instead. Each network
runs in two processes, one with an empty cache of compiled code and one with what the first left in it.
In both, chunks of images as in a run are classified by the method as it is and compiled, in turns; times
are processor times on one thread, the medians over turns (with ``--device cuda`` the clock). *Pays from*:
the number of images, over all conditions, whose passes save as much time as compiling took.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from benchmarked_networks import add_arguments, networks
from markdown_tables import markdown, write_block

from robobench.cli._memory import keep_freed_memory
from robobench.evaluation.classifiers import prepare_all
from robobench.evaluation.compilation import CompiledSelection
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.runner import chunk_size
from robobench.types import CLEAN, Context, Degradation


def seconds(device: str) -> float:
    """Processor time of this process and those that it waited for; on a GPU the clock."""
    if device != "cpu":
        torch.cuda.synchronize()
        return time.perf_counter()
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def worker(settings: dict[str, Any], turns: int) -> dict[str, Any]:
    """What one process measures."""
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as out:
        asked = {**settings, "corruptions": "jpeg", "compile": "always", "out": out}
        (plan,) = prepare_all(Configuration.from_settings(asked))
    (selected,) = plan.grid.methods
    assert isinstance(selected, CompiledSelection)
    count = chunk_size(plan.source.side)
    images = plan.source.batch(0, count, Degradation(CLEAN), 0)[1]
    assert len(images) == count
    context, device = Context(), settings["device"]
    ways = {"plain": selected.plain.method, "compiled": selected.method}
    with torch.inference_mode():
        before = seconds(device)
        probabilities = selected.method.predict(images, context)
        compiling = seconds(device) - before
        apart = (probabilities - selected.plain.method.predict(images, context)).abs().max()
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(turns):
            for way, method in ways.items():
                before = seconds(device)
                method.predict(images, context)
                found[way].append(1000 * (seconds(device) - before) / count)
    return {
        "network": selected.backbone.label,
        "pixels": plan.source.side,
        "ratio": statistics.median(a / b for a, b in zip(*found.values(), strict=True)),
        "compiling": compiling,
        "apart": float(apart),
        **{way: statistics.median(times) for way, times in found.items()},
    }


def row(settings: dict[str, Any], turns: int) -> dict[str, str]:
    """A row of the table."""
    child = [sys.executable, __file__, "--worker", json.dumps(settings), "--turns", str(turns)]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(Path(cache) / "compiled")}
        first, again = (
            json.loads(
                subprocess.run(child, env=environment, check=True, stdout=subprocess.PIPE).stdout
            )
            for _ in range(2)
        )
    saved = (again["plain"] - again["compiled"]) / 1000
    pays = [f"{t['compiling'] / saved:,.0f}" if saved > 0 else "never" for t in (first, again)]
    return {
        "network": again["network"],
        "pixels": str(again["pixels"]),
        "as it is, ms": f"{again['plain']:.2f}",
        "compiled, ms": f"{again['compiled']:.2f}",
        "times as fast": f"{statistics.median((first['ratio'], again['ratio'])):.2f}",
        "compiling, s": f"{first['compiling']:.0f}",
        "from the cache, s": f"{again['compiling']:.1f}",
        "pays from": pays[0],
        "from the cache": pays[1],
        "probabilities differ by": f"1e{math.ceil(math.log10(max(first['apart'], 1e-12))):d}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--into", type=Path, help="page whose block `compiled` becomes the table")
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(worker(json.loads(options.worker), options.turns)))
        return
    rows = [row({**network, "limit": 64}, options.turns) for network in networks(parser, options)]
    if not rows:
        return
    text = markdown(pd.DataFrame(rows))
    print(text)
    if options.into:
        write_block(options.into, "compiled", text)


if __name__ == "__main__":
    main()
