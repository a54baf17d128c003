"""What sections say of a run, or of several: honest about what is missing."""

import pandas as pd
import pytest

import robobench
from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.reports import tables
from robobench.reports.blocks import DASH, Table, Text, Value
from robobench.reports.builder import build, compose
from robobench.reports.html_tables import to_html
from robobench.reports.joined import join
from robobench.reports.leaderboard import leaderboards
from robobench.reports.method_verdicts import verdicts
from robobench.reports.notices import notices
from robobench.results.run import load

CORRUPTIONS = ("jpeg_compression", "gaussian_noise")


def section_of(run, name):
    return compose([run], [name]).parts[0]


def table(blocks, name):
    return next(b for b in blocks if isinstance(b, Table) and b.name == name)


def test_rows_are_marked(run):
    found = {row.label: row.heading for row in leaderboards(run)[0].rows}
    assert found == {"org": "org", "afd": "afd ‡", "twin": "twin §", "truth": "truth †"}
    notes = " ".join(table(section_of(run, "summary").blocks, "summary").notes)
    assert all(word in notes for word in ("oracle", "a bank", "adapts to the batch"))


def test_bold_is_the_best_that_is_usable_and_ties_are_marked(run, tmp_path, write_run):
    shown = table(section_of(run, "summary").blocks, "summary").frame
    bold = [label for label, v in shown["accuracy"].items() if v.bold]
    assert bold == ["twin §"], "afd and truth are better, but told the corruption"
    more = load(write_run(tmp_path / "run", ("org", "twin", "other", "truth"), shown=False))
    shown = table(section_of(more, "summary").blocks, "summary")
    marks = {label: (v.bold, v.level) for label, v in shown.frame["accuracy"].items()}
    assert sorted([marks["twin §"], marks["other"]]) == [(False, True), (True, False)]
    assert marks["org"] == marks["truth †"] == (False, False)
    assert "<sup>=</sup>" in to_html(shown)
    assert "=: the tests do not separate it from the best" in " ".join(shown.notes)
    alone = load(write_run(tmp_path / "alone", ("org", "truth"), shown=False))
    shown = table(section_of(alone, "summary").blocks, "summary").frame
    assert not any(v.bold for v in shown["accuracy"]), "org alone is the best of nothing"


def test_summary_has_two_verdicts(run, tmp_path, write_run):
    usable, told = section_of(run, "summary").blocks[0].items[-2:]
    assert usable.startswith("Usable as it is: `twin` gains most over `org`, +")
    assert told.startswith("Told the corruption: `truth` gains most over `org`, +")
    assert "(p < 0.001)" in told
    assert "level with" not in told, "truth is separated from afd"
    fewer = load(write_run(tmp_path / "run", ("org", "afd"), shown=False))
    usable, told = section_of(fewer, "summary").blocks[0].items[-2:]
    assert usable == "Usable as it is: no method beside `org` was evaluated."
    assert "`afd` gains most" in told


def test_verdicts_name_ties_and_give_what_compare_gives(tmp_path, write_run):
    run = load(write_run(tmp_path / "run", ("org", "twin", "other", "third"), shown=False))
    found, _ = verdicts(leaderboards(run)[0])
    names = {found.best.row.label, *(row.label for row in found.ties)}
    assert names == {"twin", "other", "third"}
    assert "level with" in found.sentence("org")
    rows = run.compare().query("corruption == 'mean' and a == 'org@clean'").set_index("b")
    row = rows.loc[found.best.row.label]
    assert found.best.p == pytest.approx(row["p_holm"])
    assert found.best.value.value == pytest.approx(row["difference"])


def test_no_verdict_of_an_incomplete_run_and_only_what_is_whole_is_compared(tmp_path, write_run):
    level = catalogue.at_severity("jpeg_compression", 3, "cifar-c").level
    folder = write_run(
        tmp_path / "run", ("org", "twin", "third"), shown=False,
        without=(("third", "jpeg_compression", level),),
    )  # fmt: skip
    found, told = verdicts(leaderboards(load(folder))[0])
    said = found.sentence("org")
    assert said.startswith(
        f"Usable as it is: no verdict yet, as cells are missing (`third`: jpeg_compression {level:g}). "
        "Over what is whole, `gaussian_noise`: "
    )
    assert {g.row.label for g in found.gains} == {"twin", "third"}
    gains = load(folder).compare("org", "twin").set_index("corruption")["difference"]
    gain = next(g for g in found.gains if g.row.label == "twin")
    assert gain.value.value == pytest.approx(gains["gaussian_noise"])
    assert told.sentence("org") == "Told the corruption: no method beside `org` was evaluated."


