"""Whatever is wrong with a run's folder is found and named."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from robobench.checking.verify import verify
from robobench.cli import _exit_code
from robobench.errors import CheckFailed, RobobenchError
from robobench.results.manifest import write_manifest
from robobench.results.store import Store
from robobench.types import Cell, Predictions

CELL = Cell("toy", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "net", "w0", "", 0)
JPEG = replace(CELL, corruption="jpeg_compression", level=25.0)
METHODS = {"org": "w0", "afd": "w1"}
LABELS = np.arange(20) % 3


@dataclass
class Toy:
    """Just what `verify` asks of a data set."""

    print_: str = "f"
    labels: np.ndarray = None

    def __post_init__(self):
        self.labels = LABELS if self.labels is None else self.labels

    def __len__(self):
        return len(self.labels)

    def fingerprint(self):
        return self.print_


def predictions(count=20, **changes):
    half = np.full(count, 0.5, np.float32)
    values = {
        "index": np.arange(count),
        "label": LABELS[:count],
        "predicted": LABELS[:count],
        "confidence": half,
        "true_probability": half,
        **changes,
    }
    return Predictions(**values)


def manifest(**changes):
    return {
        "dataset": {
            "name": "toy",
            "argument": "toy",
            "split": "test",
            "fingerprint": "f",
            "count": 20,
            "class_names": ["a", "b", "c"],
        },
        "methods": [
            {"method": m, "backbone": "net", "trained_on": "", "train_seed": 0, "weights": {"": w}}
            for m, w in METHODS.items()
        ],
        "not_applicable": [],
        "cells": 4,
        **changes,
    }


def cells():
    return [
        replace(cell, method=method, weights=weights)
        for method, weights in METHODS.items()
        for cell in (CELL, JPEG)
    ]


@pytest.fixture
def run(tmp_path):
    """A whole run of two methods and two conditions."""
    for cell in cells():
        Store(tmp_path).put(cell, predictions())
    write_manifest(tmp_path, manifest())
    return tmp_path


def problem(folder, dataset=None):
    found = verify(folder, dataset)
    assert len(found.problems) == 1, found.problems
    with pytest.raises(CheckFailed, match="is not whole"):
        found.raise_if_broken()
    return found.problems[0]


def test_a_whole_run_is_whole(run):
    found = verify(run, Toy())
    assert (found.cells, found.predictions, found.problems, found.notes) == (4, 80, [], [])
    found.raise_if_broken()
    assert "fingerprint was not checked" in verify(run).notes[0]


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(RobobenchError, match="no run is there"):
        verify(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RobobenchError, match="not a robobench manifest"):
        verify(tmp_path)


def test_a_truncated_file_is_named(run):
    path = Store(run).path(cells()[3])
    path.write_bytes(path.read_bytes()[:-30])
    found = verify(run).problems
    assert any(path.name in p and "run again" in p for p in found)
    assert any(p.startswith("afd lacks 1 of 2 conditions (jpeg_compression 25") for p in found)


def test_a_flipped_bit_is_found_anywhere(run):
    path = Store(run).path(cells()[1])
    whole = path.read_bytes()
    found = 0
    for place in range(0, len(whole), 37):
        spoilt = bytearray(whole)
        spoilt[place] ^= 0x10
        path.write_bytes(bytes(spoilt))
        problems = verify(run).problems
        found += bool(problems)
        # A zip file holds dates and attributes that mean nothing: there the values are whole.
        assert problems or Store(run).get(cells()[1]).correct.all()
    assert found > 20
    path.write_bytes(whole)
    assert not verify(run).problems


def test_a_file_under_another_cells_name_is_found(run):
    store = Store(run)
    store.path(cells()[0]).write_bytes(store.path(cells()[1]).read_bytes())
    assert any("holds another cell than its name says" in p for p in verify(run).problems)


def test_a_missing_cell_is_named_unless_it_does_not_apply(run):
    Store(run).path(cells()[3]).unlink()
    said = problem(run)
    assert said.startswith("afd lacks 1 of 2 conditions (jpeg_compression 25 among them)")
    refused = [{"method": "afd", "corruption": "jpeg_compression", "why": "x"}]
    write_manifest(run, manifest(not_applicable=refused, cells=3))
    assert verify(run).problems == []


def test_a_condition_that_every_method_lacks_is_missed_by_number(run):
    for cell in (cells()[1], cells()[3]):
        Store(run).path(cell).unlink()
    assert problem(run).startswith("it has 2 of 4 planned cells")


def test_files_left_from_writing_are_named(run):
    (run / "cells" / ".x.npz.abc.tmp").write_bytes(b"half")
    assert "interrupted write" in problem(run)


def test_other_images_or_labels_in_one_cell_are_found(run):
    Store(run).put(cells()[2], predictions(index=np.arange(1, 21)))
    assert "other images than the rest" in problem(run)
    Store(run).put(cells()[2], predictions(label=np.zeros(20, np.int64)))
    assert "other labels than the rest" in problem(run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"index": np.arange(20)[::-1].copy()}, "not in order"),
        ({"label": np.full(20, 7)}, "outside the 3 classes"),
        ({"confidence": np.full(20, 1.5, np.float32)}, "outside 0..1"),
        ({"extra": {"psnr": np.zeros(3, np.float32)}}, "differ in length"),
    ],
)
def test_impossible_values_are_found(run, changes, said):
    for cell in cells():
        Store(run).put(cell, predictions(**changes))
    assert all(said in p for p in verify(run).problems)
    assert len(verify(run).problems) == 4


def test_fewer_images_than_planned_are_found(run):
    for cell in cells():
        Store(run).put(cell, predictions(10))
    assert "10 images, but the manifest says 20" in verify(run).problems[0]


def test_cells_of_other_weights_are_found(run):
    write_manifest(run, manifest(methods=[*manifest()["methods"][:1], afd_with("w9")]))
    assert "computed with other weights or code than the manifest lists (afd (w1))" in problem(run)


def afd_with(weights):
    return {
        "method": "afd",
        "backbone": "net",
        "trained_on": "",
        "train_seed": 0,
        "weights": {"": weights},
    }


def test_other_data_is_found(run):
    assert "fingerprint differs from the run's" in problem(run, Toy("other"))
    assert any(
        "labels differ from the data set's" in p
        for p in verify(run, Toy(labels=LABELS[::-1])).problems
    )
    few = verify(run, Toy(labels=LABELS[:5])).problems
    assert any("images that the data set does not have" in p for p in few)


def test_on_the_command_line(run, capsys):
    assert _exit_code(["verify", str(run)]) == 0
    told = capsys.readouterr().out
    assert "4 cells, 80 predictions" in told
    assert "all is well" in told
    assert "note: the data set was not opened" in told
    Store(run).path(cells()[3]).unlink()
    assert _exit_code(["verify", str(run)]) == 1
    told = capsys.readouterr()
    assert "problem: afd lacks 1" in told.out
    assert told.err.count("\n") == 1
