"""Every section in every format: whole, self-contained, the same bytes twice."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from robobench import registry
from robobench.reports.blocks import Plot, Table
from robobench.reports.builder import FORMATS, build, compose
from robobench.results.run import load

CORRUPTIONS = ("jpeg_compression", "gaussian_noise")
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@pytest.fixture(scope="module")
def built(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    assert build(run, out, FORMATS) == out / "index.html"
    return out


class Page(HTMLParser):
    """Opened and closed tags, identifiers and everything that a browser would fetch."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.fetched, self.links = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name == "href" and tag == "a":
                self.links.append(value)
            elif name in ("src", "href", "xlink:href", "data", "poster", "srcset"):
                self.fetched.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_well_formed_and_fetches_nothing(built):
    text = (built / "index.html").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(value.startswith(("#", "data:")) for value in page.fetched)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "@import" not in text
    assert not re.search(r"url\((?!#|\"#|data:)", text)


@pytest.mark.parametrize("name", registry.SECTIONS.names())
def test_every_section_renders_in_every_format(name, run, swept, write_run, tmp_path):
    if name in ("drift", "transfer", "image-sources"):
        pytest.skip("tests/test_drift.py and test_image_sources.py have runs for these")
    of = [swept if name == "level" else run]
    if name == "classifiers":
        of = [
            load(write_run(tmp_path / "runs" / b, ("org",), backbone=b, shown=False))
            for b in ("one", "two")
        ]
    parts = compose(of, [name]).parts
    assert [part.name for part in parts] == [name]
    assert parts[0].blocks, "the made-up runs have something for every section"
    build(of, tmp_path, FORMATS, [name])
    for file in ("index.html", "report.tex", "report.md"):
        assert len((tmp_path / file).read_text()) > 300
    for block in parts[0].blocks:
        if isinstance(block, Table):
            assert (tmp_path / f"tables/{block.name}.tex").is_file()
            assert (tmp_path / f"tables/{block.name}.csv").is_file()
        if isinstance(block, Plot):
            assert (tmp_path / f"figures/{block.name}.pdf").read_bytes().startswith(b"%PDF")
            assert b"<svg" in (tmp_path / f"figures/{block.name}.svg").read_bytes()
            assert block.alt


def test_sections_stand_in_their_order(run):
    names = [part.name for part in compose([run]).parts]
    assert names[0] == "summary"
    assert names[-1] == "provenance"
    assert [p.name for p in compose([run], ["cost", "summary"]).parts] == ["cost", "summary"]


def test_same_run_gives_same_bytes(folder, built, tmp_path):
    build(load(folder), tmp_path, FORMATS)
    files = sorted(p.relative_to(built) for p in built.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for file in files:
        assert (built / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_figures_do_not_depend_on_the_formats_before_them(run, tmp_path):
    build(run, tmp_path / "a", ["latex"], ["severity"])
    build(run, tmp_path / "b", ["html", "latex"], ["severity"])
    name = "figures/severity.pdf"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_compiles_without_overfull_boxes(built, tmp_path):
    shutil.copytree(built, tmp_path / "report")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"],
        cwd=tmp_path / "report",
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"Overfull.*|LaTeX Warning: (?!Label).*|Missing character.*", done.stdout)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_special_characters_in_names(tmp_path, write_run):
    name = r"re_store:100%&#x^~{}$\é→名.pt"
    write_run(tmp_path / "run", ("org", name), images=40, notes=[f"see {name} [1]"], command=name)
    build(load(tmp_path / "run"), tmp_path / "out", ["latex"], ["summary", "provenance"])
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_html_special_characters_in_names(tmp_path, write_run):
    write_run(tmp_path / "run", ("org", "<b>&x"), images=40, shown=False)
    build(load(tmp_path / "run"), tmp_path, ["html", "markdown"], ["summary", "severity"])
    text = (tmp_path / "index.html").read_text()
    assert "<b>&x" not in text
    assert "&lt;b&gt;&amp;x" in text
    assert Page(text).open == []
    assert "<b>" not in re.sub("`[^`]*`", "", (tmp_path / "report.md").read_text())


def test_csv_holds_fractions_with_their_intervals(built, run):
    found = pd.read_csv(built / "tables/summary.csv", index_col="method")
    summary = run.summary().query("corruption == 'mean'").set_index("method")
    for name, label in (("org", "org"), ("afd", "afd")):
        assert found.loc[label, "CE[org]"] == pytest.approx(summary.loc[name, "CE[org]"], rel=1e-5)
        low = found.loc[label, "accuracy_low"]
        assert low == pytest.approx(summary.loc[name, "accuracy_low"], rel=1e-5)
    assert found.loc["org", "clean"] < 1
    assert np.isnan(found.loc["org", "recovered"])


@pytest.mark.parametrize(
    ("methods", "corruptions"), [(("org",), ()), (("afd",), CORRUPTIONS), (("org",), CORRUPTIONS)]
)
def test_small_runs_have_reports(methods, corruptions, tmp_path, write_run):
    run = load(write_run(tmp_path / "run", methods, corruptions, images=40, shown=False))
    build(run, tmp_path / "out", ["html", "markdown"])
    assert Page((tmp_path / "out/index.html").read_text()).open == []
    assert compose([run], ["paired"]).parts[0].blocks == []
