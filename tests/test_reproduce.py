"""Papers' tables, measured again."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robobench import weights
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.registry import REPRODUCTIONS
from robobench.reports.reproduction import result_blocks
from robobench.reports.reproduction_console import show
from robobench.reports.reproduction_files import files_of, read, write
from robobench.reports.reproduction_words import comparison, verdict
from robobench.reproductions import Column, Gain, Reproduction, Row, named
from robobench.reproductions.measuring import COLUMNS, Measured, gains_of, table_of
from robobench.store import Store
from robobench.types import Cell, Predictions

PROFILE = "cifar-c"

# Typed from the paper's page, in percent and native units, a second time and another way round:
# one line an interval, as it is printed there.
JPEG_10 = """43.1 72.4 74.4
70.0 84.4 84.9
76.3 85.7 86.4
79.9 86.6 87.2
86.1 87.4 88.0"""
JPEG_100 = """20.2 44.8 45.4
40.7 56.1 56.3
46.5 57.7 58.1
50.4 58.3 58.8
58.2 59.1 59.6"""
NOISE_10 = """79.6 85.1 88.2
32.8 84.4 87.2
13.8 82.9 85.6
10.6 80.9 83.4
10.1 78.5 81.0"""
QUALITY = """20.84 2.28
40.93 3.91
58.58 4.07
79.53 3.07
94.91 1.91"""
SIGMA = """10.03 .42
20.11 .54
30.16 .69
40.11 .89
49.26 .70"""


@pytest.mark.parametrize(
    ("name", "printed", "scale"),
    [
        ("irdi-table2", QUALITY, 1),
        ("irdi-table3", JPEG_10, 100),
        ("irdi-table4", JPEG_100, 100),
        ("irdi-table5", SIGMA, 1),
        ("irdi-table6", NOISE_10, 100),
    ],
)
def test_published_numbers_are_the_papers(name, printed, scale):
    expected = np.array([line.split() for line in printed.splitlines()], dtype=float)
    ours = np.array([row.published for row in named(name).rows]).T * scale
    np.testing.assert_allclose(ours, expected)


def test_columns_cover_what_the_paper_averages():
    for name, low, high in (("irdi-table3", 1, 100), ("irdi-table6", 0, 50)):
        table = named(name)
        levels = [d.level for c in table.columns for d in c.degradations(PROFILE)]
        assert levels == list(range(low, high + 1))
        assert len(table.parts(PROFILE)[table.whole]) == high - low + 1
    noise = named("irdi-table6")
    org = noise.published(noise.rows[0], PROFILE)
    assert org["Acc(0,50)"] == pytest.approx(
        (11 * 0.796 + 10 * (0.328 + 0.138 + 0.106 + 0.101)) / 51
    )


def test_figures_have_every_level_and_share_the_cells_of_their_tables():
    for figure, table in ((4, 2), (5, 3), (6, 4), (7, 5), (8, 6)):
        drawn, tabled = named(f"irdi-figure{figure}"), named(f"irdi-table{table}")
        assert drawn.run == tabled.run
        assert drawn.beside == tabled
        assert len(drawn.columns) == (100 if table < 5 else 51)


def test_what_does_not_fit_is_refused(registered):
    with pytest.raises(RobobenchError, match="2 published numbers are expected, one a column, got"):
        Reproduction(
            "T",
            "cifar10",
            "t",
            (Column("a", "fog"), Column("b", "snow")),
            (Row("org", "", (1.0,)),),
        )
    REPRODUCTIONS.register("nonsense")(lambda: 3)
    with pytest.raises(RobobenchError, match="returned a int: a Reproduction"):
        named("nonsense")


# Cells whose accuracies are known.


def cells(methods, levels=(1, 2, 3, 4), seeds=(0,), n=400, estimated=None):
    """Cells in which each method has a given share of the images right.

    Args:
        methods: Name -> accuracy, or a function of (seed) that gives it.
        levels: JPEG qualities.
        seeds: Trainings.
        n: Images.
        estimated: Method whose cells have estimated levels (truth plus -1 or 1).
    """
    made = []
    index = np.arange(n)
    for method, accuracy in methods.items():
        for seed in seeds:
            share = accuracy(seed) if callable(accuracy) else accuracy
            right = index < round(share * n)
            for level in levels:
                cell = Cell(
                    *("cifar10", "test", "as-is", "crop", "", "jpeg_compression", float(level), 0),
                    *(method, "vgg-small", f"{method}-{seed}", "jpeg_compression", seed),
                )
                extra = {}
                if method == estimated:
                    extra["estimated_level"] = (level + 1 - 2 * (index % 2)).astype(np.float32)
                sure = np.full(n, 0.9, np.float32)
                made.append(
                    (
                        cell,
                        Predictions(index, np.ones(n, int), right.astype(int), sure, sure, extra),
                    )
                )
    return made


def claim(**more):
    return Reproduction(
        title="Table 1. Made up",
        dataset="cifar10",
        run="made-up",
        columns=(Column("Acc(1,2)", "jpeg:1-2"), Column("Acc(3,4)", "jpeg:3-4")),
        rows=(Row("jpg", "Jpg", (0.5, 0.6)), Row("jpg-estqf", "Est", (0.6, 0.7))),
        whole="Acc(1,4)",
        gain=Gain("jpg-estqf", "jpg", "jpg-shuffledqf", "the level"),
        **more,
    )


def measured(items, reproduction=None, name="irdi-table3"):
    reproduction = reproduction or claim()
    parts = reproduction.parts(PROFILE)
    return Measured(
        name,
        "Doe 2031",
        reproduction,
        table_of(reproduction, items, parts, PROFILE),
        gains_of(reproduction, items, parts, PROFILE),
        PROFILE,
    )


def told(found):
    return " ".join(" ".join([t.text, *t.items]) for t in verdict(found))


def test_our_numbers_stand_beside_the_published_ones():
    found = measured(cells({"jpg": 0.55, "jpg-estqf": 0.65}))
    assert tuple(found.table) == COLUMNS
    rows = found.table.set_index(["row", "column"])
    assert rows.loc[("jpg", "Acc(1,2)"), "ours"] == pytest.approx(0.55)
    assert rows.loc[("jpg", "Acc(1,2)"), "published"] == 0.5
    assert rows.loc[("jpg", "Acc(1,4)"), "published"] == pytest.approx(0.55)
    assert (rows["ci_low"] < rows["ours"]).all()
    assert (rows["ci_high"] > rows["ours"]).all()
    assert set(rows["n"]) == {400}
    assert "Of 4 published numbers 0 lie" in comparison(found).text
    assert "2 below it (ours are higher) and 2 above it" in comparison(found).text


def test_a_real_gain_is_called_one():
    methods = {"jpg": 0.55, "jpg-estqf": 0.65, "jpg-shuffledqf": 0.5}
    found = measured(cells(methods, seeds=(0, 1)))
    gains = found.gains.set_index(["row", "column"])["ours"]
    assert gains["jpg-estqf - jpg", "Acc(1,4)"] == pytest.approx(0.10)
    assert gains["jpg-shuffledqf - jpg", "Acc(1,4)"] == pytest.approx(-0.05)
    assert gains["jpg-estqf - jpg-shuffledqf", "Acc(1,2)"] == pytest.approx(0.15)
    assert gains["jpg seed 1 - jpg seed 0", "Acc(1,4)"] == 0
    claimed = found.gains["row"] == "jpg-estqf - jpg"
    assert found.gains["published"][claimed].tolist() == pytest.approx([0.1, 0.1, 0.1])
    assert found.gains["published"][~claimed].isna().all()
    text = told(found)
    assert "the level helps beyond noise of the test images and trainings" in text
    assert "above zero at Acc(1,2), Acc(3,4)" in text
    assert "the network uses the level that it is given" in text
    assert "the gain is more than that" in text
    assert "not reproduced" not in text


def test_a_gain_that_is_none_is_said_plainly():
    text = told(measured(cells({"jpg": 0.6, "jpg-estqf": 0.6, "jpg-shuffledqf": 0.6})))
    assert "The gain is not reproduced: what the level adds here is not above zero" in text
    assert "nowhere above zero" in text
    assert "with a wrong level the network does as well" in text
    assert "There is one training of `jpg`" in text
    worse = told(measured(cells({"jpg": 0.7, "jpg-estqf": 0.6})))
    assert "makes it worse" in worse
    assert "No control with the level shuffled" in worse


def test_chance_of_the_training_widens_the_interval_and_is_shown():
    methods = {
        "jpg": lambda seed: (0.50, 0.60, 0.55)[seed],
        "jpg-estqf": lambda seed: (0.60, 0.58, 0.56)[seed],
    }
    found = measured(cells(methods, seeds=(0, 1, 2)))
    gains = found.gains.set_index(["row", "column"])
    gain = gains.loc[("jpg-estqf - jpg", "Acc(1,4)")]
    assert gain["ours"] == pytest.approx((0.10 - 0.02 + 0.01) / 3)
    assert gain["ci_low"] < 0 < gain["ci_high"]
    assert gain["train_seeds"] == "0 1 2"
    assert gains.loc[("jpg seed 1 - jpg seed 0", "Acc(1,4)"), "ours"] == pytest.approx(0.1)
    assert "The 2 other trainings" in told(found)
    assert "the gain is no more than that" in told(found)


def test_a_control_with_fewer_trainings_is_compared_on_those():
    items = cells({"jpg": 0.5, "jpg-estqf": 0.6}, seeds=(0, 1)) + cells({"jpg-shuffledqf": 0.4})
    gains = measured(items).gains.set_index(["row", "column"])["train_seeds"]
    assert gains["jpg-shuffledqf - jpg", "Acc(1,2)"] == "0"
    assert gains["jpg-estqf - jpg", "Acc(1,2)"] == "0 1"


def test_mean_and_deviation_of_estimated_levels():
    reproduction = Reproduction(
        "Table 2. Made up",
        "cifar10",
        "made-up",
        (Column("2", "jpeg:2"), Column("4", "jpeg:4")),
        (
            Row("jpg-estqf", "Mean", (2.5, 4.0), "level mean"),
            Row("jpg-estqf", "S.D.", (0.5, 1.0), "level sd"),
        ),
        (Row("jpg", statistic="level mean"),),
    )
    items = cells({"jpg-estqf": 0.6, "jpg": 0.5}, seeds=(0, 1), estimated="jpg-estqf")
    found = measured(items, reproduction)
    rows = found.table.set_index(["row", "column"])
    assert set(found.table["row"]) == {"jpg-estqf mean", "jpg-estqf sd"}, "jpg estimates nothing"
    assert rows.loc[("jpg-estqf mean", "4"), "ours"] == pytest.approx(4.0)
    assert rows.loc[("jpg-estqf sd", "2"), "ours"] == pytest.approx(1.0)
    mean = rows.loc[("jpg-estqf mean", "4")]
    assert mean["ci_high"] - mean["ci_low"] == pytest.approx(2 * 1.96 / np.sqrt(400), rel=0.15)
    assert "instead of 2.50" in " ".join(comparison(found).items)


def test_files_say_the_same_and_are_read_again(tmp_path):
    items = cells({"jpg": 0.55, "jpg-estqf": 0.65, "org": 0.5}, levels=range(1, 101), n=60)
    reproduction = named("irdi-table3")
    write(measured(items, reproduction), tmp_path)
    again = read("irdi-table3", tmp_path)
    pd.testing.assert_frame_equal(
        again.table, measured(items, reproduction).table, rtol=1e-4, check_dtype=False
    )
    html = (tmp_path / "irdi-table3.html").read_text()
    for text in ("Jpg and Est. Q.F., published", "74.4", "65.0", "The claimed gain"):
        assert text in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "Jpg and Est. Q.F., ours" in (tmp_path / "irdi-table3.md").read_text()
    tex = (tmp_path / "irdi-table3.tex").read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}")
    assert r"\begin{document}" in tex
    with pytest.raises(RobobenchError, match="robobench reproduce irdi-table4"):
        read("irdi-table4", tmp_path)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("columns", [80, 100])
def test_a_terminal_of_80_columns_holds_the_table(columns, monkeypatch, tmp_path):
    class Terminal:
        text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            """Nothing is held back."""

        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    items = cells({"jpg": 0.55, "jpg-estqf": 0.65, "org": 0.5}, levels=range(1, 101), n=60)
    terminal = Terminal()
    show(measured(items, named("irdi-table3")), terminal)
    assert "…" in terminal.text
    assert max(len(line) for line in terminal.text.splitlines()) <= columns


# The whole way, with networks.

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
        run="doe-2031",
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
    """A folder to work in, with a plugin."""
    (tmp_path / "doe.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_paper_of_ones_own_from_networks_to_files(place, capsys):
    def reproduce(*names, limit=64):
        arguments = ["reproduce", *names, "--plugin", "doe.py", "--limit", str(limit)]
        assert _exit_code([*arguments, "--device", "cpu"]) == 0
        return capsys.readouterr().out

    first = reproduce("toy-table1", "toy-figure1")
    assert "20 cells of 64 images, 0 stored already" in first
    assert "toy-figure1: 20 cells of 64 images, 20 stored already; nothing left to run" in first
    assert {p.suffix for p in (place / "reproduced").glob("toy-figure1.*")} == {
        *(".csv", ".html", ".tex", ".md", ".svg", ".pdf")
    }
    table = pd.read_csv(place / "reproduced" / "toy-table1.csv").set_index(["row", "column"])
    assert set(table.index.get_level_values("row")) == {"org", "jpg", "jpg-estqf", "median"}
    right = [
        predictions.correct.mean()
        for cell, predictions in Store(place / "runs" / "doe-2031").items()
        if cell.method == "jpg" and cell.level in (10, 11)
    ]
    assert table.loc[("jpg", "Acc(10,11)"), "ours"] == pytest.approx(np.mean(right), abs=1e-5)
    assert "Jpg and Est. Q.F." in first
    assert "jpg-estqf minus jpg, all" in first
    points = pd.read_csv(place / "reproduced" / "toy-figure1.csv")
    assert sorted(set(points["column"])) == [10, 11, 50, 51]
    assert "--all-rows evaluates bilateral as well" in " ".join(first.split()).replace("`", "")
    again = reproduce("toy-table1", "--all-rows")
    assert "25 cells of 64 images, 20 stored already" in again
    assert "bilateral" in set(pd.read_csv(place / "reproduced" / "toy-table1.csv")["row"])
    # Fewer images than are stored: those of this call, not all that lie there.
    assert "20 stored already" in reproduce("toy-table1", limit=20)
    assert set(pd.read_csv(place / "reproduced" / "toy-table1.csv")["n"]) == {20}


def test_a_training_without_all_networks_is_a_control(place, capsys, monkeypatch):
    """In no row of the table, but what chance of the training is worth is told."""
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(place / "weights"))
    for method, tensors_of in (("org", "org"), ("jpg", "org")):
        found, other = (
            weights.load(weights.find(name, dataset="shapes10", backbone_name="vgg-tiny")[0])
            for name in (method, tensors_of)
        )
        weights.save(replace(found.card, train_seed=1), other.tensors, place / "weights")

    def reproduce(*options):
        arguments = ["reproduce", "toy-table1", "--plugin", "doe.py", "--limit", "32", *options]
        assert _exit_code([*arguments, "--device", "cpu"]) == 0
        read = pd.read_csv(place / "reproduced" / "toy-table1.csv").set_index(["row", "column"])
        return " ".join(capsys.readouterr().out.split()).replace("`", ""), read["ours"]

    told, alone = reproduce()
    assert "Training 1 is left out: jpg-estqf lacks weights. --all-rows takes its jpg" in told
    assert "There is one training of jpg" in told
    told, beside = reproduce("--all-rows")
    assert "Training 1 has jpg only: a control" in told
    assert "The other training of jpg differs from the first by" in told
    assert beside.loc["jpg"].equals(alone.loc["jpg"])
    gains = pd.read_csv(place / "reproduced" / "toy-table1-gain.csv").set_index(["row", "column"])
    apart = gains.loc[("jpg seed 1 - jpg seed 0", "all"), "ours"]
    # What stands in for the other training is the clean-trained network.
    assert apart == pytest.approx(beside[("org", "all")] - beside[("jpg", "all")], abs=1e-5)


def test_missing_networks_are_named_with_the_line_that_makes_each(place, capsys, monkeypatch):
    monkeypatch.setattr("robobench.weights._SHIPPED", ())
    assert _exit_code(["reproduce", "irdi-table3"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "robobench: irdi-table3 lacks trained networks:"
    assert len(lines) == 4
    for method, line in zip(("org", "jpg", "jpg-estqf"), lines[1:], strict=True):
        command = f"`robobench train --recipe endo-2020 --dataset cifar10 --method {method}`"
        assert line.startswith(f"  {method}: {command} makes it")
    assert _exit_code(["reproduce", "toy-table1", "--plugin", "doe.py", "--train-seeds", "3"]) == 2
    assert "--method jpg --seed 3`" in capsys.readouterr().err
    assert {p.name for p in place.iterdir()} - {"__pycache__"} == {"doe.py"}, "nothing is written"


def test_a_dry_run_and_a_wrong_name_write_nothing(place, capsys):
    arguments = ["reproduce", "toy-table1", "--plugin", "doe.py", "--limit", "20", "--dry-run"]
    assert _exit_code(arguments) == 0
    assert "400 predictions to make, about" in capsys.readouterr().out
    assert _exit_code(["reproduce", "irdi-tabel3"]) == 2
    assert "did you mean 'irdi-table3'" in capsys.readouterr().err
    assert _exit_code([*arguments, "--all-rows", "--published-only"]) == 2
    assert "--published-only and --all-rows: give one of both" in capsys.readouterr().err
    assert {p.name for p in place.iterdir()} - {"__pycache__"} == {"doe.py"}


def test_without_a_name_it_lists_what_there_is_without_torch():
    code = (
        "import sys; from robobench.cli import _exit_code; code = _exit_code(['reproduce'])\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    tables, figures = (
        [f"irdi-{what}" for what in kind]
        for kind in ((f"table{n}" for n in range(2, 7)), (f"figure{n}" for n in range(4, 9)))
    )
    assert names == tables + figures


def test_the_page_is_made_from_the_files(tmp_path):
    source = Path(__file__).parent.parent / "docs" / "make_endo_2020.py"
    spec = importlib.util.spec_from_file_location("make_endo_2020", source)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    with pytest.raises(RobobenchError, match="has none of irdi-table2"):
        maker.page(tmp_path, tmp_path / "endo-2020")
    items = cells({"jpg": 0.6, "jpg-estqf": 0.6, "org": 0.5}, levels=range(1, 101), n=60)
    for name in ("irdi-table3", "irdi-figure5"):
        write(measured(items, named(name), name), tmp_path)
    page = maker.page(tmp_path, tmp_path / "endo-2020")
    assert (tmp_path / "endo-2020" / "irdi-figure5.svg").is_file()
    assert "(endo-2020/irdi-figure5.svg)" in page
    assert "The gain is not reproduced" in page.split("## Where it falls short")[0], "said at once"
    assert "Not measured: `irdi-table2`, `irdi-table4`" in page
    assert "60 of 10,000 test images only" in page
    assert "| Jpg, published | 72.4 |" in page


def test_a_figure_has_a_line_for_each_row_and_no_document_of_its_own():
    items = cells({"jpg": 0.6, "jpg-estqf": 0.65, "org": 0.5}, levels=range(1, 101), n=60)
    found = measured(items, named("irdi-figure5"), "irdi-figure5")
    (plot,) = result_blocks(found)
    left, right = plot.figure.axes
    labels = left.get_legend_handles_labels()[1]
    assert labels == ["Org", "Jpg", "Jpg and Est. Q.F.", "published interval mean"]
    assert "Org" not in right.get_legend_handles_labels()[1]
    # Its picture is NAME.pdf, which compiling NAME.tex alone would overwrite.
    assert rb"\begin{document}" not in files_of(found)["irdi-figure5.tex"]


def test_time_is_told_for_methods_that_must_be_told_something(place, capsys):
    arguments = ["run", "--methods", "jpg-shuffledqf", "--corruptions", "jpeg:10", "--limit", "20"]
    assert _exit_code([*arguments, "--dry-run"]) == 0
    assert "80 predictions to make" in capsys.readouterr().out
