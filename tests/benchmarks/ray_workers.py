"""How much faster are two Ray workers of one core each than one? ``python tests/benchmarks/ray_workers.py``.

Needs two idle cores. One worker and two take turns, as a machine is not equally fast all the time; the middle one of the turns'
ratios counts. Both are timed from the first group that comes back to the last one, so that starting Python is left out; the whole
run, with it, is beside that. Where two workers need as much processor time per prediction as one, and all
processors are at work, only the machine keeps them from being twice as fast.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_tables import markdown, write_block

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
    parser.add_argument(
        "--into", type=Path, help="page whose block `ray DATASET` becomes the table"
    )
    options = parser.parse_args()
    run = {"methods": options.methods, "dataset": options.dataset}
    compiling = tempfile.mkdtemp()
    robobench.run(corruptions="common", **run, limit=20, severities=1, out=compiling)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the runs", flush=True)
    turns = []
    for _ in range(options.turns):
        turns.append([measured(n, {**run, "limit": options.images}) for n in (1, 2)])
        print(turns[-1], flush=True)
    text = table(turns)
    print(text)
    if options.into:
        write_block(options.into, f"ray {options.dataset}", text)


def table(turns: Sequence[Sequence[tuple[float, float, float, float]]]) -> str:
    """A row per turn, as markdown, and the middle one of the ratios."""
    rows = []
    for (one, long, each_one, share_one), (two, short, each_two, share_two) in turns:
        rows.append(
            {
                "1 worker, predictions/s": f"{one:,.0f}",
                "2 workers": f"{two:,.0f}",
                "times as fast": f"{two / one:.2f}",
                "whole run, s": f"{long:.0f}, {short:.0f}",
                "processor ms per prediction": f"{each_one:.2f}, {each_two:.2f}",
                "processors at work": f"{share_one:.0%}, {share_two:.0%}",
            }
        )
    ratio = statistics.median(turn[1][0] / turn[0][0] for turn in turns)
    return f"{markdown(pd.DataFrame(rows))}\n\nThe middle one: {ratio:.2f} times."


if __name__ == "__main__":
    main()
