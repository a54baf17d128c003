"""The HTML report in a browser: it fetches nothing, fits every width, and its parts work."""

import importlib.resources
import json

import numpy as np
import pytest
from headless import Chromium
from PIL import Image

from robobench.reports.builder import build
from robobench.results.manifest import read_manifest, write_manifest
from robobench.results.run import load

CORRUPTIONS = (
    "jpeg_compression",
    "gaussian_noise",
    "fog",
    "defocus_blur",
    "snow",
    "contrast",
    "frost",
)
METHODS = ("org", "afd", "twin", "truth", "ddp", "median", "tent", "a&b<c")
WIDTHS = (390, 820, 1440)


@pytest.fixture(scope="module")
def page(write_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    told = {"file": "samples/thumbnails.webp", "side": 8, "columns": 20, "index": list(range(60))}
    write_run(folder, METHODS, CORRUPTIONS, images=60, thumbnails=told)
    manifest = read_manifest(folder)
    manifest["dataset"]["class_names"] = ["disc", "ring", "cross"]
    write_manifest(folder, manifest)
    sheet = np.random.default_rng(0).integers(0, 256, (24, 160, 3), np.uint8)
    Image.fromarray(sheet).save(folder / "samples/thumbnails.webp")
    return build(load(folder), folder / "report", ["html", "csv"])


@pytest.fixture(scope="module")
def chromium():
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def shown(chromium, page):
    chromium.open(page)
    return chromium


def cells(browser, table, column):
    """The texts of a column in the order of the screen, without intervals."""
    rows = f'[...document.querySelectorAll("#table-{table} tbody tr")].filter((r) => !r.hidden)'
    return browser.run(f"{rows}.map((row) => shown(row.cells[{column}]))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_whole_at_every_width(chromium, page, width, scheme):
    chromium.open(page, width, scheme=scheme)
    assert chromium.complaints() == []
    assert chromium.requests() == []
    assert chromium.run("document.documentElement.scrollWidth") <= width
    chromium.run('document.querySelectorAll("details").forEach((d) => { d.open = true; })')
    assert chromium.run("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_first_table_shows_its_columns(chromium, page):
    chromium.open(page, 390)
    ends = chromium.run(
        '[...document.querySelectorAll("#table-summary th[scope=col]")]'
        ".map((c) => c.getBoundingClientRect().right)"
    )
    assert sum(end <= 390 for end in ends) >= 4


def test_tables_and_charts_are_there_without_scripts(chromium, page):
    chromium.open(page, scripts=False)
    chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.run('document.querySelector("#table-summary").offsetHeight') > 100
    assert chromium.run('document.querySelectorAll(".tools").length') == 0
    assert chromium.run('document.querySelectorAll(".plot svg").length') > 3
    assert chromium.run('document.querySelector(".spots title").textContent')


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_accessible(chromium, page, width, scheme):
    axe = pytest.importorskip("axe_core_python")
    chromium.open(page, width, scheme=scheme)
    chromium.run('document.querySelectorAll("details").forEach((d) => { d.open = true; })')
    chromium.run((importlib.resources.files(axe) / "axe.min.js").read_text())
    found = json.loads(chromium.run("axe.run().then((r) => JSON.stringify(r.violations))"))
    serious = [
        (v["id"], v["nodes"][0]["html"][:150])
        for v in found
        if v["impact"] in ("serious", "critical") or v["id"] == "scrollable-region-focusable"
    ]
    assert serious == []


def test_sorting(shown):
    before = cells(shown, "summary", 0)
    shown.click("#table-summary thead th:nth-child(2) button")
    clean = [float(text) for text in cells(shown, "summary", 1)]
    assert clean == sorted(clean, reverse=True)
    assert cells(shown, "summary", 0) != before
    shown.click("#table-summary thead th:nth-child(2) button")
    clean = [float(text) for text in cells(shown, "summary", 1)]
    assert clean == sorted(clean)
    sort = (
        'document.querySelector("#table-summary thead th:nth-child(2)").getAttribute("aria-sort")'
    )
    assert shown.run(sort) == "ascending"
    shown.click("#table-summary thead th:nth-child(1) button")
    assert cells(shown, "summary", 0) == sorted(cells(shown, "summary", 0), key=str.lower)


def test_filters(shown):
    heads = "#table-by-corruption tr:not([hidden]) > th:not([hidden])"
    names = f"[...document.querySelectorAll({json.dumps(heads)})].map((cell) => shown(cell))"
    told = "truth \N{DAGGER}"
    assert {"fog", "jpeg_compression", "mean", told} <= set(shown.run(names))
    shown.choose("#table-by-corruption .tools select", "weather")
    left = set(shown.run(names))
    assert {"fog", "snow", "frost", told} <= left
    assert not {"jpeg_compression", "mean"} & left
    shown.click("#table-by-corruption .tools input[type=checkbox]")
    left = set(shown.run(names))
    assert told not in left
    assert {"ddp", "fog"} <= left
    shown.choose("#table-by-corruption .tools select", "")
    assert {"mean", "jpeg_compression"} <= set(shown.run(names))


def test_severities(shown, page):
    severity = "#table-by-corruption .tools label:nth-child(2) select"
    before = cells(shown, "by-corruption", 1)
    judged = 'document.querySelectorAll("#table-by-corruption td.better").length'
    assert shown.run(judged) > 0
    shown.choose(severity, "severity 5")
    assert shown.run(judged) == 0, "the tests are of the mean"
    after = cells(shown, "by-corruption", 1)
    saved = (page.parent / "tables/by-corruption.severity-5.csv").read_text().splitlines()[1:]
    assert after == [f"{100 * float(line.split(',')[1]):.1f}" for line in saved]
    assert after != before
    shown.choose(severity, "")
    assert cells(shown, "by-corruption", 1) == before
    assert shown.run(judged) > 0


def test_copying(shown):
    shown.click("#table-summary .tools button:nth-last-child(2)")
    lines = shown.run("lastCopied").splitlines()
    assert lines[0].startswith("method,clean,clean_low,clean_high,")
    assert len(lines) == 1 + len(METHODS)
    assert len({line.count(",") for line in lines}) == 1
    shown.click("#table-summary .tools button:last-child")
    latex = shown.run("lastCopied")
    assert r"\begin{tabular}" in latex
    assert r"a\&b<c" in latex


def test_hover_tells_the_exact_numbers(shown, page):
    circle = '#plot-paired .spots circle[data-series="afd"]'
    shown.hover(circle)
    told = shown.run('document.querySelector("#tip").textContent')
    gain = cells(shown, "paired", 1)[0]
    assert told.startswith("afd")
    assert f"{gain} points [" in told
    assert not shown.run('document.querySelector("#tip").hidden')


def test_a_click_isolates_a_method_in_all_charts(shown):
    shown.click('#plot-paired .spots circle[data-series="afd"]')
    chosen = '[...document.querySelectorAll("svg .chosen")].map((e) => e.dataset.series)'
    assert set(shown.run(chosen)) == {"afd"}
    assert shown.run('document.querySelectorAll("svg.picked").length') > 2
    shown.run("new Promise((done) => setTimeout(done, 400))")  # it fades
    faded = 'svg.picked [data-series="median"]'
    assert shown.run(f"getComputedStyle(document.querySelector('{faded}')).opacity") != "1"
    shown.choose("#plot-severity .tools select", "")
    assert shown.run('document.querySelectorAll("svg.picked").length') == 0


def test_failure_browser(shown, page):
    run = load(page.parent.parent)
    figure = "#browser-failures"
    shown.choose(f"{figure} label:nth-child(1) select", "fog")
    places = f'[...document.querySelectorAll("{figure} label:nth-child(2) option")]'
    shown.choose(f"{figure} label:nth-child(2) select", shown.run(f"{places}[4].value"))
    names = f'[...document.querySelectorAll("{figure} label:nth-child(3) option")].map((o) => o.textContent)'
    labels = shown.run(names)
    shown.choose(f"{figure} label:nth-child(3) select", str(labels.index("truth")))
    shown.choose(f"{figure} label:nth-child(4) select", str(labels.index("org")))
    worst = max(c.level for c in run.cells if c.corruption == "fog")
    truth, org = (
        run.predictions(next(c for c in run.cells if (c.method, c.corruption, c.level) == key))
        for key in (("truth", "fog", worst), ("org", "fog", worst))
    )
    wanted = np.flatnonzero(truth.correct & ~org.correct)
    said = shown.run(f'document.querySelector("{figure} p[aria-live]").textContent')
    assert f"right and org wrong on {len(wanted)} of 60 images" in said
    found = shown.run(
        f'[...document.querySelectorAll("{figure} .shown > div")].map((e) => e.textContent)'
    )
    assert len(found) == len(wanted) > 0
    first, names = wanted[0], ("disc", "ring", "cross")
    for part in (
        str(first),
        names[truth.label[first]],
        f"{names[org.predicted[first]]} (20\N{NO-BREAK SPACE}%)",
        "90\N{NO-BREAK SPACE}%",
    ):
        assert part in found[0]
    thumbnail = f'document.querySelector("{figure} .thumbnail")'
    assert shown.run(f"getComputedStyle({thumbnail}).backgroundImage").startswith('url("data:image')
    shown.click(f"{figure} .tools button")
    said = shown.run(f'document.querySelector("{figure} p[aria-live]").textContent')
    assert said.startswith("org is right and truth wrong")
    assert shown.complaints() == []
