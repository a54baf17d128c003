"""Papers' tables, measured again."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import robobench
from robobench.errors import RobobenchError
from robobench.registry import REPRODUCTIONS
from robobench.reports.papers.console import print_measured
from robobench.reports.papers.files import files_of, read, write
from robobench.reports.papers.page import result_blocks
from robobench.reports.papers.sentences import comparison, verdict
from robobench.reproductions import Column, Gain, Reproduction, Row, find_reproduction
from robobench.reproductions.measuring import (
    COLUMNS,
    Measured,
    evaluated,
    gains_of,
    measured_table,
)
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
    ours = np.array([row.published for row in find_reproduction(name).rows]).T * scale
    np.testing.assert_allclose(ours, expected)


def test_columns_cover_what_the_paper_averages():
    for name, low, high in (("irdi-table3", 1, 100), ("irdi-table6", 0, 50)):
        table = find_reproduction(name)
        levels = [d.level for c in table.columns for d in c.degradations(PROFILE)]
        assert levels == list(range(low, high + 1))
        assert len(table.parts(PROFILE)[table.whole]) == high - low + 1
    noise = find_reproduction("irdi-table6")
    org = noise.published(noise.rows[0], PROFILE)
    assert org["Acc(0,50)"] == pytest.approx(
        (11 * 0.796 + 10 * (0.328 + 0.138 + 0.106 + 0.101)) / 51
    )


def test_figures_have_every_level_and_share_the_cells_of_their_tables():
    for figure, table in ((4, 2), (5, 3), (6, 4), (7, 5), (8, 6)):
        drawn, tabled = (
            find_reproduction(f"irdi-figure{figure}"),
            find_reproduction(f"irdi-table{table}"),
        )
        assert drawn.run_folder == tabled.run_folder
        assert drawn.beside == tabled
        assert len(drawn.columns) == (100 if table < 5 else 51)


def test_what_does_not_fit_is_refused(registered):
    with pytest.raises(RobobenchError, match="expected 2 published numbers, one per column, got"):
        Reproduction(
            "T",
            "cifar10",
            "t",
            (Column("a", "fog"), Column("b", "snow")),
            (Row("org", "", (1.0,)),),
        )
    REPRODUCTIONS.register("nonsense")(lambda: 3)
    with pytest.raises(RobobenchError, match="Reproduction, got a int"):
        find_reproduction("nonsense")


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
        run_folder="made-up",
        columns=(Column("Acc(1,2)", "jpeg:1-2"), Column("Acc(3,4)", "jpeg:3-4")),
        rows=(Row("jpg", "Jpg", (0.5, 0.6)), Row("jpg-estqf", "Est", (0.6, 0.7))),
        whole="Acc(1,4)",
        gain=Gain("jpg-estqf", "jpg", "jpg-shuffledqf", "the level"),
        **more,
    )


def measured(items, reproduction=None, name="irdi-table3", draws=2000):
    reproduction = reproduction or claim()
    parts, found = reproduction.parts(PROFILE), evaluated(items, draws)
    return Measured(
        name,
        "Doe 2031",
        reproduction,
        measured_table(reproduction, found, parts, PROFILE),
        gains_of(reproduction, found, parts, PROFILE),
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
    assert "Of 4 published numbers, 0 lie" in comparison(found).text
    assert "2 below it (ours are higher) and 2 above it" in comparison(found).text


def test_the_number_of_draws_changes_the_intervals_and_nothing_else():
    items = cells({"jpg": 0.55, "jpg-estqf": 0.65})
    few, many = (measured(list(items), draws=draws) for draws in (100, 2000))
    for one, other in ((few.table, many.table), (few.gains, many.gains)):
        assert one["ours"].tolist() == other["ours"].tolist()
        assert (one["ci_low"] != other["ci_low"]).all()


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
    assert (
        "the level improves accuracy beyond the sampling noise of the test images and trainings"
        in text
    )
    assert "above zero at Acc(1,2), Acc(3,4)" in text
    assert "the network uses the level it is given" in text
    assert "the gain is larger than that" in text
    assert "not reproduced" not in text


def test_a_gain_that_is_none_is_said_plainly():
    text = told(measured(cells({"jpg": 0.6, "jpg-estqf": 0.6, "jpg-shuffledqf": 0.6})))
    assert "not reproduced: here the effect of the level is not distinguishable from zero" in text
    assert "nowhere above zero" in text
    assert "with a wrong level the network does as well" in text
    assert "There is one training of `jpg`" in text
    worse = told(measured(cells({"jpg": 0.7, "jpg-estqf": 0.6})))
    assert "lowers accuracy" in worse
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
    assert "the gain is no larger than that" in told(found)


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
    reproduction = find_reproduction("irdi-table3")
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
    alone = (tmp_path / "irdi-table3-table.tex").read_text()
    assert (
        alone.index("{Published}") < alone.index(r"\quad Jpg & 72.4 & 84.4") < alone.index("{Ours}")
    )
    assert r"\quad Jpg & 55.0{\,\robobenchsmall{" in alone
    values = (tmp_path / "irdi-table3-table-without-intervals.tex").read_text()
    assert r"\quad Jpg & 55.0 & 55.0 &" in values
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
    print_measured(measured(items, find_reproduction("irdi-table3")), terminal)
    assert "…" in terminal.text
    assert max(len(line) for line in terminal.text.splitlines()) <= columns


def test_the_page_is_made_from_the_files(tmp_path):
    source = Path(__file__).parent.parent / "docs" / "make_endo_2020.py"
    spec = importlib.util.spec_from_file_location("make_endo_2020", source)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    with pytest.raises(RobobenchError, match="has none of irdi-table2"):
        maker.page(tmp_path, tmp_path / "endo-2020")
    items = cells({"jpg": 0.6, "jpg-estqf": 0.6, "org": 0.5}, levels=range(1, 101), n=60)
    for name in ("irdi-table3", "irdi-figure5"):
        write(measured(items, find_reproduction(name), name), tmp_path)
    page = maker.page(tmp_path, tmp_path / "endo-2020")
    assert (tmp_path / "endo-2020" / "irdi-figure5.svg").is_file()
    assert "(endo-2020/irdi-figure5.svg)" in page
    assert "The gain is not reproduced" in page.split("## Where it falls short")[0], "said at once"
    assert "Not measured: `irdi-table2`, `irdi-table4`" in page
    assert "60 of 10,000 test images only" in page
    assert "| Jpg, published | 72.4 |" in page
    assert "On more images" not in page
    more = robobench.run("org,median", "jpeg:50", limit=60, out=tmp_path / "more")
    page = maker.page(tmp_path, tmp_path / "endo-2020", [more])
    begin, end = page.split("## On more images")
    assert f"{more.manifest['command']}\n" in begin
    assert f"make_endo_2020.py reproduced {tmp_path / 'more'}\n" in begin
    gain = 100 * more.compare("org", "median")["difference"].iloc[-1]
    told = f"{gain:+.1f}".replace("-", "\N{MINUS SIGN}")
    assert f"`median` minus `org`, mean of the levels: {told}" in end


def test_a_figure_has_a_line_for_each_row_and_no_document_of_its_own():
    items = cells({"jpg": 0.6, "jpg-estqf": 0.65, "org": 0.5}, levels=range(1, 101), n=60)
    found = measured(items, find_reproduction("irdi-figure5"), "irdi-figure5")
    (plot,) = result_blocks(found)
    left, right = plot.figure.axes
    labels = left.get_legend_handles_labels()[1]
    assert labels == ["Org", "Jpg", "Jpg and Est. Q.F.", "published interval mean"]
    assert "Org" not in right.get_legend_handles_labels()[1]
    # Its picture is NAME.pdf, which compiling NAME.tex alone would overwrite.
    assert rb"\begin{document}" not in files_of(found)["irdi-figure5.tex"]


def test_two_trainings_of_one_method_are_two_rows():
    made = cells({"afd": 0.6}, levels=(10,)) + [
        (replace(cell, trained_on="noise"), p) for cell, p in cells({"afd": 0.8}, levels=(10,))
    ]
    reproduction = Reproduction(
        title="Two rows",
        dataset="cifar10",
        run_folder="two",
        columns=(Column("ten", "jpeg:10"),),
        rows=(Row("afd@jpeg"), Row("afd@noise")),
    )
    parts = reproduction.parts(PROFILE)
    table = measured_table(reproduction, evaluated(made), parts, PROFILE).set_index("row")["ours"]
    assert table["afd@jpeg"] == pytest.approx(0.6)
    assert table["afd@noise"] == pytest.approx(0.8)
