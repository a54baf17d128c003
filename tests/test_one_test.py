"""Bold, marks, colours and sentences follow from one set of tests; numbers in HTML are in CSV."""

import csv
import io
import re
from itertools import combinations

import numpy as np
import pytest
from made_up_methods import CORRUPTIONS, made_up

from robobench.reports import html_tables, tables
from robobench.reports.blocks import MINUS
from robobench.reports.builder import compose
from robobench.reports.console_summary import method_table, print_results
from robobench.reports.leaderboard import leaderboards
from robobench.reports.method_verdicts import verdicts

CONDITIONS = ("clean", *CORRUPTIONS, "mean")


@pytest.fixture(scope="module", params=[2, 10, 60])
def run(request, tmp_path_factory):
    told = ("m1", "m2") if request.param > 2 else ()
    return made_up(tmp_path_factory.mktemp("one") / "run", request.param, told=told)


def right(run, method, condition):
    """Number of cells that a method has right, image by image."""
    cells = [
        c
        for c in run.cells
        if c.method == method
        and c.corruption in ({condition} if condition != "mean" else CORRUPTIONS)
    ]
    return np.sum([run.predictions(c).correct for c in cells], axis=0, dtype=np.int64)


def exact(difference):
    """The sign-flip test by multiplying out the distribution, image by image."""
    chances = np.ones(1)
    for size in np.abs(difference[difference != 0]):
        both = np.zeros(2 * size + 1)
        both[[0, -1]] = 0.5
        chances = np.convolve(chances, both)
    sums = np.arange(len(chances)) - len(chances) // 2
    return min(1.0, chances[np.abs(sums) >= abs(difference.sum())].sum())


def step_down(found):
    order = sorted(found, key=found.get)
    highest, adjusted = 0.0, {}
    for rank, key in enumerate(order):
        highest = max(highest, min(1.0, found[key] * (len(order) - rank)))
        adjusted[key] = highest
    return adjusted


@pytest.fixture(scope="module")
def expected(run):
    """By condition and pair: which of the two is better, by Holm's method; computed apart."""
    methods = list(dict.fromkeys(cell.method for cell in run.cells))
    points = {(m, c): right(run, m, c) for m in methods for c in CONDITIONS}
    raw = {
        (c, a, b): exact(points[a, c] - points[b, c])
        for c in CONDITIONS
        for a, b in combinations(methods, 2)
    }
    of_means = {key: p for key, p in raw.items() if key[0] == "mean"}
    adjusted = step_down(of_means) | step_down({k: p for k, p in raw.items() if k not in of_means})
    totals = {key: int(found.sum()) for key, found in points.items()}
    return methods, totals, adjusted


def better(expected, condition, a, b):
    _, totals, p = expected
    apart = p.get((condition, a, b), p.get((condition, b, a), 1.0)) <= 0.05
    return apart and totals[a, condition] > totals[b, condition]


def assert_marks(expected, column, condition, told):
    """A column of values by method: bold, level and against are what the tests say."""
    methods, totals, _ = expected
    usable = [m for m in methods if m not in told]
    most = max(totals[m, condition] for m in usable)
    bold = [m for m, value in column.items() if value.bold]
    assert len(bold) == 1
    assert bold[0] in usable
    assert totals[bold[0], condition] == most
    for method, value in column.items():
        others = method in usable and method != bold[0]
        assert value.level == (others and not better(expected, condition, bold[0], method))
        against = "better" if better(expected, condition, method, "org") else ""
        against = "worse" if better(expected, condition, "org", method) else against
        assert value.against == against


def by_method(table):
    frame = table.frame if "org" in table.frame.index else table.frame.T
    return frame.set_axis([str(name).split()[0].rstrip("*") for name in frame.index])


