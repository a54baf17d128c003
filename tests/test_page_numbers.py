"""Every number that a page shows is found in its CSV files, rounded."""

import csv
import html
import io
import re

import pytest

from robobench.reports import html_tables
from robobench.reports.blocks import Table, Value
from robobench.reports.builder import build, compose
from robobench.results.run import load

CORRUPTIONS = ("jpeg_compression", "gaussian_noise", "fog", "contrast", "snow", "frost", "pixelate")
MANY = ("org", "afd", "twin", "truth", *(f"other-{k}" for k in range(5)))


@pytest.fixture(scope="module", params=[("org", "afd"), MANY], ids=["two methods", "nine methods"])
def made(request, write_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    run = load(write_run(folder, request.param, CORRUPTIONS, images=90, shown=False))
    build(run, folder / "report", ["html", "csv"])
    return folder / "report", compose([run])


def saved(folder):
    """Every number of the CSV files as readers may see it, in percent, in points and as it is."""
    found = set()
    for file in (folder / "tables").glob("*.csv"):
        for line in csv.reader(io.StringIO(file.read_text())):
            for text in line:
                try:
                    number = float(text)
                except ValueError:
                    continue
                for unit in ("percent", "points", "number", "count", "p", "level"):
                    found.add(Value(number, unit=unit).text)
    return found


def test_every_number_of_a_table_is_in_a_csv_file(made):
    folder, _ = made
    known = saved(folder)
    page = (folder / "index.html").read_text()
    cells = re.findall(r"<td[^>]*>(?:<strong>)?([^<]+)(?:</strong>)?", page)
    numbers = {t for t in map(html.unescape, cells) if re.fullmatch("[+\N{MINUS SIGN}]?[0-9.]+", t)}
    assert len(numbers) > 20
    assert numbers <= known
    ends = set(re.findall(r"<small>\[([^,]+), ([^\]]+)\]</small>", page))
    assert {end for pair in ends for end in pair} <= known


def test_every_number_on_hover_is_in_a_csv_file(made):
    folder, _ = made
    known = saved(folder)
    titles = re.findall(r"<title>([^<]+)</title>", (folder / "index.html").read_text())[1:]
    assert len(titles) > 100
    for title in map(html.unescape, titles):
        share = re.search(r": (\S+) (?:%|points) \[(\S+), (\S+)\]", title)
        right = re.search(r": (\S+) % right", title)
        found = share or right
        assert found, title
        assert set(found.groups()) <= known, title


def test_views_hold_the_numbers_of_their_files(made):
    folder, report = made
    shown = next(b for b in report.tables if isinstance(b, Table) and b.views)
    for name in shown.views:
        file = folder / f"tables/{shown.name}.{name.replace(' ', '-')}.csv"
        rows = list(csv.reader(io.StringIO(file.read_text())))[1:]
        assert len(rows) == len(shown.frame)
    ends = set(re.findall(r'"([\d.]+)"', html_tables.views_json(shown)))
    assert ends <= saved(folder)
