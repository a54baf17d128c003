"""Reports of odd runs are right, and say what is odd."""

import io

import numpy as np
import pytest
from made_up_cells import CLEAN, JPEG, on, predictions, right, row, summary_of

from robobench.reports.builder import build, compose
from robobench.reports.console_summary import print_results
from robobench.results.run import load
from robobench.types import Predictions

FORMATS = ("html", "markdown", "csv", "json", "parquet")


def told(run, folder):
    """What console, page and Markdown say, all formats being written."""
    build(run, folder, FORMATS)
    file = io.StringIO()
    print_results(run, file=file)
    return file.getvalue(), (folder / "report.md").read_text()


def test_one_method_is_not_the_best_of_anything(tmp_path, write_run):
    run = load(write_run(tmp_path / "run", ("org",), shown=False))
    console, text = told(run, tmp_path / "out")
    assert "no method beside org was evaluated" in console
    assert "**" not in text.partition("| --- ")[2].partition("\n\n")[0], "nothing is bold"
    assert "Bold" not in text
    assert "recovered" not in console


def test_one_cell(tmp_path, write_run):
    run = load(write_run(tmp_path / "run", ("org",), (), shown=False))
    assert len(run.cells) == 1
    console, text = told(run, tmp_path / "out")
    assert "clean" in console
    assert "gains most" not in text
    single = load(
        write_run(tmp_path / "one", ("org", "twin"), (), levels={"fog": [3]}, shown=False)
    )
    assert "gains" in told(single, tmp_path / "more")[0]


def test_an_incomplete_run_is_said_to_be_in_console_and_pages(tmp_path, write_run):
    run = load(write_run(tmp_path / "run", ("org", "twin"), shown=False, cells=30))
    for said in told(run, tmp_path / "out"):
        assert "no verdict yet, as cells are missing" in said
        assert "22 of 30 cells are stored" in said
        assert "gains most" not in said.partition("no verdict yet")[0]
    facts = [
        f for b in compose([run], ["summary"]).parts[0].blocks for f in getattr(b, "facts", ())
    ]
    assert {(fact.name, fact.outcome) for fact in facts} == {("", "none")}


@pytest.mark.parametrize("name", ["a_b%c&d<e>f", "x|y", "restore:my_file*.pt"])
def test_names_with_signs_of_markup(name, tmp_path, write_run):
    run = load(write_run(tmp_path / "run", ("org", name), shown=False))
    console, text = told(run, tmp_path / "out")
    assert name in console
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<e>" not in page
    assert "<e>" not in text.replace(f"`{name}`", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").endswith("|") for line in rows)


def always_one_class(images=300):
    index = np.arange(images)
    share = np.full(images, 0.5, np.float32)
    return Predictions(index, index % 10, np.zeros(images, np.int64), share, share)


def test_a_method_that_always_says_one_class_does_not_look_best_in_drop():
    items = [(on(CLEAN), predictions(right(0.9, 300)))]
    items += [(on(d), predictions(right(0.6, 300))) for d in JPEG]
    items += [(on(d, "stuck"), always_one_class()) for d in (CLEAN, *JPEG)]
    frame = summary_of(items, draws=100)
    stuck = row(frame, "stuck", "mean")
    assert np.isnan(stuck["drop"])
    assert (
        "drop: its clean accuracy is not above that of naming one class always" in stuck["missing"]
    )
    assert row(frame, "org", "mean")["drop"] == pytest.approx(0.3)
    assert stuck["accuracy"] == pytest.approx(0.1)


def test_without_clean_images_there_is_a_verdict_and_no_drop(tmp_path, write_run):
    without = [(m, "clean", 0.0) for m in ("org", "twin")]
    run = load(write_run(tmp_path / "run", ("org", "twin"), without=without, shown=False))
    console, text = told(run, tmp_path / "out")
    assert "twin gains most over org" in console
    assert "(a) the clean images were not evaluated." in console
    assert "clean images were not evaluated" in text
    blocks = compose([run], ["summary"]).parts[0].blocks
    shown = next(b for b in blocks if hasattr(b, "frame")).frame
    assert all(value.missing for value in shown["drop"])


def test_the_console_of_other_numbers_of_images_is_of_the_common_ones(tmp_path, write_run):
    folder = write_run(tmp_path / "run", ("org", "twin"), images=200, shown=False)
    write_run(folder, ("org", "twin", "afd"), images=120, shown=False)
    write_run(folder, ("org", "twin"), ("fog",), images=200, shown=False)
    run = load(folder)
    console, text = told(run, tmp_path / "out")
    assert "120 images, percent" in console
    assert "the 120 images that all of them have" in text
