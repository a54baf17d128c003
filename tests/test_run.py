"""A run's tables hold the predictions of a cell or two, however many cells there are."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_cells import CLEAN, JPEG, study

from robobench.checking.baseline import read_baseline
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.reports.builder import build
from robobench.reports.joined import join
from robobench.reproductions import Column, Gain, Reproduction, Row
from robobench.reproductions.measuring import measure
from robobench.reproductions.planning import PlannedReproduction
from robobench.results import store
from robobench.results.manifest import write_manifest
from robobench.results.run import load
from robobench.types import Predictions

METHODS = ("org", "afd", "ddp")


class Images:
    """The images of a plan: which ones, and how many."""

    def __init__(self, order):
        self.order = order

    def __len__(self):
        return len(self.order)


def write_run(folder, methods=METHODS, images=40, weights="w"):
    """A run's folder: every method on the clean images and five qualities of JPEG."""
    shares = {d: 0.9 - 0.1 * place for place, d in enumerate((CLEAN, *JPEG))}
    for cell, predictions in study(dict.fromkeys(methods, shares), images):
        store.Store(folder).put(cell, predictions)
    told = {"backbone": "vgg", "trained_on": "", "train_seed": 0, "weights": {"": weights}}
    dataset = {"name": "shapes10", "split": "test", "fingerprint": "f"}
    write_manifest(
        folder,
        {
            "profile": "cifar-c",
            "dataset": {**dataset, "count": images, "total": images},
            "methods": [{"label": m, "method": m, **told} for m in methods],
        },
    )
    return folder


@pytest.fixture
def most(monkeypatch):
    """A function that tells how many cells' predictions were held at once at most.

    Its `read` tells how many were read.
    """
    held = {"now": 0, "most": 0, "read": 0}

    class Counted(Predictions):
        def __init__(self, *args, **columns):
            super().__init__(*args, **columns)
            held["now"] += 1
            held["read"] += 1
            held["most"] = max(held["most"], held["now"])

        def __del__(self):
            held["now"] -= 1

    gc.collect()
    monkeypatch.setattr(store, "Predictions", Counted)

    def told():
        return held["most"]

    told.read = lambda: held["read"]
    return told


def test_tables_and_comparison_hold_no_more_than_two_cells(tmp_path, most):
    run = load(write_run(tmp_path / "run"))
    assert len(run.frame[run.frame["metric"] == "accuracy"]) == 18
    assert len(run.summary()) == 9
    assert len(run.compare("org", "afd")) == 3
    assert 1 <= most() <= 2


def test_a_report_holds_no_more_than_two_cells(tmp_path, most):
    build(load(write_run(tmp_path / "run")), tmp_path / "report", formats=("csv",))
    assert 1 <= most() <= 2


def test_runs_that_share_cells_hold_few_at_a_time(tmp_path, most):
    one = load(write_run(tmp_path / "one", ("org", "afd")))
    other = load(write_run(tmp_path / "other", ("org", "ddp"), images=60))
    run = join([one, other])
    # Their answers for the first forty images differ: none of the two stands for both.
    assert len(run.cells) == 24
    assert set(run.summary()["method"]) == {"org [one]", "org [other]", "afd", "ddp"}
    assert 1 <= most() <= 3  # one of them is cut to the common images
    assert {len(run.predictions(cell)) for cell in run.cells} == {40}, "the common images"


def test_freeze_and_check_read_each_cell_once_and_hold_no_more_than_two(tmp_path, most):
    run = load(write_run(tmp_path / "run"))
    file = tmp_path / "baseline.json"
    assert _exit_code(["freeze", str(run.folder), "--out", str(file)]) == 0
    assert most.read() == 18
    assert _exit_code(["check", str(run.folder), "--baseline", str(file)]) == 0
    assert most.read() == 36
    assert 1 <= most() <= 2
    kept = read_baseline(file).outcomes
    assert [one.cell for one in kept] == run.cells
    assert all(np.array_equal(o.correct, run.predictions(o.cell).correct) for o in kept)


def test_a_reproduction_holds_no_more_than_two_cells(tmp_path, most):
    run = load(write_run(tmp_path / "run"))
    levels = [cell.level for cell in run.cells if cell.method == "org" and cell.level]
    columns = tuple(Column(f"{level:g}", f"jpeg:{level:g}") for level in levels)
    plan = SimpleNamespace(
        profile="cifar-c",
        dataset=range(40),
        source=Images(range(0, 40, 2)),  # of the 40 that are stored
        configuration=SimpleNamespace(folder=run.folder, draws=500),
        grid=SimpleNamespace(cells=run.store.cells),
    )
    planned = PlannedReproduction(
        name="irdi-table3",
        reproduction=Reproduction(
            "Table 1",
            "shapes10",
            "made-up",
            columns,
            (Row("org"), Row("afd")),
            gain=Gain("afd", "org", "", ""),
        ),
        plans=[plan, plan],
        train_seeds=(0,),
        notes=[],
    )
    found = measure(planned)
    assert 1 <= most() <= 2
    assert set(found.table["n"]) == {20}
    assert found.notes[-1].startswith("A class-balanced choice of 20 of 40 images")
    for method in ("org", "afd"):
        for cell in run.cells:
            if cell.method == method and cell.level:
                rows = found.table.set_index(["row", "column"])
                right = run.predictions(cell).correct[::2].mean()
                assert rows.loc[(method, f"{cell.level:g}"), "ours"] == pytest.approx(right)
    assert set(found.gains["row"]) == {"afd - org"}


def test_the_bootstrap_is_made_once_for_all_tables(tmp_path, monkeypatch):
    from robobench.analysis import series

    made = []
    original = series.bootstrap_accuracies
    monkeypatch.setattr(
        series, "bootstrap_accuracies", lambda *a, **k: made.append(a) or original(*a, **k)
    )
    run = load(write_run(tmp_path / "run"))
    build(run, tmp_path / "report", formats=("csv",))
    run.compare("org", "afd")
    assert len(made) == 1


def test_cells_of_weights_that_were_trained_anew_since_are_left_aside(tmp_path):
    run = load(write_run(tmp_path / "run", weights="newer"))
    assert run.cells == []
    assert len(run.store.cells()) == 18


def test_a_cell_under_another_name_is_refused_before_any_table(tmp_path):
    run = load(write_run(tmp_path / "run"))
    path = run.store.path(run.cells[0])
    path.rename(path.with_name("copy.npz"))
    with pytest.raises(RobobenchError, match=r"copy\.npz holds another cell than its name says"):
        _ = load(run.folder).frame