def test_marks_are_the_outcome_of_the_tests(run, expected):
    told = [m["method"] for m in run.manifest["methods"] if m["oracle"]]
    (part,) = compose([run], ["summary"]).parts
    shown = {table.name: by_method(table) for table in part.blocks if hasattr(table, "frame")}
    assert_marks(expected, shown["summary"]["clean"], "clean", told)
    assert_marks(expected, shown["summary"]["accuracy"], "mean", told)
    for name in (*CORRUPTIONS, "mean"):
        assert_marks(expected, shown["by-corruption"][name], name, told)
    console = by_method(method_table(leaderboards(run)[0]))
    for heading, name in zip(["clean", "gaussian", "fog", "jpeg", "mean"], CONDITIONS, strict=True):
        assert_marks(expected, console[heading], name, told)
    for method, value in console["recovered"].drop("org").items():
        assert value.against == console["mean"][method].against


def test_words_are_the_outcome_of_the_tests(run, expected):
    methods, totals, p = expected
    for verdict in verdicts(leaderboards(run)[0]):
        told = verdict.kind.startswith("Told")
        oracles = {m["method"] for m in run.manifest["methods"] if m["oracle"]}
        mine = [m for m in methods if m != "org" and (m in oracles) == told]
        if not mine:
            assert verdict.best is None
            continue
        ahead = [m for m in mine if better(expected, "mean", m, "org")] or mine
        best = verdict.best.row.label
        assert totals[best, "mean"] == max(totals[m, "mean"] for m in ahead)
        assert verdict.best.p == pytest.approx(p["mean", "org", best], abs=1e-9)
        level = {
            m
            for m in mine
            if m != best
            and not better(expected, "mean", best, m)
            and not better(expected, "mean", m, best)
        }
        assert {row.label for row in verdict.ties} == level
        said = verdict.sentence("org")
        assert ("gains most" in said) == better(expected, "mean", best, "org")
        assert set(re.findall(r"`(\w+)`", said.partition("level with")[2])) == level


def test_all_pairs_are_the_same_tests(run, expected):
    _, _, p = expected
    if len(run.manifest["methods"]) > 10:
        pytest.skip("1,770 pairs with their intervals take a while, and are the same code")
    frame = run.compare()
    assert len(frame) == len(p)
    for row in frame.itertuples():
        assert row.p_holm == pytest.approx(p[row.corruption, row.a, row.b], abs=1e-9)


def numbers(text):
    return re.findall(r"[-+]?\d+(?:\.\d+)?(?: [kMGT])?", text.replace(MINUS, "-"))


def as_shown(value):
    """How readers may see a number of a CSV file."""
    forms = {f"{value:.3f}", f"{value:.0f}", "0.001"}
    for near in (value, value * (1 - 1e-5), value * (1 + 1e-5)):  # files have six digits
        forms |= {f"{100 * near:.1f}", f"{100 * near:+.1f}"}
    thousands = {f"{value / 1000:.3g} k", f"{value / 1e6:.3g} M"}
    forms |= thousands | {f"{value:#.3g}".rstrip("."), "0.0" if abs(value) < 0.0005 else ""}
    return forms


def test_every_number_in_the_page_is_in_a_table_file(run):
    report = compose([run])
    known = set()
    for table in report.tables:
        lines = list(csv.reader(io.StringIO(tables.to_csv(table))))
        mine = set()
        for line in lines[1:]:
            for cell in line:
                try:
                    mine |= as_shown(float(cell))
                except ValueError:
                    mine |= set(numbers(cell))
        known |= mine
        cells = re.findall(r"<td[^>]*>(.*?)</td>", html_tables.to_html(table), re.DOTALL)
        assert cells
        for cell in cells:
            for number in numbers(re.sub(r"<sup>.*?</sup>|&lt;|<[^>]*>", " ", cell)):
                assert number in mine, (table.name, cell)
    verdict = next(b for b in report.parts[0].blocks if hasattr(b, "items"))
    for item in verdict.items:
        said = re.sub(r"`[^`]*`", "", item)
        assert {n for n in numbers(said) if n != "0"} <= known, item


def test_the_console_marks_ties_in_words_and_signs(run):
    file = io.StringIO()
    print_results(run, file=file)
    table = method_table(leaderboards(run)[0])
    level = sum(value.level for _, column in table.frame.items() for value in column)
    rows = [line for line in file.getvalue().splitlines() if line.startswith("| ")]
    assert sum(line.count("=") for line in rows) == level
    assert ("=: the tests do not separate it" in file.getvalue()) == (level > 0)
