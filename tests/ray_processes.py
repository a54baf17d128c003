"""The processes of Ray on this machine: to kill some, and to see that none is left."""

import os
import signal
import time
from pathlib import Path


def ray_processes(name=""):
    """Ids of Ray's processes, of all or of those with a name such as ``ray::Worker``."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            program = command.split(" ")[0].rpartition("/")[2]
            if program.startswith(name or ("ray::", "raylet", "gcs_server")):
                found.add(int(folder.name))
    return found


def wait_until(true, seconds=60.0):
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    return true()


def kill(process):
    os.kill(process, signal.SIGKILL)
