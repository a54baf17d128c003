"""Is a store that is killed and damaged the same afterwards? The numbers of docs/store.md.

    python tests/benchmarks/store_damage.py [--kills 100] [--damages 50] [--limit 16] [--into docs/store.md]

SIGKILLs at random moments of a run, from its first look at the folder to its tables; then random damage to a
file of a finished run (a bit flipped, the end cut off, the file deleted; cells, manifest, its copy, tables).
Runs show progress every second time, as where CI is set, since other code looks through the folder then.
After each completed run cells and tables must be the bytes of a run that nobody disturbed. Damage that
`verify` does not notice must leave every number in the tables as it was.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pandas as pd
import torch
from markdown_tables import write_block

import robobench
from robobench.checking.verify import verify
from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import prepare
from robobench.results.manifest import COPY, MANIFEST, TABLES, read_manifest

KILLS, DAMAGES = 100, 50
SETTINGS = {"methods": "org,median", "corruptions": "jpeg,shot_noise", "severities": "1,3,5"}
KINDS = ("flip", "cut", "delete")


_SHOWN = cycle(["", "1"])


def start(out: Path, limit: int) -> int:
    """Fork a process that runs; it imports nothing again, so most of its time is the run's own."""
    os.environ["CI"] = next(_SHOWN)
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        torch.set_num_threads(1)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            robobench.run(limit=limit, out=out, **SETTINGS)
        code = 0
    except Exception:  # noqa: BLE001 - whatever it is, the child must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def finish(child: int) -> int:
    """Exit code of a process, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def promised(folder: Path) -> dict[str, bytes]:
    """The bytes of cells and tables."""
    paths = [*(folder / "cells").glob("*.npz"), *(folder / name for name in TABLES)]
    return {path.name: path.read_bytes() for path in paths}


def duration(folder: Path, limit: int) -> float:
    """Seconds that a whole run takes; its folder is removed."""
    began = time.perf_counter()
    assert finish(start(folder, limit)) == 0
    shutil.rmtree(folder)
    return time.perf_counter() - began


def kill(folder: Path, count: int, limit: int, whole: dict[str, bytes], luck: random.Random) -> str:
    """Kill runs, each going on where the one before was killed; compare whenever one gets through."""
    seconds, done, compared, killed = 0.0, 0, 0, 0
    while done < count:
        if not seconds:
            seconds = duration(folder, limit)
        began = time.perf_counter()
        child = start(folder, limit)
        moment = luck.uniform(0, seconds)
        while time.perf_counter() - began < moment:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        if finish(child) == -signal.SIGKILL:
            done += 1
            if done < count:
                continue
            assert finish(start(folder, limit)) == 0
        assert promised(folder) == whole, "a run that was killed has other bytes"
        assert verify(folder).problems == []
        compared += 1
        sessions = (read_manifest(folder) or {})["sessions"]
        killed += sum(bool(session.get("killed")) for session in sessions)
        cells = sum(len(session["made"]) for session in sessions)
        assert cells == len(whole) - len(TABLES), "each cell belongs to one session"
        shutil.rmtree(folder)
    return (
        f"{count} SIGKILLs: {compared} runs got through in between, with the bytes of the undisturbed "
        f"run; {killed} killed sessions in their manifests"
    )


def spoil(folder: Path, luck: random.Random) -> tuple[str, str]:
    """Damage one file; returns what and how."""
    cells = sorted((folder / "cells").glob("*.npz"))
    kind = luck.choice(KINDS)
    what = luck.choice(["cell", "cell", "manifest", "table"])
    if what == "cell":
        path = luck.choice(cells)
    else:
        path = folder / luck.choice((MANIFEST, COPY) if what == "manifest" else TABLES)
    raw = bytearray(path.read_bytes())
    if kind == "delete":
        path.unlink()
        return path.name, kind
    if kind == "flip":
        raw[luck.randrange(len(raw))] ^= 1 << luck.randrange(8)
    else:
        del raw[luck.randrange(len(raw)) :]
    path.write_bytes(raw)
    return path.name, kind


def noticed(folder: Path) -> bool:
    """Whether `verify` says that anything is damaged or missing."""
    try:
        found = verify(folder)
    except RobobenchError:
        return True
    return bool(found.problems) or any("is missing" in note for note in found.notes)


def damage(
    folder: Path, count: int, limit: int, whole: dict[str, bytes], luck: random.Random
) -> str:
    """Damage a finished run again and again, and repeat the run each time."""
    assert finish(start(folder, limit)) == 0
    before = robobench.load(folder).frame
    found: Counter[str] = Counter()
    missed = []
    for _ in range(count):
        name, kind = spoil(folder, luck)
        if noticed(folder):
            found[kind] += 1
        else:
            missed.append(f"{kind} of {name}")
            pd.testing.assert_frame_equal(robobench.load(folder).frame, before)
        assert finish(start(folder, limit)) == 0, f"a run does not get over the {kind} of {name}"
        assert promised(folder) == whole, f"other bytes after the {kind} of {name}"
        assert not noticed(folder)
    told = ", ".join(f"{kind} {found[kind]}" for kind in KINDS)
    rest = f"; not noticed, with no number changed: {', '.join(missed)}" if missed else ""
    return f"{count} damages: noticed {told}; the same bytes after each repeated run{rest}"


def measure(kills: int, damages: int, limit: int, seed: int = 0) -> Iterator[str]:
    """Kill and damage runs in a temporary folder; raises where anything differs."""
    luck = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed = Path(scratch, "undisturbed")
        torch.set_num_threads(1)  # for processes that are forked afterwards
        prepare(Configuration.from_settings({"limit": limit, **SETTINGS}))  # imports it all once
        assert finish(start(undisturbed, limit)) == 0
        whole = promised(undisturbed)
        assert verify(undisturbed).problems == []
        yield kill(Path(scratch, "killed"), kills, limit, whole, luck)
        yield damage(Path(scratch, "damaged"), damages, limit, whole, luck)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--damages", type=int, default=DAMAGES)
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--into", type=Path, help="page whose block `damage` becomes the result")
    given = parser.parse_args()
    began = time.perf_counter()
    said = []
    for line in measure(given.kills, given.damages, given.limit, given.seed):
        print(line, flush=True)
        said.append(f"- {line}.")
    print(f"{time.perf_counter() - began:.0f} s on {sys.platform}")
    if given.into:
        write_block(given.into, "damage", "\n".join(["", *said, ""]))