@pytest.mark.parametrize(("stored", "over"), [(7, ()), (11, ("jpeg_compression",))])
def test_an_interrupted_run_counts_its_cells(stored, over, tmp_path, write_run):
    without = [
        (m, c, catalogue.at_severity(c, s, "cifar-c").level)
        for m in ("org", "twin")
        for place, c in enumerate(CORRUPTIONS)
        for s in range(1, 6)
        if 2 + 5 * place + s > stored
    ]
    folder = write_run(tmp_path / "run", ("org", "twin"), without=without, shown=False, cells=22)
    board = leaderboards(load(folder))[0]
    found, _ = verdicts(board)
    assert found.over == over
    assert f"({len(board.run.cells)} of 22 cells are stored)" in found.sentence("org")
    assert ("no corruption is whole" in found.sentence("org")) == (not over)


def test_what_is_not_applicable_is_left_out_and_no_gap(tmp_path, write_run):
    refuses = (("other", "gaussian_noise"),)
    folder = write_run(tmp_path / "run", ("org", "twin", "other"), refuses=refuses, shown=False)
    found, _ = verdicts(leaderboards(load(folder))[0])
    assert found.best.row.label == "twin"
    assert found.sentence("org").endswith(
        "Left out, as not applicable to all corruptions: `other`."
    )


def test_paired_gains_agree_with_compare(run):
    gains = table(section_of(run, "paired").blocks, "paired").frame["afd ‡"]
    told = run.compare("org", "afd").set_index("corruption")
    for name in ("clean", *CORRUPTIONS, "mean"):
        assert gains[name].value == pytest.approx(told.loc[name, "difference"])
        assert gains[name].low == pytest.approx(told.loc[name, "difference_low"])


def test_not_applicable_is_a_dash_with_its_reason(tmp_path, write_run):
    refuses = (("afd", "gaussian_noise"),)
    run = load(write_run(tmp_path / "run", ("org", "afd"), refuses=refuses, shown=False))
    shown = table(section_of(run, "summary").blocks, "by-corruption")
    cell = shown.frame.loc["afd ‡", "gaussian_noise"]
    assert cell.missing
    assert cell.why == "not applicable: made for JPEG"
    assert f"{DASH}<sup>a</sup>" in to_html(shown)
    assert ("a", "not applicable: made for JPEG.") in tables.footnotes(shown)
    assert not any("incomplete" in notice.text for notice in notices(run))


def test_incomplete_run_says_so_and_averages_nothing_uneven(tmp_path, write_run):
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


def test_empty_run_is_refused_in_words(tmp_path, write_run):
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


# Several runs ------------------------------------------------------------------------------------


def test_runs_of_different_machines_are_joined_with_a_warning(tmp_path, write_run):
    one = load(write_run(tmp_path / "one", ("org", "afd"), shown=False))
    other = load(
        write_run(
            tmp_path / "two", ("org", "twin"), shown=False, machine={"device": "cuda", "threads": 2}
        )
    )
    report_ = compose([one, other], ["summary"])
    shown = table(report_.parts[0].blocks, "summary").frame
    assert list(shown.index) == ["org", "afd ‡", "twin §"]
    assert report_.notices[0].items == ("machine, device: cpu (one), cuda (two)",)
    assert len(one.cells) + len(other.cells) > len(shown) * 11  # org counts once


