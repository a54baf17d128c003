"""A run that is killed at any moment, again and again, ends with the bytes of one that was not."""

import random
import signal
import subprocess
import sys
import time

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


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path):
    whole = start(tmp_path / "whole")
    began = time.monotonic()
    assert whole.wait() == 0, whole.stderr.read()
    lasted = time.monotonic() - began
    moments = random.Random(0)
    killed = 0
    for _ in range(30):
        process = start(tmp_path / "killed")
        time.sleep(moments.uniform(0.2, 0.9) * lasted)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stderr.close()
        if killed == 10:
            break
    last = start(tmp_path / "killed")
    assert last.wait() == 0, last.stderr.read()
    for process in (whole, last):
        process.stderr.close()
    assert killed >= 3, "the moments were too late to kill anything"
    assert cells(tmp_path / "killed") == cells(tmp_path / "whole")
    assert not list((tmp_path / "killed").glob("**/.*.tmp"))
