"""Without the same images, two accuracies are compared: what is known of each, and what is said."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import robobench
from robobench.analysis.outcomes import Outcomes, Tally
from robobench.checking import baseline as baselines
from robobench.checking.baseline import Baseline, parse_baseline, read_baseline
from robobench.checking.check import check
from robobench.checking.junit import as_junit
from robobench.checking.published import published_baseline
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.reports.verdicts import as_markdown, as_text
from robobench.testing import assert_no_regression
from robobench.types import Cell

CLEAN = Cell("toy", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "net", "w", "", 0)
NOISE = replace(CLEAN, corruption="gaussian_noise", level=20.0)
DATASET = {"name": "toy", "split": "test", "fingerprint": "f", "count": 1000}
OTHER = {**DATASET, "fingerprint": "g"}
TABLE = """\
dataset,split,method,corruption,level,n,accuracy
toy,test,org,clean,0,10000,0.9
toy,test,org,gaussian_noise,20,10000,0.7
"""


def outcomes(cell, share, count=1000, first=0):
    right = np.arange(count) < round(share * count)
    return Outcomes(cell, np.arange(first, first + count), right)


def tally(cell, share, count=10_000):
    return Tally(cell, count, round(share * count))


def run(clean=0.9, noise=0.7, **changes):
    return [outcomes(CLEAN, clean, **changes), outcomes(NOISE, noise, **changes)]


def compared(now, before, dataset=DATASET, **settings):
    return check(
        now, {"dataset": dataset}, Baseline(tuple(before), {"dataset": DATASET}), **settings
    )


def test_numbers_alone_are_tested_and_called_unpaired():
    before = [tally(CLEAN, 0.9), tally(NOISE, 0.7)]
    assert compared(run(), before).outcome == "same"
    result = compared(run(0.83, 0.6), before)
    assert result.outcome == "worse"
    assert all(v.is_unpaired and v.outcome == "worse" for v in (*result.means, *result.cells))
    noise = result.cells[1]
    assert (noise.count, noise.baseline_count) == (1000, 10_000)
    assert (noise.before, noise.after) == (0.7, 0.6)
    assert 0 < noise.low < 0.1 < noise.high < 0.2
    with pytest.raises(Exception, match=r"by more than 0\.5 points \(unpaired\): org loses 8\.5"):
        result.raise_if_failed()
    assert compared(run(0.97, 0.8), before).outcome == "better"


def test_words_junit_and_markdown_say_unpaired():
    result = compared(run(0.83, 0.6), [tally(CLEAN, 0.9), tally(NOISE, 0.7)])
    for text in (as_text(result), as_text(result, 80), as_markdown(result)):
        assert "2 of them unpaired" in text
        assert "worse (u)" in text
        assert "(u): unpaired" in text
        assert "2 of 2 cells are compared unpaired: the baseline has numbers" in text
    failure = ElementTree.fromstring(as_junit(result)).findall("testsuite/testcase/failure")[-1]
    assert failure.get("message") == "loses 10.0 points (unpaired)"
    assert "on 1000 images, unpaired with 10000 of the baseline" in failure.text
    alike = compared(run(), [tally(CLEAN, 0.9), tally(NOISE, 0.7)])
    assert "On images like these, a loss of" in as_text(alike)
    paired = as_text(compared(run(), run()))
    assert "unpaired" not in paired
    assert "(u)" not in paired


def test_what_an_unpaired_check_finds_is_less():
    before, now = run(), run(0.88, 0.68)
    assert compared(now, before).outcome == "worse"
    numbers = [Tally(one.cell, 1000, int(one.correct.sum())) for one in before]
    unpaired = compared(now, numbers)
    assert unpaired.outcome == "same"
    assert unpaired.cells[0].remark == "larger than tolerated, but not significant"
    assert unpaired.detectable > 2 * compared(now, before).detectable


def test_some_cells_without_bits_make_their_mean_unpaired():
    result = compared(run(), [outcomes(CLEAN, 0.9), tally(NOISE, 0.7)])
    assert [v.is_unpaired for v in result.cells] == [False, True]
    assert [v.is_unpaired for v in result.means] == [True]


def test_other_images_need_the_option():
    with pytest.raises(RobobenchError, match=r"fingerprint g.*freeze again, or .* --unpaired"):
        compared(run(), run(), OTHER)
    result = compared(run(), run(), OTHER, unpaired=True)
    assert all(v.is_unpaired for v in (*result.means, *result.cells))
    assert any("their images are not those of the baseline" in note for note in result.notes)
    with pytest.raises(RobobenchError, match=r"500 .* are missing.*--unpaired") as caught:
        compared(run(count=500), run())
    assert "\n" not in str(caught.value)
    result = compared(run(count=500), run(), unpaired=True)
    assert {(v.count, v.baseline_count) for v in result.cells} == {(500, 1000)}
    assert compared(run(0.8, 0.5, count=500), run(), unpaired=True).outcome == "worse"


def test_with_the_option_the_same_images_stay_paired():
    assert not any(v.is_unpaired for v in compared(run(), run(), unpaired=True).cells)


@pytest.mark.parametrize("what", ["name", "split"])
def test_another_data_set_is_refused_all_the_same(what):
    with pytest.raises(RobobenchError, match=f"not comparable.*{what}") as caught:
        compared(run(), run(), {**DATASET, what: "else"}, unpaired=True)
    assert "--unpaired" not in str(caught.value)


def test_other_noise_on_other_images_is_said():
    now = [outcomes(replace(NOISE, seed=4), 0.7)]
    (note, _) = compared(now, [outcomes(NOISE, 0.7)], OTHER, unpaired=True).notes
    assert note == "corruption seed 4 of gaussian_noise now, 0 in the baseline: other noise"


# --- the file -------------------------------------------------------------------------------------


def without_bits(path, **changes):
    """A baseline file of which a cell has lost its bits."""
    content = json.loads(baselines.freeze(run(), {"dataset": DATASET}))
    del content["cells"][1]["correct"]
    content["cells"][1].update(changes)
    content["digest"] = baselines._digest(content)
    path.write_text(json.dumps(content))
    return path


def test_a_file_without_bits_is_read(tmp_path):
    first, second = read_baseline(without_bits(tmp_path / "b.json")).outcomes
    assert isinstance(first, Outcomes)
    assert second == Tally(NOISE, 1000, 700)


@pytest.mark.parametrize("right", [None, -1, 1001, 0.5])
def test_a_file_with_neither_bits_nor_numbers_is_refused(tmp_path, right):
    with pytest.raises(RobobenchError, match=f"a cell has {right} right of 1000 images"):
        read_baseline(without_bits(tmp_path / "b.json", right=right))


def frozen(tmp_path, text=TABLE):
    (tmp_path / "table.csv").write_text(text)
    return parse_baseline(published_baseline(tmp_path / "table.csv"), "b.json")


def test_published_accuracies_are_compared_with_what_they_tell(tmp_path):
    baseline = frozen(tmp_path)
    assert [(one.count, one.right) for one in baseline.outcomes] == [(10_000, 9000), (10_000, 7000)]
    assert "weights" in baseline.untold
    assert "level" not in baseline.untold
    result = check(run(0.9, 0.6), {"dataset": DATASET}, baseline)
    assert [v.outcome for v in result.cells] == ["same", "worse"]
    assert not [note for note in result.notes if "now" in note], "what is not told does not differ"
    hole = check(run()[:1], {"dataset": DATASET}, baseline)
    assert [(v.method, v.outcome) for v in hole.cells] == [("org", "same"), ("org", "missing")]


def test_several_classifiers_are_published_together(tmp_path):
    rows = [
        f"toy,{name},org,clean,0,10000,{share}" for name, share in (("net", 0.9), ("large", 0.8))
    ]
    baseline = frozen(
        tmp_path, "\n".join(["dataset,backbone,method,corruption,level,n,accuracy", *rows])
    )
    large = replace(CLEAN, backbone="large")
    result = check([run()[0], outcomes(large, 0.6)], {"dataset": DATASET}, baseline)
    assert {v.method: v.outcome for v in result.means} == {
        "org of net": "same",
        "org of large": "worse",
    }


def test_seeds_that_are_not_told_apart_are_refused(tmp_path):
    now = [*run(), outcomes(replace(NOISE, seed=1), 0.7)]
    with pytest.raises(RobobenchError, match=r"differ only in seed, .*: org on gaussian_noise 20"):
        check(now, {"dataset": DATASET}, frozen(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TABLE.replace("n,acc", "images,acc"), "lacks the column n"),
        (TABLE.replace("0.7", "70"), "row 2: accuracy 70: a fraction"),
        (TABLE.replace("10000", "0"), "row 1: n 0"),
        (TABLE.replace("20,", "strong,"), "row 2: level 'strong'"),
        (TABLE.replace("toy,test,org,clean", "tay,test,org,clean"), "several of dataset: tay, toy"),
        (TABLE.replace("gaussian_noise,20", "clean,0"), "row 2: there is another"),
        (TABLE.partition("\n")[0], "has no accuracies"),
        ("", "not a table of accuracies as CSV"),
        ('a,b\n1,"2', "not a table of accuracies as CSV"),
    ],
)
def test_a_table_that_will_not_do_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(RobobenchError, match=said) as caught:
        frozen(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_the_table_of_a_run_is_such_a_table(tmp_path, write_run, capsys):
    write_run(tmp_path / "run", ("afd",), shown=False)
    table = tmp_path / "results.csv"
    robobench.load(tmp_path / "run").frame.to_csv(table, index=False)
    again = write_run(tmp_path / "again", ("afd",), weights="b", shown=False)
    bad = write_run(tmp_path / "bad", ("afd",), weights="c", shown=False, skill={"afd": (0.9, 0.5)})
    file = tmp_path / "b.json"
    assert _exit_code(["freeze", str(table), "--out", str(file)]) == 0
    told = capsys.readouterr().out
    assert "unpaired, on as many other images: " in told
    assert "losses without gains" not in told
    whole = pd.read_csv(table).query("metric == 'accuracy'")
    assert len(read_baseline(file).outcomes) == len(whole)
    assert assert_no_regression(again, file).outcome == "same"
    summary, junit = tmp_path / "s.md", tmp_path / "j.xml"
    written = ["--junit", str(junit), "--summary", str(summary)]
    assert _exit_code(["check", str(bad), "--baseline", str(file), *written]) == 1
    assert "(unpaired)" in capsys.readouterr().err
    assert "worse (u)" in summary.read_text()
    assert "unpaired with" in junit.read_text()
    assert _exit_code(["freeze", str(tmp_path / "none.csv"), "--out", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
