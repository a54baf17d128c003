"""A run that is killed at any moment, again and again, ends with the bytes of one that was not."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ARGUMENTS = [
    "--methods",
    "org,median",
    "--corruptions",
    "jpeg,noise",
    "--limit",
    "1000",
    "--no-report",
]


def start(out):
    command = [sys.executable, "-m", "robobench", "run", *ARGUMENTS, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def cells(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "cells").glob("*.npz"))}


def test_kills_and_damages_change_nothing_unnoticed():
    """A small version of what ``tests/benchmarks/store_damage.py`` measures."""
    script = Path(__file__).parent / "benchmarks" / "store_damage.py"
    few = ["--kills", "4", "--damages", "4", "--limit", "64"]
    done = subprocess.run(
        [sys.executable, script, *few], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "4 SIGKILLs" in done.stdout
    assert "4 damages" in done.stdout


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path):
    whole = start(tmp_path / "whole")
    assert whole.wait() == 0, whole.stderr.read()
    moments = random.Random(0)
    for _ in range(10):
        stored = len(cells(tmp_path / "killed"))
        process = start(tmp_path / "killed")
        while process.poll() is None and len(cells(tmp_path / "killed")) == stored:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.4))  # while some later cell is computed or written
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
        process.stderr.close()
    last = start(tmp_path / "killed")
    assert last.wait() == 0, last.stderr.read()
    for process in (whole, last):
        process.stderr.close()
    assert cells(tmp_path / "killed") == cells(tmp_path / "whole")
    assert not list((tmp_path / "killed").glob("**/.*.tmp"))
