"""``--batch-size auto``: fewer images where memory is short, and the same bytes."""

import pytest

import robobench
from robobench.cli import _exit_code
from robobench.evaluation.images import ImageSource
from robobench.results.manifest import read_manifest


def cells(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "cells").glob("*.npz"))}


@pytest.fixture
def tried(monkeypatch):
    """The numbers of images that were asked for, where memory suffices for 150."""
    asked = []
    batch = ImageSource.batch

    def limited(self, begin, end, *condition):
        asked.append(end - begin)
        if end - begin > 150:
            raise MemoryError("no room")
        return batch(self, begin, end, *condition)

    monkeypatch.setattr(ImageSource, "batch", limited)
    return asked


def test_it_halves_until_memory_suffices_and_remembers(tmp_path, toy, tried, monkeypatch):
    settings = {"methods": "org,median", "corruptions": "jpeg", "severities": "1", **toy}
    robobench.run(out=tmp_path / "auto", batch_size="auto", limit=400, **settings)
    assert max(tried) == 400
    assert read_manifest(tmp_path / "auto")["sessions"][0]["batch_size"] == 128
    tried.clear()
    robobench.run(out=tmp_path / "auto", batch_size="auto", limit=600, **settings)
    assert max(tried) == 128
    monkeypatch.undo()
    robobench.run(out=tmp_path / "plain", limit=600, **settings)
    assert cells(tmp_path / "auto") == cells(tmp_path / "plain")


def test_a_given_number_is_not_halved(tmp_path, toy, tried):
    with pytest.raises(MemoryError):
        robobench.run(out=tmp_path / "run", batch_size=256, corruptions="jpeg", limit=400, **toy)


def test_another_word_is_refused(capsys):
    assert _exit_code(["run", "--batch-size", "most", "--dry-run"]) == 2
    assert "--batch-size" in capsys.readouterr().err
