"""How much faster are two Ray workers of one core each than one? ``python tests/benchmarks/ray_workers.py``.

Needs two idle cores: what else the machine does is measured beside it, and a ratio on a busy machine says little.
One worker and two take turns, as a machine is not equally fast all the time; the middle one of the turns' ratios counts.
Both are timed from the first group that comes back to the last one, so that starting Python is left out; with it
beside that. The processor time of the workers per prediction does not depend on how busy the machine is: where it
is the same for two workers, nothing but the machine keeps them from being twice as fast.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import robobench
from robobench.evaluation.classifiers import prepare_all
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.run import execute_all


def busy() -> tuple[float, float]:
    """Seconds that all processors have worked, and been there, since the machine started."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    ticks = [int(word) for word in words]
    each = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - ticks[3] - ticks[4]) / each, sum(ticks) / each


def processor_seconds() -> dict[str, float]:
    """Processor time of each Ray worker so far, by process."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().startswith(b"ray::Worker"):
                words = (process / "stat").read_text().rpartition(") ")[2].split()
                found[process.name] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:  # it has just ended
            continue
    return found


def measured(workers: int, run: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Predictions per second, seconds of the whole run, processor time per 1,000, share at work."""
    import ray

    ray.init(
        address="local",
        num_cpus=workers,
        object_store_memory=200 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    arrived: list[tuple[float, int]] = []
    used: list[float] = []

    def note(predictions: int) -> None:
        arrived.append((time.monotonic(), predictions))
        used.append(sum(processor_seconds().values()))

    try:
        with tempfile.TemporaryDirectory() as folder:
            plans = prepare_all(
                Configuration(**run, corruptions="common", executor="ray", out=folder)
            )
            worked, there = busy()
            began = time.monotonic()
            execute_all(plans, advance=note)
            whole = arrived[-1][0] - began
            now_worked, now_there = busy()
    finally:
        ray.shutdown()
    # of one worker the first group, of two the first two may have begun while another opened
    (first, _), (last, _) = arrived[workers - 1], arrived[-1]
    predictions = sum(n for _, n in arrived[workers:])
    each = (used[-1] - used[workers - 1]) / predictions * 1000
    share = (now_worked - worked) / (now_there - there)
    return predictions / (last - first), whole, each, share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset", default="shapes10", help="or cifar10: a network six times as slow"
    )
    parser.add_argument("--methods", default="afd")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    run = {"methods": options.methods, "dataset": options.dataset}
    compiling = tempfile.mkdtemp()
    robobench.run(corruptions="common", **run, limit=20, severities=1, out=compiling)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the runs", flush=True)
    speeds: dict[int, list[float]] = {1: [], 2: []}
    wholes: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.turns):
        for workers in (1, 2):
            speed, whole, each, share = measured(workers, {**run, "limit": options.images})
            speeds[workers].append(speed)
            wholes[workers].append(whole)
            print(
                f"{workers} worker{'s' * (workers > 1)}: {speed:.0f} predictions/s, whole run "
                f"{whole:.0f} s, {each:.2f} s of processor per 1,000, processors at work {share:.0%} "
                "of the time",
                flush=True,
            )
    ratio = statistics.median(two / one for one, two in zip(speeds[1], speeds[2], strict=True))
    whole = statistics.median(one / two for one, two in zip(wholes[1], wholes[2], strict=True))
    print(f"two against one: {ratio:.2f}; whole run {whole:.2f}")


if __name__ == "__main__":
    main()
