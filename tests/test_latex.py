"""LaTeX for papers: what fits, what each file needs, and what readers see."""

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import robobench.reports
from robobench.errors import RobobenchError
from robobench.reports import fonts, latex_tables, style
from robobench.reports.blocks import Table, Value
from robobench.reports.builder import build, compose
from robobench.reports.latex_layout import fit
from robobench.reports.leaderboard import leaderboards
from robobench.reports.paper_styles import PLAIN, STYLES
from robobench.reports.prose_numbers import letters, macros
from robobench.reports.tables import lay_out
from robobench.results.run import load

CVPR = STYLES["cvpr"]
WITHOUT_SIUNITX = Path(robobench.reports.__path__[0]) / "templates" / "siunitx.tex.j2"
needs_pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")


def typeset(file: Path) -> str:
    """Compile a document; what LaTeX says, without what it says of every document."""
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name],
        cwd=file.parent,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def complaints(said: str) -> list[str]:
    """What is wrong with the pages; labels are new at the first time."""
    return re.findall(
        r"Overfull.*|LaTeX Warning: (?!Label).*|Missing character.*|.*Float too large.*", said
    )


@pytest.fixture(scope="module")
def runs(write_run, tmp_path_factory):
    """A function that gives a run with so many methods, the same each time."""
    made = {}

    def of(count):
        if count not in made:
            names = ["org", "afd", "truth", "arcnn@jpeg_compression#paper"]
            names += [f"method-{place}" for place in range(count)]
            skill = {name: (0.9, 0.04 + place % 7 / 100) for place, name in enumerate(names)}
            folder = tmp_path_factory.mktemp("latex") / "run"
            write_run(folder, names[:count], images=40, skill=skill, shown=count == 2)
            made[count] = load(folder)
        return made[count]

    return of


@needs_pdflatex
@pytest.mark.parametrize("paper", STYLES)
@pytest.mark.parametrize(
    ("count", "sections"),
    [
        (2, None),
        (10, ["summary", "severity", "recovered", "paired", "corruption-errors"]),
        (60, ["summary", "paired", "corruption-errors"]),
    ],
)
def test_pages_are_full_nowhere(count, sections, paper, runs, tmp_path):
    build(runs(count), tmp_path, ["latex"], sections, paper=paper)
    assert complaints(typeset(tmp_path / "report.tex")) == []


@needs_pdflatex
def test_each_file_stands_alone_in_a_paper(run, tmp_path):
    """In the old encoding of fonts, which many templates leave as it is."""
    build(run, tmp_path, ["latex"], ["summary", "paired", "cost"], paper="cvpr")
    files = sorted(
        path.relative_to(tmp_path).as_posix()
        for folder in ("tables", "tables/without-intervals", "figures")
        for path in (tmp_path / folder).glob("*.tex")
    )
    assert "tables/without-intervals/summary.tex" in files
    inputs = "".join(rf"\input{{{file}}}" + "\n" for file in files)
    (tmp_path / "paper.tex").write_text(
        r"\documentclass[10pt,twocolumn]{article}\usepackage{times,array,booktabs,graphicx}"
        r"\usepackage{threeparttable}\usepackage[textwidth=6.875in,columnsep=0.3125in]{geometry}"
        + WITHOUT_SIUNITX.read_text()
        + r"\input{numbers}\begin{document}\rbAfdMean\ \rbAfdGainInterval\ $\rbAfdGainP$ \ref{tab:summary}"
        + f"\n{inputs}\\end{{document}}\n"
    )
    typeset(tmp_path / "paper.tex")
    assert [c for c in complaints(typeset(tmp_path / "paper.tex")) if "multiply" not in c] == []
    assert "retain-explicit-plus=true" in (tmp_path / "tables/paired.tex").read_text()


@needs_pdflatex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext")
def test_readers_see_names_as_they_are(write_run, tmp_path):
    name = "a_b%&<c>é→šλ"
    run = load(write_run(tmp_path / "run", ("org", name, "truth"), images=40, shown=False))
    build(run, tmp_path, ["latex"], ["summary"], paper="cvpr")
    typeset(tmp_path / "report.tex")
    subprocess.run(["pdftotext", "-layout", "report.pdf"], cwd=tmp_path, check=True, timeout=60)
    seen = (tmp_path / "report.txt").read_text()
    assert name in seen
    assert "truth †" in seen
    assert "† oracle" in seen


