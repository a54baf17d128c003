"""A small version of what ``tests/benchmarks/fastest_peers.py`` measures."""

import sys
from pathlib import Path

import numpy as np
import pytest

from robobench import corrupt
from robobench.corruptions import catalogue

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import fastest_peers as peers

FEW = ["--images", "2", "--rounds", "2", "--severities", "1", "--size", "32"]


@pytest.fixture
def one_core(monkeypatch):
    """Without what would outlast the test: one thread, one core."""
    monkeypatch.setattr(peers.torch, "set_num_threads", lambda count: None)
    monkeypatch.delattr(peers.os, "sched_setaffinity", raising=False)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_installed_rival_is_timed_and_the_others_are_named(one_core, monkeypatch, capsys):
    found = peers.installed()
    monkeypatch.setattr(peers, "installed", lambda: {"PIL": found["PIL"]})
    peers.main(FEW)
    printed = capsys.readouterr()
    assert "corrupt-tta is not installed: left out" in printed.err
    assert "Pillow is not installed" not in printed.err
    head, _, *lines = printed.out.splitlines()
    rows = [dict(zip(cells(head), cells(line), strict=True)) for line in lines]
    assert [row["32 x 32, ms per image"] for row in rows] == list(peers.NAMES)
    for row in rows:
        compared = row["32 x 32, ms per image"] in ("pixelate", "jpeg_compression")
        assert float(row["robobench"]) > 0
        assert row["over packages"] == ""
        assert bool(row["Pillow"]) == bool(row["over all"]) == compared


@pytest.mark.parametrize(
    ("name", "loop"),
    [("pixelate", peers.pillow_pixelate), ("jpeg_compression", peers.pillow_jpeg)],
)
def test_pillows_loops_do_the_same_work(name, loop):
    images = peers.photographs(2, 64)
    for severity in (1, 5):
        level = catalogue.severity_table(name, "tiny-imagenet-c")[severity - 1]
        ours = corrupt(images, name, severity=severity, profile="tiny-imagenet-c")
        assert np.array_equal(ours, np.stack([loop(image, level) for image in images]))


@pytest.mark.parametrize(
    ("name", "close"),
    [("brightness", 1), ("saturate", 1), ("pixelate", 4), ("jpeg_compression", 8)],
)
def test_opencvs_loops_do_about_the_same(name, close):
    loop = peers.opencv_loops(pytest.importorskip("cv2"))[name]
    images = peers.photographs(2, 224)
    for severity in (1, 3):
        level = catalogue.severity_table(name, "imagenet-c")[severity - 1]
        ours = corrupt(images, name, severity=severity, profile="imagenet-c").astype(int)
        theirs = np.stack([loop(image, level) for image in images]).astype(int)
        assert np.abs(ours - theirs).mean() < close
