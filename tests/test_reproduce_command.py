"""`robobench reproduce`, from networks to files."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from robobench.cli import _exit_code
from robobench.results.store import Store
from robobench.weights import storage

PLUGIN = """
import robobench
from dataclasses import replace
from robobench.reproductions import Column, Gain, Reproduction, Row

@robobench.reproduction("toy-table1", paper="Doe 2031")
def table1():
    "Table 1: two intervals of JPEG shapes10."
    return Reproduction(
        title="Table 1. JPEG shapes10",
        dataset="shapes10",
        run_folder="doe-2031",
        columns=(Column("Acc(10,11)", "jpeg:10-11"), Column("Acc(50,51)", "jpeg:50-51")),
        rows=(Row("org", "Org", (0.5, 0.7)), Row("jpg", "Jpg", (0.8, 0.9)),
              Row("jpg-estqf", "Jpg and Est. Q.F.", (0.85, 0.95))),
        further=(Row("no-such-method"), Row("median")),
        on_demand=(Row("bilateral"),),
        whole="all",
        gain=Gain("jpg-estqf", "jpg", "", "the estimated quality"),
        notes=("Made up.",),
    )

@robobench.reproduction("toy-figure1", paper="Doe 2031")
def figure1():
    "Figure 1: the same over the quality."
    table = table1()
    columns = tuple(Column(str(q), f"jpeg:{q}") for q in (10, 11, 50, 51))
    rows = tuple(replace(row, published=()) for row in table.rows)
    return replace(table, columns=columns, rows=rows, whole="", gain=None, figure=True, beside=table)
