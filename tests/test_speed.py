"""Small versions of what the benchmarks of speed measure."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


def measured(script, *words):
    child = [sys.executable, BENCHMARKS / script, *words]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_is_timed_beside_bare_passes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin overhead -->\nold\n<!-- end overhead -->\nafter\n")
    words = ["--shipped", "--small-images", "64", "--turns", "1", "--into", page]
    rows = measured("run_overhead.py", *words).splitlines()[-2:]
    assert ["vgg-tiny | 32 | JPEG of ten qualities | 704" in rows[0], "common" in rows[1]]
    before, *table, after = page.read_text().splitlines()
    assert (before, after) == ("before", "after")
    assert table[-3:-1] == rows
    one_core = float(rows[0].split(" | ")[-2])
    assert 0.5 < one_core < 50  # so few passes of so small a network are no measure of it


def test_the_ratios_of_a_run():
    sys.path.insert(0, str(BENCHMARKS))
    from run_overhead import Spent, compared

    # Ten seconds of passes; the run classifies for nine and degrades for four on another core.
    assert compared(Spent(10, 13, 9), Spent(10, 10, 10)) == (1, 1.3, 0.9)
    assert compared(Spent(20, 21, 9), Spent(10, 10, 10)) == (2, 2.1, 1.2)  # it waits for images


def test_help_appears_at_once():
    told = measured("start_time.py", "--turns", "3")
    ratios = [float(r) for r in re.findall(r"([\d.]+) times importing click", told)]
    assert len(ratios) == 3
    assert max(ratios[:2]) < 4  # a single import of torch would make it thirty


def test_corruptions_are_timed_in_a_loader():
    told = measured(
        "in_a_loader.py", "--worker", "robobench", "--side", "32", "--names", "contrast"
    )
    assert re.search(r'{"contrast": 0\.\d+}', told)


@pytest.mark.slow
def test_a_compiled_network_is_timed_beside_itself():
    row = measured("compiled_networks.py", "--shipped", "--turns", "3").splitlines()[-1]
    network, pixels, plain, compiled, *_ = row.strip("| ").split(" | ")
    assert (network, pixels) == ("vgg-tiny", "32")
    assert 0.3 < float(plain) / float(compiled) < 5
