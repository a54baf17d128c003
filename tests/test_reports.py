"""Every section in every format: whole, self-contained, honest about what is missing."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import robobench
from robobench import registry
from robobench.cli.plot import plot
from robobench.cli.report import report
from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.reports import markup, style, tables
from robobench.reports.blocks import DASH, MINUS, Plot, Table, Text, Value
from robobench.reports.builder import FORMATS, build, compose, draw
from robobench.reports.leaderboard import leaderboards
from robobench.reports.notices import notices
from robobench.results.manifest import write_manifest
from robobench.results.run import load
from robobench.results.store import Store
from robobench.types import Cell, Predictions

CORRUPTIONS = ("jpeg_compression", "gaussian_noise")
# Probability of a right answer on clean images, and what each severity takes from it.
SKILL = {"org": (0.92, 0.12), "afd": (0.92, 0.06), "twin": (0.92, 0.06), "truth": (0.93, 0.02)}
TRAINED_ON = {"org": "clean", "afd": "matched", "truth": "jpeg_compression"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


def write_run(
    folder,
    methods=("org", "afd", "truth"),
    corruptions=CORRUPTIONS,
    *,
    images=300,
    levels=None,
    without=(),
    refuses=(),
    dataset="shapes10",
    weights="a",
    shown=True,
    **manifest,
):
    """A run's folder with made-up answers: correlated between methods, worse with severity."""
    folder = Path(folder)
    store = Store(folder)
    rng = np.random.default_rng(0)
    luck, label = rng.random(images), rng.integers(0, 3, images)
    conditions = [("clean", 0.0, "", 0)]
    for name in corruptions:
        for severity in range(1, 6):
            d = catalogue.at_severity(name, severity, "cifar-c")
            conditions.append((name, d.level, d.profile, severity))
    for name, swept in (levels or {}).items():
        conditions += [(name, float(level), "", 5 * level / max(swept)) for level in swept]
    for method in methods:
        clean, loss = SKILL.get(method, SKILL["afd"])
        for name, level, profile, strength in conditions:
            if (method, name, level) in without or (method, name) in refuses:
                continue
            right = luck < clean - loss * strength
            if method == "twin":  # differs from afd on two images: no way to tell them apart
                right = right ^ (np.arange(images) < 2)
            probability = np.where(right, 0.9, 0.2).astype(np.float32)
            cell = Cell(
                dataset=dataset,
                split="test",
                geometry="as-is",
                corrupt_at="crop",
                profile=profile,
                corruption=name,
                level=level,
                seed=0,
                method=method,
                backbone="vgg-tiny",
                weights=weights + method,
                trained_on=TRAINED_ON.get(method, ""),
                train_seed=0,
            )
            extra = {"psnr": np.full(images, 25, np.float32)} if method == "truth" else {}
            predicted = np.where(right, label, (label + 1) % 3)
            store.put(
                cell,
                Predictions(np.arange(images), label, predicted, probability, probability, extra),
            )
    write_manifest(
        folder,
        {
            "command": "robobench run --methods afd --corruptions jpeg",
            "configuration": {"methods": list(methods), "limit": None},
            "versions": {"robobench": "0.1.0", "libjpeg_turbo": "3.1.0"},
            "machine": {"device": "cpu", "threads": 2},
            "dataset": {
                "name": dataset,
                "split": "test",
                "fingerprint": "ab" * 32,
                "count": images,
                "total": images,
            },
            "profile": "cifar-c",
            "geometry": {"resize": None, "interpolation": "bilinear"},
            "seeds": [0],
            "backbones": {"vgg-tiny": {"digest": "cd" * 32}},
            "methods": [
                {
                    "label": method,
                    "method": method,
                    "trained_on": TRAINED_ON.get(method, ""),
                    "train_seed": 0,
                    "backbone": "vgg-tiny",
                    "needs": ["level"] if method == "truth" else [],
                    "adapts": method == "twin",
                    "oracle": method == "truth",
                    "weights": {"": weights + method},
                    "parameters": 250_000,
                    "macs": 12_000_000 * (1 + place),
                }
                for place, method in enumerate(methods)
            ],
            "not_applicable": [
                {"method": m, "corruption": c, "why": "made for JPEG"} for m, c in refuses
            ],
            "notes": [],
            "cells": len(store.cells()),
            "samples": _samples(folder, conditions) if shown else [],
            "sessions": [{"seconds": 1.5, "cells": 1}],
            **manifest,
        },
    )
    return folder