"""


@pytest.fixture
def place(tmp_path, registered, monkeypatch):
    """A working directory with a plug-in."""
    (tmp_path / "doe.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_paper_of_a_plugin_from_networks_to_files(place, capsys):
    def reproduce(*names, limit=64):
        arguments = ["reproduce", *names, "--plugin", "doe.py", "--limit", str(limit)]
        assert _exit_code([*arguments, "--device", "cpu"]) == 0
        return capsys.readouterr().out

    first = reproduce("toy-table1", "toy-figure1")
    assert "20 cells of 64 images, 0 already stored" in first
    assert "toy-figure1: 20 cells of 64 images, 20 already stored; nothing left to run" in first
    assert {p.suffix for p in (place / "reproduced").glob("toy-figure1.*")} == {
        *(".csv", ".html", ".tex", ".md", ".svg", ".pdf")
    }
    table = pd.read_csv(place / "reproduced" / "toy-table1.csv").set_index(["row", "column"])
    assert set(table.index.get_level_values("row")) == {"org", "jpg", "jpg-estqf", "median"}
    store = Store(place / "runs" / "doe-2031")
    right = [
        store.get(cell).correct.mean()
        for cell in store.cells()
        if cell.method == "jpg" and cell.level in (10, 11)
    ]
    assert table.loc[("jpg", "Acc(10,11)"), "ours"] == pytest.approx(np.mean(right), abs=1e-5)
    assert "Jpg and Est. Q.F." in first
    assert "jpg-estqf minus jpg, all" in first
    points = pd.read_csv(place / "reproduced" / "toy-figure1.csv")
    assert sorted(set(points["column"])) == [10, 11, 50, 51]
    assert "--all-rows evaluates bilateral as well" in " ".join(first.split()).replace("`", "")
    again = reproduce("toy-table1", "--all-rows")
    assert "25 cells of 64 images, 20 already stored" in again
    assert "bilateral" in set(pd.read_csv(place / "reproduced" / "toy-table1.csv")["row"])
    # With fewer images than are stored, only those of this call count.
    assert "20 already stored" in reproduce("toy-table1", limit=20)
    assert set(pd.read_csv(place / "reproduced" / "toy-table1.csv")["n"]) == {20}


def test_a_training_without_all_networks_is_a_control(place, capsys, monkeypatch):
    """It is in no row of the table, but shows the effect of chance in training."""
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(place / "weights"))
    for method, tensors_of in (("org", "org"), ("jpg", "org")):
        found, other = (
            storage.load(storage.find(name, dataset="shapes10", backbone_name="vgg-tiny")[0])
            for name in (method, tensors_of)
        )
        storage.save(replace(found.card, train_seed=1), other.tensors, place / "weights")

    def reproduce(*options):
        arguments = ["reproduce", "toy-table1", "--plugin", "doe.py", "--limit", "32", *options]
        assert _exit_code([*arguments, "--device", "cpu"]) == 0
        read = pd.read_csv(place / "reproduced" / "toy-table1.csv").set_index(["row", "column"])
        return " ".join(capsys.readouterr().out.split()).replace("`", ""), read["ours"]

    told, alone = reproduce()
    assert "Training 1 is left out: jpg-estqf lacks weights. --all-rows takes its jpg" in told
    assert "There is one training of jpg" in told
    told, beside = reproduce("--all-rows")
    assert "Training 1 has only jpg: it is a control" in told
    assert "The other training of jpg differs from the first by" in told
    assert beside.loc["jpg"].equals(alone.loc["jpg"])
    gains = pd.read_csv(place / "reproduced" / "toy-table1-gain.csv").set_index(["row", "column"])
    apart = gains.loc[("jpg seed 1 - jpg seed 0", "all"), "ours"]
    # The other training has the weights of the clean-trained network.
    assert apart == pytest.approx(beside[("org", "all")] - beside[("jpg", "all")], abs=1e-5)


def test_missing_networks_are_named_with_the_command_that_trains_each(place, capsys, monkeypatch):
    monkeypatch.setattr("robobench.weights.storage._SHIPPED", ())
    assert _exit_code(["reproduce", "irdi-table3"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "robobench: irdi-table3 lacks trained networks:"
    assert len(lines) == 4
    for method, line in zip(("org", "jpg", "jpg-estqf"), lines[1:], strict=True):
        command = f"`robobench train --method {method} --dataset cifar10 --recipe endo-2020`"
        assert line.startswith(f"  {method}: {command} trains it")
    assert _exit_code(["reproduce", "toy-table1", "--plugin", "doe.py", "--train-seeds", "3"]) == 2
    assert "--method jpg --dataset shapes10 --seed 3`" in capsys.readouterr().err
    assert {p.name for p in place.iterdir()} - {"__pycache__"} == {"doe.py"}, "nothing is written"


def test_a_dry_run_and_a_wrong_name_write_nothing(place, capsys):
    arguments = ["reproduce", "toy-table1", "--plugin", "doe.py", "--limit", "20", "--dry-run"]
    assert _exit_code(arguments) == 0
    assert "400 predictions to make, about" in capsys.readouterr().out
    assert _exit_code(["reproduce", "irdi-tabel3"]) == 2
    assert "did you mean 'irdi-table3'" in capsys.readouterr().err
    assert _exit_code([*arguments, "--all-rows", "--published-only"]) == 2
    assert "--published-only and --all-rows: give only one of the two" in capsys.readouterr().err
    assert {p.name for p in place.iterdir()} - {"__pycache__"} == {"doe.py"}


def test_without_a_name_it_lists_what_there_is_without_torch():
    code = (
        "import sys; from robobench.cli import _exit_code; code = _exit_code(['reproduce'])\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    wide = {**os.environ, "COLUMNS": "200"}  # one line each
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=wide
    )
    names = [line.split()[0] for line in done.stdout.splitlines()]
    tables, figures = (
        [f"irdi-{what}" for what in kind]
        for kind in ((f"table{n}" for n in range(2, 7)), (f"figure{n}" for n in range(4, 9)))
    )
    assert names == ["afd-table5", "afd-table6", "ddp-jpeg", *tables, *figures]


def test_a_dry_run_estimates_methods_that_need_context(place, capsys):
    arguments = ["run", "--methods", "jpg-shuffledqf", "--corruptions", "jpeg:10", "--limit", "20"]
    assert _exit_code([*arguments, "--dry-run"]) == 0
    assert "80 predictions to make" in capsys.readouterr().out
