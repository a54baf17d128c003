"""`robobench compare`: two runs as before and after."""

import re

import pandas as pd
import pytest
from click.testing import CliRunner

from robobench.analysis.statistics import holm
from robobench.cli.compare import compare
from robobench.errors import RobobenchError
from robobench.reports.before_after import compare_runs, headline
from robobench.results.run import load


@pytest.fixture(scope="module")
def runs(tmp_path_factory, write_run):
    where = tmp_path_factory.mktemp("two")
    before = write_run(where / "before", ("org", "afd", "twin"), shown=False)
    after = write_run(
        where / "after",
        ("org", "afd", "twin"),
        weights="b",
        shown=False,
        skill={"afd": (0.92, 0.11)},
    )
    return before, after


def test_regressions_come_first_and_follow_from_the_tests(runs):
    before, after = map(load, runs)
    frame = compare_runs(before, after).frame
    assert list(frame["outcome"]) == sorted(
        frame["outcome"], key=["worse", "better", "same"].index
    ), "worse first"
    worst = frame.iloc[0]
    assert (worst["method"], worst["outcome"]) == ("afd", "worse")
    assert worst["difference"] == frame["difference"].min()
    means = frame["corruption"] == "mean"
    for family in (frame[means], frame[~means]):
        assert family["p_holm"].tolist() == pytest.approx(holm(family["p"]).tolist())
        apart = family["p_holm"] <= 0.05
        assert (family["outcome"] != "same").tolist() == apart.tolist()
    same = frame[frame["method"] == "org"]
    assert (same["difference"] == 0).all()
    assert headline(compare_runs(before, after)).startswith(
        "3 methods in the mean over corruptions: 1 worse, 2 same. Worse in 2 single conditions."
    )


def test_turned_round_the_same_is_an_improvement(runs):
    before, after = map(load, runs)
    there, back = compare_runs(before, after).frame, compare_runs(after, before).frame
    assert set(back["outcome"]) == {"better", "same"}
    assert back["difference"].max() == pytest.approx(-there["difference"].min())


def test_command_writes_a_page_and_markdown_for_a_pull_request(runs, tmp_path):
    summary = tmp_path / "summary.md"
    out = tmp_path / "page"
    arguments = [*map(str, runs), "--out", str(out), "--summary", str(summary)]
    done = CliRunner().invoke(compare, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.index("worse") < done.output.index("same")
    assert f"comparison: {out / 'index.html'}" in done.output
    text = (out / "report.md").read_text()
    assert text == summary.read_text()
    assert "| worse | afd | mean |" in text
    page = (out / "index.html").read_text()
    found = pd.read_csv(out / "tables/compare-methods.csv")
    shown = f"{100 * found['before'][0]:.1f}"
    assert shown in text
    assert re.search(rf">\s*{re.escape(shown)}", page)


def test_only_what_both_have_is_compared_and_it_is_said(tmp_path, write_run):
    before = load(write_run(tmp_path / "a", ("org", "afd"), images=100, shown=False))
    after = load(write_run(tmp_path / "b", ("org", "twin"), ("fog",), shown=False, cells=99))
    with pytest.raises(RobobenchError, match="two data sets"):
        compare_runs(
            before, load(write_run(tmp_path / "c", ("afd",), dataset="other", shown=False))
        )
    found = compare_runs(before, after)
    assert list(found.frame["corruption"]) == ["clean"]
    assert set(found.frame["n"]) == {100}
    assert "only before: `afd`" in found.notes
    assert "only after: `twin`" in found.notes
    done = CliRunner().invoke(
        compare, [str(before.folder), str(after.folder), "--out", str(tmp_path)]
    )
    assert "is incomplete" in (tmp_path / "report.md").read_text(), done.output


def test_another_classifier_is_compared_under_its_name(tmp_path, write_run):
    runs = [
        load(write_run(tmp_path / b, ("org", "afd"), backbone=b, weights=b, shown=False))
        for b in ("old-net", "new-net")
    ]
    found = compare_runs(*runs)
    assert "the classifier was `old-net` before and is `new-net` after" in found.notes
    assert set(found.frame["outcome"]) == {"same"}


def test_mistakes_are_one_line(runs, tmp_path):
    done = CliRunner().invoke(
        compare, [*map(str, runs), "--format", "htlm", "--out", str(tmp_path)]
    )
    assert "did you mean 'html'" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
    done = CliRunner().invoke(compare, [str(runs[0]), str(tmp_path / "nothing")])
    assert "no run is there" in str(done.exception)