def test_same_names_with_other_weights_are_shown_apart(tmp_path, write_run):
    one = load(write_run(tmp_path / "old", ("org", "afd"), shown=False))
    fewer = CORRUPTIONS[:1]
    other = load(write_run(tmp_path / "new", ("org", "afd"), fewer, weights="b", shown=False))
    report_ = compose([one, other], ["summary"])
    assert any("disagree" in notice.text for notice in report_.notices)
    names = [t.name for t in report_.tables]
    assert "summary-shapes10-test-vgg-tiny--old-" in names
    assert "summary-shapes10-test-vgg-tiny--new-" in names
    shown = next(t for t in report_.tables if t.name == "summary-shapes10-test-vgg-tiny--new-")
    assert not shown.frame.loc["afd ‡", "accuracy"].missing, "its own grid is complete"
    build([one, other], tmp_path / "out", ["html", "csv"], ["recovered", "provenance"])


def test_what_differs_under_one_name_stands_in_one_table_for_each_run(tmp_path, write_run):
    one = load(write_run(tmp_path / "old", ("org", "afd"), shown=False))
    other = load(write_run(tmp_path / "new", ("org", "afd"), weights="b", shown=False))
    report_ = compose([one, other], ["summary", "paired"])
    assert any("differ in `afd`, `org`" in notice.text for notice in report_.notices)
    shown = table(report_.parts[0].blocks, "summary").frame
    assert list(shown.index.names) == ["run", "method"]
    assert set(shown.index) == {(r, m) for r in ("old", "new") for m in ("org", "afd ‡")}
    assert shown.index[0] == ("old", "org")
    assert shown.loc[("new", "afd ‡"), "CE[org [old]]"].value < 1
    gains = table(report_.parts[1].blocks, "paired").frame
    assert gains["org [new]"]["mean"].value == 0
    assert "run,method," in tables.to_csv(table(report_.parts[0].blocks, "summary"))


def test_two_precisions_stand_side_by_side(tmp_path, write_run):
    runs = [
        load(write_run(tmp_path / p, ("org", "twin"), shown=False, machine={"precision": p}))
        for p in ("fp32", "bf16")
    ]
    shown = table(compose(runs, ["summary"]).parts[0].blocks, "summary").frame
    assert set(shown.index) == {(p, m) for p in ("fp32", "bf16") for m in ("org", "twin §")}


def test_other_predictions_of_the_same_cells_are_not_left_out(tmp_path, write_run):
    one = load(write_run(tmp_path / "old", ("org", "twin"), shown=False))
    other = load(write_run(tmp_path / "new", ("org", "twin"), shown=False, luck=1))
    joined = join([one, other])
    assert {row.label for row in leaderboards(joined)[0].rows} == {
        "org [old]", "org [new]", "twin [old]", "twin [new]",
    }  # fmt: skip
    assert len(joined.cells) == len(one.cells) + len(other.cells)


def test_of_other_numbers_of_images_only_the_common_ones_are_compared(tmp_path, write_run):
    few = load(write_run(tmp_path / "few", ("org", "afd"), images=100, shown=False))
    many = load(write_run(tmp_path / "many", ("org", "twin"), images=200, shown=False))
    joined = join([few, many])
    (board,) = leaderboards(joined)
    assert set(board.accuracy["n"]) == set(board.summary["n"]) == {100}
    assert {row.label for row in board.rows} == {"org", "afd", "twin"}
    assert any("100 images that all of them have" in n.text for n in compose([few, many]).notices)


def test_normalizer_changes_the_reference(run):
    shown = table(compose([run], ["summary"], normalizer="afd").parts[0].blocks, "summary").frame
    assert shown.index[0] == "afd ‡"
    assert shown.loc["afd ‡", "CE[afd]"].value == pytest.approx(1)
    with pytest.raises(RobobenchError, match="did you mean 'twin'"):
        compose([run], normalizer="twins")


def test_formats_of_other_styles_share_the_numbers(registered, tmp_path, write_run):
    given = []
    robobench.section("kept")(lambda run: given.append(run) or [])
    runs = [
        load(write_run(tmp_path / name, ("org", name), shown=False)) for name in ("afd", "twin")
    ]
    build(runs, tmp_path / "out", ["html", "latex"], ["kept"], paper="cvpr")
    in_page, in_latex = given
    assert in_page is in_latex


# Sections of others ------------------------------------------------------------------------------


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
