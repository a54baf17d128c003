"""Nothing is frozen or checked from a part of a run."""

import json
import shutil

import pytest
from edges import ending

from robobench.cli import _exit_code
from robobench.results.manifest import write_manifest


@pytest.fixture
def interrupted(folder, tmp_path):
    """A run of which four cells are there."""
    part = tmp_path / "part"
    shutil.copytree(folder, part)
    for cell in sorted((part / "cells").glob("*.npz"))[4:]:
        cell.unlink()
    return part


@pytest.fixture
def baseline(folder, tmp_path):
    file = tmp_path / "baseline.json"
    assert _exit_code(["freeze", str(folder), "--out", str(file)]) == 0
    return file


def said(folder):
    planned = json.loads((folder / "manifest.json").read_text())["cells"]
    return f"it has 4 of {planned} cells, `robobench run --methods afd --corruptions jpeg` computes"


def test_an_interrupted_run_is_not_frozen(interrupted, tmp_path, capsys):
    code, line = ending(["freeze", interrupted, "--out", tmp_path / "b.json"], capsys)
    assert code == 2
    assert said(interrupted) in line
    assert not (tmp_path / "b.json").exists()


def test_an_interrupted_run_fails_the_check(interrupted, baseline, capsys):
    assert _exit_code(["check", str(interrupted), "--baseline", str(baseline)]) == 1
    assert "cells are missing from the run" in capsys.readouterr().err


def test_a_run_from_python_is_repeated(interrupted, tmp_path, capsys):
    manifest = json.loads((interrupted / "manifest.json").read_text())
    write_manifest(interrupted, {**manifest, "command": "python"})
    code, line = ending(["freeze", interrupted, "--out", tmp_path / "b.json"], capsys)
    assert code == 2
    assert "the same run, repeated, computes the rest" in line


def test_a_left_over_file_is_refused_as_by_verify(folder, tmp_path, capsys):
    part = tmp_path / "part"
    shutil.copytree(folder, part)
    (part / "cells" / ".a.npz.1.tmp").write_bytes(b"")
    code, line = ending(["freeze", part, "--out", tmp_path / "b.json"], capsys)
    assert code == 2
    assert "left over from an interrupted write" in line


def test_a_whole_run_is_checked(folder, baseline):
    assert _exit_code(["check", str(folder), "--baseline", str(baseline)]) == 0
