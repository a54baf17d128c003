"""What would take hours or all memory is refused before it begins."""

import os
import shutil
import zipfile

import numpy as np
import pytest
from edges import ending
from PIL import Image

from robobench.checking.verify import verify
from robobench.errors import RobobenchError
from robobench.evaluation.grid import parse_corruptions, parse_whole_numbers

RUN = "run --methods org --corruptions jpeg --severities 1 --limit 10 --dry-run"
MANY = ",".join(map(str, range(1001)))
BOUNDED = {
    "--corruptions gaussian_noise:0-1000000000": "at most 10000 levels",
    "--corruptions gaussian_noise:0-255/0.000001": "at most 10000 levels",
    f"--corruptions gaussian_noise:0-{'9' * 400}": "at most 10000 levels",
    f"--corruptions gaussian_noise:{'9' * 400}": "at most 10000 levels",
    f"--corruptions gaussian_noise:0-255/0.{'0' * 319}1": "at most 10000 levels",
    f"--corruptions {'+'.join(['jpeg'] * 100)}": "a mixture of 100 corruptions",
    "--seed 0-1000000000": "--seed: expected at most 1000 numbers",
    f"--seed {MANY}": "--seed: expected at most 1000 numbers",
    f"--seed {'9' * 5000}": "--seed: expected numbers from 0",
    "--severities 1-1000000000": "--severities: expected numbers from 1 to 5",
    "--train-seeds 0-1000000000": "--train-seeds: expected numbers from 0 to 999",
    "--resize 1000000000": "--resize: expected at most 10000 pixels",
    "--crop 1000000000": "--crop: expected at most 10000 pixels",
    "--device meta": "--device meta cannot be used here",
}


@pytest.mark.parametrize("options", BOUNDED, ids=lambda text: text[:40])
def test_a_run_is_bounded(options, tmp_path, capsys):
    code, line = ending([*RUN.split(), "--out", tmp_path / "a", *options.split()], capsys)
    assert code == 2
    assert BOUNDED[options] in line


def test_bounds_are_wide_enough():
    assert len(parse_whole_numbers("0-999", "--seed", 0, 999)) == 1000
    assert len(parse_corruptions("jpeg:1-100,gaussian_noise:0-50/0.01", [1], "cifar-c")) == 5101
    with pytest.raises(RobobenchError, match="at most 1000"):
        parse_whole_numbers("0-998,1000-1002", "--seed", 0, 2000)


@pytest.mark.parametrize("where", ["0/a.png", "1/c.png"])
def test_a_pipe_is_no_image(where, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    for name in ("0/a.png", "0/b.png", "1/c.png"):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        if name == where:
            os.mkfifo(pictures / name)
        else:
            Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(pictures / name)
    command = ["corrupt", pictures, tmp_path / "copy", "--corruptions", "jpeg", "--workers", "1"]
    code, line = ending(command, capsys)
    assert code == 2
    assert "not a file but a folder, pipe or device" in line
    code, line = ending(
        ["preview", "--image", pictures / where, "--out", tmp_path / "a.png"], capsys
    )
    assert code == 2
    assert "not a file but a folder, pipe or device" in line


def test_a_cell_that_swells_is_not_unpacked(folder, tmp_path):
    swollen = tmp_path / "run"
    shutil.copytree(folder, swollen)
    cell = next((swollen / "cells").glob("*.npz"))
    with zipfile.ZipFile(cell, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("extra.bomb.npy", b"\0" * 10**7)
    assert any(f"{cell.name} unpacks to" in problem for problem in verify(swollen).problems)


def test_a_lack_of_memory_is_one_line(monkeypatch, capsys):
    def swell(*args, **options):
        raise MemoryError("Unable to allocate 1. PiB")

    monkeypatch.setattr("robobench.evaluation.classifiers.prepare_all", swell)
    code, line = ending(["run", "--dry-run"], capsys)
    assert code == 2
    assert "not enough memory (Unable to allocate 1. PiB)" in line


def test_intact_cells_are_still_read(folder):
    assert not verify(folder).problems