def _samples(folder, conditions):
    from PIL import Image

    (folder / "samples").mkdir(exist_ok=True)
    listed = []
    for name, level, _, strength in conditions[:11]:
        strip = np.full((8, 48, 3), int(20 * strength), np.uint8)
        file = f"samples/{name}_{level:g}.png"
        Image.fromarray(strip).save(folder / file)
        listed.append({"file": file, "corruption": name, "level": level, "method": ""})
    return listed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "main", ("org", "afd", "twin", "truth"))


@pytest.fixture(scope="module")
def run(folder):
    return load(folder)


@pytest.fixture(scope="module")
def built(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    assert build(run, out, FORMATS) == out / "index.html"
    return out


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    levels = {"jpeg_compression": range(1, 101), "gaussian_noise": range(51)}
    where = tmp_path_factory.mktemp("runs") / "sweep"
    return load(write_run(where, ("org", "afd"), (), levels=levels, images=60, shown=False))


def only(parts, name):
    return next(part for part in parts if part.name == name)


def section_of(run, name):
    return compose([run], [name]).parts[0]


def table(blocks, name):
    return next(b for b in blocks if isinstance(b, Table) and b.name == name)


# Every format -----------------------------------------------------------------------------------


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
    assert not re.search(r"url\((?!#|\"#)", text)


@pytest.mark.parametrize("name", registry.SECTIONS.names())
def test_every_section_renders_in_every_format(name, run, swept, tmp_path):
    of = swept if name == "level" else run
    parts = compose([of], [name]).parts
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
    assert not re.findall(r"Overfull.*|LaTeX Warning.*|Missing character.*", done.stdout)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_special_characters_in_names(tmp_path):
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


def test_html_special_characters_in_names(tmp_path):
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
    for name, label in (("org", "org"), ("afd", "afd ‡")):
        assert found.loc[label, "CE[org]"] == pytest.approx(summary.loc[name, "CE[org]"], rel=1e-5)
        low = found.loc[label, "accuracy, Acc(1,5)_low"]
        assert low == pytest.approx(summary.loc[name, "accuracy_low"], rel=1e-5)
    assert found.loc["org", "clean"] < 1
    assert np.isnan(found.loc["org", "recovered"])


# What is shown ----------------------------------------------------------------------------------


def test_rows_are_marked(run):
    found = {row.label: row.heading for row in leaderboards(run)[0].rows}
    assert found == {"org": "org", "afd": "afd ‡", "twin": "twin §", "truth": "truth †"}
    notes = " ".join(table(section_of(run, "summary").blocks, "summary").notes)
    assert all(word in notes for word in ("oracle", "a bank", "adapts to the batch"))


def test_bold_only_where_told_apart_and_never_an_oracle(run, tmp_path):
    shown = table(section_of(run, "summary").blocks, "summary").frame
    assert not any(value.bold for value in shown["accuracy, Acc(1,5)"]), "afd and twin are alike"
    fewer = load(write_run(tmp_path / "run", ("org", "afd", "truth"), shown=False))
    shown = table(section_of(fewer, "summary").blocks, "summary").frame
    bold = [label for label, v in shown["accuracy, Acc(1,5)"].items() if v.bold]
    assert bold == ["afd ‡"], "truth is better, but told what nobody knows"
    assert not any(value.bold for value in shown["clean"])


def test_summary_says_what_is_told_apart(run, tmp_path):
    said = " ".join(section_of(run, "summary").blocks[0].items)
    assert "is not told apart from it" in said
    fewer = load(write_run(tmp_path / "run", ("org", "afd"), shown=False))
    said = " ".join(section_of(fewer, "summary").blocks[0].items)
    assert "`afd` gains most" in said


def test_paired_gains_agree_with_compare(run):
    gains = table(section_of(run, "paired").blocks, "paired").frame["afd ‡"]
    told = run.compare("org", "afd").set_index("corruption")
    for name in ("clean", *CORRUPTIONS, "mean"):
        assert gains[name].value == pytest.approx(told.loc[name, "difference"])
        assert gains[name].low == pytest.approx(told.loc[name, "difference_low"])


def test_not_applicable_is_a_dash_with_its_reason(tmp_path):
    refuses = (("afd", "gaussian_noise"),)
    run = load(write_run(tmp_path / "run", ("org", "afd"), refuses=refuses, shown=False))
    shown = table(section_of(run, "summary").blocks, "by-corruption")
    cell = shown.frame.loc["afd ‡", "gaussian_noise"]
    assert cell.missing
    assert cell.why == "not applicable: made for JPEG"
    assert f"{DASH}<sup>a</sup>" in tables.to_html(shown)
    assert ("a", "not applicable: made for JPEG.") in tables.footnotes(shown)
    assert not any("incomplete" in notice.text for notice in notices(run))


def test_incomplete_run_says_so_and_averages_nothing_uneven(tmp_path):
    without = {("afd", "jpeg_compression", 40.0), ("afd", "jpeg_compression", 50.0)}
    run = load(write_run(tmp_path / "run", ("org", "afd"), without=without, shown=False))
    warning = next(notice for notice in notices(run) if notice.kind == "warning")
    assert "incomplete" in warning.text
    assert warning.items == ("`afd`: jpeg_compression 40, jpeg_compression 50",)
    frame = table(section_of(run, "summary").blocks, "by-corruption").frame
    assert frame.loc["afd ‡", "jpeg_compression"].missing
    assert frame.loc["afd ‡", "mean"].missing
    assert not frame.loc["afd ‡", "gaussian_noise"].missing
    build(run, tmp_path / "out", ["html", "latex"], ["severity", "paired"])


@pytest.mark.parametrize(
    ("methods", "corruptions"), [(("org",), ()), (("afd",), CORRUPTIONS), (("org",), CORRUPTIONS)]
)
def test_small_runs_have_reports(methods, corruptions, tmp_path):
    run = load(write_run(tmp_path / "run", methods, corruptions, images=40, shown=False))
    build(run, tmp_path / "out", ["html", "markdown"])
    assert Page((tmp_path / "out/index.html").read_text()).open == []
    assert section_of(run, "paired").blocks == []


def test_empty_run_is_refused_in_words(tmp_path):
    run = load(write_run(tmp_path / "run", (), shown=False))
    with pytest.raises(RobobenchError, match="no cells yet"):
        build(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sweep_has_the_published_intervals(swept):
    blocks = section_of(swept, "level").blocks
    quality = table(blocks, "level-jpeg_compression").frame
    assert list(quality) == [*(f"Acc({a},{a + 19})" for a in range(1, 100, 20)), "all levels"]
    sigma = table(blocks, "level-gaussian_noise").frame
    assert next(iter(sigma)) == "Acc(0,10)"
    assert "severity" not in [part.name for part in compose([swept]).parts]


# Several runs -----------------------------------------------------------------------------------


def test_runs_of_different_machines_are_joined_with_a_warning(tmp_path):
    one = load(write_run(tmp_path / "one", ("org", "afd"), shown=False))
    other = load(
        write_run(
            tmp_path / "two", ("org", "twin"), shown=False, machine={"device": "cuda", "threads": 2}
        )
    )
    report_ = compose([one, other], ["summary"])
    shown = table(only(report_.parts, "summary").blocks, "summary").frame
    assert list(shown.index) == ["org", "afd ‡", "twin §"]
    assert report_.notices[0].items == ("machine, device: cpu (one), cuda (two)",)
    assert len(one.items) + len(other.items) > len(shown) * 11  # org counts once


def test_same_names_with_other_weights_are_shown_apart(tmp_path):
    one = load(write_run(tmp_path / "old", ("org", "afd"), shown=False))
    fewer = CORRUPTIONS[:1]
    other = load(write_run(tmp_path / "new", ("org", "afd"), fewer, weights="b", shown=False))
    report_ = compose([one, other], ["summary"])
    assert any("disagree" in notice.text for notice in report_.notices)
    names = [t.name for t in report_.tables]
    assert "summary-shapes10-test-vgg-tiny--old-" in names
    assert "summary-shapes10-test-vgg-tiny--new-" in names
    shown = next(t for t in report_.tables if t.name == "summary-shapes10-test-vgg-tiny--new-")
    assert not shown.frame.loc["afd ‡", "accuracy, Acc(1,5)"].missing, "its own grid is complete"
    build([one, other], tmp_path / "out", ["html", "csv"], ["recovered", "provenance"])


def test_normalizer_changes_the_reference(run):
    shown = table(
        only(compose([run], ["summary"], normalizer="afd").parts, "summary").blocks, "summary"
    ).frame
    assert shown.index[0] == "afd ‡"
    assert shown.loc["afd ‡", "CE[afd]"].value == pytest.approx(1)
    with pytest.raises(RobobenchError, match="did you mean 'twin'"):
        compose([run], normalizer="twins")


# Sections of others -----------------------------------------------------------------------------


def test_a_section_of_ones_own(run, registered, tmp_path):
    @robobench.section("mine", order=5)
    def mine(run):
        """Mine."""
        frame = pd.DataFrame({"x": [Value(0.5)]}, index=["a"])
        return [Text("Hello `you`."), Table("mine", "A table.", frame)]

    assert compose([run]).parts[0].title == "Mine"
    build(run, tmp_path, ["html"], ["mine"])
    assert "Hello <code>you</code>." in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda: 1 / 0, "raised ZeroDivisionError"),
        (lambda: ["text"], "returned a str"),
        (lambda: [Table("summary", "", pd.DataFrame())], "both have a table named 'summary'"),
    ],
)
def test_a_broken_section_is_one_line(run, registered, returned, message):
    robobench.section("broken")(lambda run: returned())
    with pytest.raises(RobobenchError, match=message):
        compose([run], ["summary", "broken"])