@needs_pdflatex
@pytest.mark.parametrize("paper", STYLES)
def test_names_in_chinese_and_russian_fit(paper, write_run, tmp_path):
    methods = ("org", "去噪方法一", "图像修复网络-大型版本#10", "сеть", "truth")
    run = load(
        write_run(
            tmp_path / "run", methods, images=40, backbone="视觉模型-小", dataset="我的数据集"
        )
    )
    build(run, tmp_path / "out", ["latex"], paper=paper)
    assert complaints(typeset(tmp_path / "out/report.tex")) == []
    assert (
        r"\texttt{U+53BB}\allowbreak{}\texttt{U+566A}" in (tmp_path / "out/report.tex").read_text()
    )


def test_letters_that_no_font_has_are_told_once(run, write_run, tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_font_with", lambda letter: "")
    chinese = load(write_run(tmp_path / "run", ("org", "去噪"), images=40, shown=False))
    told = [
        n.text for n in compose([chinese], ["severity", "recovered"]).notices if "boxes" in n.text
    ]
    assert len(told) == 1
    assert "2 letters (去噪)" in told[0]
    assert not [n for n in compose([run], ["severity"]).notices if "boxes" in n.text]


def test_a_letter_comes_from_another_font(write_run, tmp_path):
    """Georgian ones are in DejaVu Sans only, of the fonts that come with matplotlib."""
    run = load(write_run(tmp_path / "run", ("org", "ქსელი"), images=40, shown=False))
    build(run, tmp_path, ["latex"], ["severity"], paper="cvpr")
    assert b"DejaVu" in (tmp_path / "figures/severity.pdf").read_bytes()
    assert "boxes" not in (tmp_path / "report.tex").read_text()


def numbers(rows, columns, interval=0.0, **more):
    values = [
        [
            Value(0.5, *((0.5 - interval, 0.5 + interval) if interval else ()))
            for _ in range(columns)
        ]
        for _ in range(rows)
    ]
    frame = pd.DataFrame(
        values,
        index=[f"method-{place}" for place in range(rows)],
        columns=[f"corruption_{place}" for place in range(columns)],
        dtype=object,
    )
    return Table("t", "A table.", frame, **more)


@pytest.mark.parametrize("paper", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (12, 20), (60, 3), (60, 40), (150, 80)])
def test_every_cell_is_in_one_piece_that_fits(rows, columns, paper):
    laid = lay_out(numbers(rows, columns, 0.1))
    found = fit(laid, paper, ["A caption."], intervals=True)
    room = 72 * (paper.text if found.wide or paper.columns == 1 else paper.column)
    seen = []
    for part in found.parts:
        for piece in part:
            assert sum(c.width + 6 for c in piece.columns) - 6 <= room
            shown = [column.place for column in piece.columns if column.place >= 0]
            seen += [(line.name, place) for line in piece.lines for place in shown]
    assert sorted(seen) == sorted((f"method-{r}", c) for r in range(rows) for c in range(columns))


def test_what_fits_a_column_does_and_what_does_not_gets_shorter():
    def form(rows, columns):
        found = fit(lay_out(numbers(rows, columns, 0.1)), CVPR, [""], intervals=True)
        return found.wide, found.form, found.heads

    assert form(3, 2) == (False, "beside", "line")
    assert form(3, 4) == (False, "below", "line")
    assert form(3, 6) == (True, "beside", "line")
    assert form(3, 10) == (True, "below", "stacked")
    assert form(3, 17) == (True, "half", "upright")


def test_a_table_without_rows_has_its_headings():
    made = latex_tables.to_latex(numbers(0, 2), CVPR)
    assert r"{corruption\_0} & {corruption\_1} \\" in made


def test_long_tables_continue_under_the_same_number():
    made = latex_tables.to_latex(numbers(200, 3, notes=("Last.",)), CVPR)
    count = made.count(r"\begin{table}")
    assert count > 2
    assert made.count("(Continued.)") == made.count(r"\addtocounter{table}{-1}") == count - 1
    assert made.count(r"\label{tab:t}") == made.count("Last.") == 1
    assert made.count(r"method-") == 200


def test_without_intervals_a_table_does_not_speak_of_them(run):
    for table in compose([run], ["summary", "severity", "paired"]).tables:
        with_them = latex_tables.to_latex(table, CVPR)
        without = latex_tables.to_latex(table, CVPR, intervals=False)
        assert r"\robobenchsmall{" in with_them.partition(r"\toprule")[2] or "-p" in table.name
        assert r"\robobenchsmall{" not in without.partition(r"\toprule")[2]
        assert "intervals" not in without
        assert "Brackets" not in without


