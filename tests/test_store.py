"""Cells on disk: whole or absent, checked, and the same bytes for the same predictions."""

import errno
import os

import numpy as np
import pytest

from robobench.errors import RobobenchError
from robobench.files import write_aside
from robobench.results.store import Store
from robobench.types import Cell, Predictions

CELL = Cell(
    "toy", "test", "as-is", "crop", "", "jpeg_compression", 25.0, 0, "org", "net", "d", "clean", 0
)


def predictions(n=7):
    rng = np.random.default_rng(n)
    return Predictions(
        index=np.arange(n),
        label=rng.integers(0, 3, n),
        predicted=rng.integers(0, 3, n),
        confidence=rng.random(n, np.float32),
        true_probability=rng.random(n, np.float32),
        extra={"psnr": rng.random(n, np.float32)},
    )


def test_what_is_put_is_got(tmp_path):
    store, written = Store(tmp_path), predictions()
    store.put(CELL, written)
    read = store.get(CELL)
    assert store.cells() == [CELL]
    for name in ("index", "label", "predicted", "confidence", "true_probability"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    np.testing.assert_array_equal(read.extra["psnr"], written.extra["psnr"])


def test_the_same_predictions_are_the_same_bytes(tmp_path):
    first = Store(tmp_path / "a").put(CELL, predictions()).read_bytes()
    os.utime(tmp_path, (0, 0))
    assert Store(tmp_path / "b").put(CELL, predictions()).read_bytes() == first
    assert Store(tmp_path / "c").put(CELL, predictions(8)).read_bytes() != first


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_cut_file_is_refused_in_one_line(tmp_path, keep):
    path = Store(tmp_path).put(CELL, predictions())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RobobenchError, match="run again, which keeps the file aside") as caught:
        Store(tmp_path).get(CELL)
    assert "\n" not in str(caught.value)


def test_an_altered_value_is_noticed(tmp_path):
    store = Store(tmp_path)
    path = store.put(CELL, predictions())
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["predicted"] = arrays["predicted"] + 1
    np.savez(path.with_suffix(""), **arrays)
    with pytest.raises(RobobenchError, match="checksum does not match"):
        store.get(CELL)


def test_a_cell_under_another_cells_name_is_noticed(tmp_path):
    store = Store(tmp_path)
    path = store.put(CELL, predictions())
    other = Cell.from_dict({**CELL.__dict__, "level": 10.0})
    path.rename(store.path(other))
    with pytest.raises(RobobenchError, match="another cell than its name says"):
        store.get(other)


def test_what_is_no_cell_is_refused(tmp_path):
    (tmp_path / "cells").mkdir()
    np.savez(tmp_path / "cells" / "odd.npz", a=np.zeros(3))
    with pytest.raises(RobobenchError, match=r"not a complete cell file|not a robobench cell file"):
        Store(tmp_path).cells()


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RobobenchError, match="No space left on device"):
        write_aside(tmp_path / "x.npz", b"abc")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_writing_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_aside(tmp_path / "x.npz", b"abc")
    assert list(tmp_path.iterdir()) == []


def test_the_key_decides_the_file(tmp_path):
    store = Store(tmp_path)
    paths = {store.path(CELL)}
    for change in ({"level": 10.0}, {"seed": 1}, {"weights": "e"}, {"profile": "+jpeg85"}):
        paths.add(store.path(Cell.from_dict({**CELL.__dict__, **change})))
    assert len(paths) == 5
