"""Markdown that fits a pull request, and every table as JSON and Parquet."""

import json
import re

import pandas as pd
import pytest
from made_up_methods import made_up

from robobench.corruptions.catalogue import GROUPS
from robobench.reports import markup, tables
from robobench.reports.builder import build, compose, markdown_of
from robobench.reports.pull_request import LONGEST


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    names = GROUPS["all"]
    return made_up(tmp_path_factory.mktemp("large") / "run", 8, images=40, corruptions=names)


def test_verdict_and_one_table_first_the_rest_folded(run, tmp_path):
    build(run, tmp_path, ["markdown"])
    text = (tmp_path / "report.md").read_text()
    before, _, folded = text.partition("<details>")
    assert "Usable as it is:" in before
    assert len(re.findall(r"^\| ---", before, re.MULTILINE)) == 1
    assert len(re.findall(r"^\| ---", folded, re.MULTILINE)) > 3
    assert text.count("<details>") == text.count("</details>")
    for file in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert file.endswith(".png")
        assert (tmp_path / file).read_bytes().startswith(b"\x89PNG")
    assert "Left out" not in text


def test_a_large_run_is_cut_and_what_was_cut_is_named(large):
    report = compose([large], ["summary", "recovered", "paired"])
    whole = markdown_of(report)
    assert len(whole.encode()) <= LONGEST < 65_536
    assert "Left out" not in whole
    text = markdown_of(report, most=15_000)
    assert len(text.encode()) <= 15_000
    shown, _, left = text.partition("Left out for length")
    kept = [tables.to_markdown(table) in shown for table in report.tables]
    assert kept[0]
    assert not all(kept)
    for table, is_kept in zip(report.tables, kept, strict=True):
        assert is_kept != (markup.markdown(table.caption) in left)


def test_json_and_parquet_have_what_csv_has(run, tmp_path):
    build(run, tmp_path, ["csv", "json", "parquet"])
    found = sorted((tmp_path / "tables").glob("*.csv"))
    assert found
    for file in found:
        frame = pd.read_csv(file)
        told = json.loads(file.with_name(f"{file.stem}.json").read_text())
        stored = pd.read_parquet(file.with_name(f"{file.stem}.parquet"))
        assert list(frame) == told["columns"] == list(stored), file
        assert len(frame) == len(told["rows"]) == len(stored)
        for name in frame.select_dtypes("number"):
            for other in (stored[name], [row[name] for row in told["rows"]]):
                values = pd.to_numeric(pd.Series(list(other)))
                pd.testing.assert_series_equal(
                    frame[name].astype(float), values.astype(float), rtol=1e-5, check_names=False
                )