def test_half_widths_are_explained():
    made = latex_tables.to_latex(numbers(3, 17, 0.1, notes=("Brackets: 95 % intervals.",)), CVPR)
    assert r"$\pm$10.0" in made
    assert r"$\pm$: half the width of the 95~\% interval." in made
    assert "Brackets" not in made


def test_columns_are_as_wide_as_their_numbers_and_the_best_is_bold():
    values = {"x": [Value(0.5, bold=True), Value(1.0, level=True)], "y": [Value(-0.1), Value(None)]}
    frame = pd.DataFrame(values, index=["a", "b"], dtype=object)
    made = latex_tables.to_latex(Table("t", "A table.", frame), PLAIN)
    assert "lS[table-format=3.1]S[table-format=+2.1]@{}" in made
    assert r"a & \bfseries 50.0 & -10.0 \\" in made
    assert r"b & 100.0{\rlap{\textsuperscript{=}}} & {\textendash{}} \\" in made


def test_intervals_are_not_bold():
    assert r"\mdseries" in latex_tables.to_latex(numbers(1, 1, 0.1), CVPR)


def test_groups_of_corruptions_stand_above_their_columns():
    table = numbers(2, 4, groups={f"corruption_{p}": "one" if p < 2 else "two" for p in range(4)})
    made = latex_tables.to_latex(table, STYLES["neurips"])
    assert r" & \multicolumn{2}{c}{one} & \multicolumn{2}{c}{two} \\" in made
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in made


def test_macros_are_names_that_tex_knows_and_the_numbers_of_the_tables(run):
    made = macros(leaderboards(run))
    found = dict(re.findall(r"^\\newcommand\{\\(\w+)\}\{(.*)\}$", made, re.MULTILINE))
    assert len(found) == made.count(r"\newcommand")
    assert all(re.fullmatch("rb[A-Za-z]+", name) for name in found)
    summary = run.summary().query("corruption == 'mean'").set_index("method")
    assert found["rbAfdMean"] == f"{100 * summary.loc['afd', 'accuracy']:.1f}"
    assert found["rbAfdCE"] == f"{100 * summary.loc['afd', 'CE[org]']:.1f}"
    assert found["rbTwinGainP"] == r"\ensuremath{<}0.001"
    assert "rbOrgGain" not in found
    assert letters("afd@jpeg#10_x") == "AfdJpegOneZeroX"


def test_two_names_with_the_same_letters_get_two_macros(write_run, tmp_path):
    run = load(write_run(tmp_path, ("org", "a-b", "a_b"), images=40, shown=False))
    made = macros(leaderboards(run))
    assert made.count(r"\newcommand{\rbABMean}") == made.count(r"\newcommand{\rbABMeanB}") == 1


@pytest.mark.parametrize("paper", ["cvpr", "neurips"])
def test_figures_have_the_width_and_the_letters_of_the_paper(paper, run, tmp_path):
    build(run, tmp_path, ["latex", "html"], ["severity", "paired"], paper=paper)
    pdf = (tmp_path / "figures/severity.pdf").read_bytes()
    width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", pdf)[1]) / 72
    assert width == pytest.approx(STYLES[paper].text, abs=0.01)
    assert b"STIXGeneral" in pdf
    assert b"DejaVu" not in pdf
    float_ = (tmp_path / "figures/severity.tex").read_text()
    assert (r"\begin{figure*}" in float_) == (paper == "cvpr")
    assert f"width={STYLES[paper].text:.3f}in" in float_
    assert "Times" not in (tmp_path / "index.html").read_text(), "the page keeps its own letters"


def test_a_style_that_does_not_exist_is_refused_whatever_the_format(run, tmp_path):
    with pytest.raises(RobobenchError, match="unknown style 'cvrp': did you mean 'cvpr'"):
        build(run, tmp_path / "out", ["html"], paper="cvrp")
    assert not (tmp_path / "out").exists()


def test_lines_differ_without_colours():
    names = [f"m{place}" for place in range(24)]
    with style.room(CVPR):
        drawn = list(style.looks(names, "m0").values())
    dashes = [str(look.dash) for look in drawn]
    assert len(set(drawn)) == 24
    assert len(set(dashes[1:5])) == 4
    assert all(a != b for a, b in itertools.pairwise(dashes[1:]))
    assert len({str(look.dash) for look in list(style.looks(names, "m0").values())[1:7]}) == 1