# Values, markup, style --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "interval"),
    [
        (Value(0.7123, 0.701, 0.723), "71.2", "[70.1, 72.3]"),
        (Value(-0.034, -0.05, 0.0, "points"), f"{MINUS}3.4", f"[{MINUS}5.0, 0.0]"),
        (Value(-0.0001, unit="points"), "0.0", ""),
        (Value(None, 0.1, 0.2), DASH, ""),
        (Value(float("nan")), DASH, ""),
        (Value(1.0, 1.0, 1.0), "100.0", ""),
        (Value(1_234_567, unit="count"), "1.23 M", ""),
        (Value(0.0001, unit="p"), "< 0.001", ""),
        (Value(1.0, unit="number"), "1.00", ""),
    ],
)
def test_values_as_readers_see_them(value, text, interval):
    assert (value.text, value.interval) == (text, interval)


def test_markup():
    assert markup.html("`a<b` & 5 %") == "<code>a&lt;b</code> &amp; 5\u00a0%"
    assert markup.latex("`--limit`") == r"\texttt{-{}-limit}"
    assert markup.latex("1\N{EN DASH}2") == r"1\textendash{}2"
    assert markup.latex("`a_b` 5 %") == r"\texttt{a\_\allowbreak{}b} 5~\%"
    assert markup.markdown("`a_b` *x*") == r"`a_b` \*x\*"
    assert markup.latex_plain("名") == r"\texttt{U+540D}"


