"""How long help takes to appear beside a Python that imports click: ``python tests/benchmarks/start_time.py``.

Processor time of processes that take turns; the ratios are medians over turns.
"""

import argparse
import os
import statistics
import subprocess
import sys

BARE = (sys.executable, "-c", "import click")
COMMANDS = (("--help",), ("run", "--help"), ("list", "methods"))


def processor_seconds(command: tuple[str, ...]) -> float:
    """User and system time of a process and its children."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {child.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=11)
    turns = parser.parse_args().turns
    found: dict[tuple[str, ...], list[float]] = {command: [] for command in (BARE, *COMMANDS)}
    for _ in range(turns):
        for command, times in found.items():
            whole = command if command is BARE else (sys.executable, "-m", "robobench", *command)
            times.append(processor_seconds(whole))
    for command in COMMANDS:
        ratio = statistics.median(a / b for a, b in zip(found[command], found[BARE], strict=True))
        seconds = statistics.median(found[command])
        print(f"robobench {' '.join(command)}: {seconds:.2f} s, {ratio:.1f} times importing click")


if __name__ == "__main__":
    main()