def test_looks_differ():
    names = [f"m{i}" for i in range(24)]
    assert len(set(style.looks(names, "m0").values())) == 24
    assert style.looks(names, "m0")["m0"].color == style.REFERENCE


# Commands ---------------------------------------------------------------------------------------


def test_report_command_takes_the_newest_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "runs/main")
    done = CliRunner().invoke(report, ["--format", "csv", "--sections", "summary,cost"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "runs/main/report/tables/cost.csv").is_file()


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (report, ["--format", "htlm"], "did you mean 'html'"),
        (report, ["--format", ","], "no format"),
        (report, ["--sections", "sumary"], "did you mean 'summary'"),
        (plot, ["--kind", "heatmp"], "did you mean 'heatmap'"),
        (plot, ["--kind", "severity", "--out", "x.jpg"], "unknown format of a plot 'jpg'"),
        (plot, ["--kind", "level"], "--corruptions jpeg:1-100"),
    ],
)
def test_mistakes_are_answered(command, arguments, message, folder, tmp_path):
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "x.pdf")]
    with pytest.raises(RobobenchError, match=re.escape(message)):
        command.main([str(folder), *arguments, *out], standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_no_run_to_be_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RobobenchError, match="no run under runs"):
        report.main([], standalone_mode=False)
    with pytest.raises(RobobenchError, match="no run is there"):
        report.main(["nowhere"], standalone_mode=False)


@pytest.mark.parametrize(
    ("kind", "form"), [("severity", "svg"), ("paired", "png"), ("cost", "pdf")]
)
def test_plots(kind, form, run, tmp_path):
    assert draw([run], kind, tmp_path / f"x.{form}") == [tmp_path / f"x.{form}"]
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    assert (tmp_path / f"x.{form}").read_bytes().startswith(starts[form])
