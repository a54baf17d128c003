"""Runs in which each image is evaluated at some levels of a sweep: cells, folders, commands."""

import json

import numpy as np
import pytest

import robobench
from robobench.checking.baseline import freeze, read_baseline
from robobench.checking.check import check
from robobench.checking.verify import verify, whole_outcomes
from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration, read_settings
from robobench.results.merging import merge
from robobench.results.store import Store

SWEEP = "jpeg:10-100/10"


@pytest.fixture
def counting(registered):
    """A method that says how many images it saw, and may be interrupted."""
    calls = []

    @robobench.method("counting")
    class Counting(robobench.Method):
        """The classifier, counted."""

        limit = 10**9

        def predict(self, images, context):
            if len(images) > 1:  # one image alone is asked what it costs
                calls.append(len(set(context.indices.tolist())))
            if len(calls) > Counting.limit:
                raise KeyboardInterrupt
            return self.backbone(images)

    Counting.calls = calls
    return Counting


def cells(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "cells").glob("*.npz"))}


def sweep(out, toy, per_image, **settings):
    settings = {"methods": "counting", "corruptions": SWEEP, **toy, **settings}
    return robobench.run(levels_per_image=per_image, out=out, **settings)


def test_a_cell_has_some_images_and_predicts_for_them_what_a_whole_one_does(
    tmp_path, toy, counting
):
    whole = sweep(tmp_path / "whole", toy, None)
    some = sweep(tmp_path / "some", toy, 3)
    times = np.zeros(600, np.int64)
    by_level = {(c.method, c.level): c for c in whole.cells}
    for cell in some.cells:
        mine, theirs = some.predictions(cell), whole.predictions(by_level[cell.method, cell.level])
        rows = np.searchsorted(theirs.index, mine.index)
        assert mine.predicted.tolist() == theirs.predicted[rows].tolist()
        if cell.degradation.is_clean:
            assert len(mine) == 600
            assert cell == by_level[cell.method, cell.level], "clean cells are those of any run"
        else:
            assert (len(mine), cell.sweep) == (180, "10, 20, 30, 40, 50, 60, 70, 80, 90, 100")
            times[mine.index] += cell.method == "counting"
    assert (times == 3).all()


def test_more_levels_per_image_extend_the_cells(tmp_path, toy, counting):
    sweep(tmp_path / "a", toy, 5, corruptions=f"{SWEEP},gaussian_noise:10-100/10")
    before = len(counting.calls)
    sweep(tmp_path / "a", toy, 10, corruptions=f"{SWEEP},gaussian_noise:10-100/10")
    # 300 images of each of 20 cells were there: 256 of them in whole chunks.
    assert len(counting.calls) - before == 20 * (10 - 4)
    sweep(tmp_path / "b", toy, 10, corruptions=f"{SWEEP},gaussian_noise:10-100/10")
    assert cells(tmp_path / "a") == cells(tmp_path / "b")
    assert not verify(tmp_path / "a").problems
    assert {len(p) for _, p in robobench.load(tmp_path / "a").each()} == {600}
    tables = [(tmp_path / run / "results.csv").read_bytes() for run in "ab"]
    assert tables[0] == tables[1]


def test_a_raised_limit_begins_the_cells_of_the_sweep_anew(tmp_path, toy, counting):
    sweep(tmp_path / "a", toy, 3, limit=300)
    sweep(tmp_path / "a", toy, 3)
    sweep(tmp_path / "b", toy, 3)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")


@pytest.mark.parametrize("first", [None, 2])
def test_an_interrupted_run_goes_on_with_the_same_bytes(tmp_path, toy, counting, first):
    if first:
        sweep(tmp_path / "a", toy, first)
    for more in (1, 9, 17):
        counting.limit = len(counting.calls) + more
        with pytest.raises(KeyboardInterrupt):
            sweep(tmp_path / "a", toy, 5)
        # As a session that was killed leaves it, without its end.
        for name in ("manifest.json", "manifest.copy.json"):
            manifest = json.loads((tmp_path / "a" / name).read_text())
            for key in ("seconds", "made", "cells"):
                manifest["sessions"][-1].pop(key, None)
            robobench.results.manifest.write_manifest(tmp_path / "a", manifest)
    counting.limit = 10**9
    sweep(tmp_path / "a", toy, 5)
    sweep(tmp_path / "b", toy, 5)
    assert cells(tmp_path / "a") == cells(tmp_path / "b")
    assert not list((tmp_path / "a").rglob("*.damaged*")), "an extended cell is not a damaged one"
    assert not verify(tmp_path / "a").problems


def test_batches_threads_and_shards_change_nothing(tmp_path, toy, counting):
    sweep(tmp_path / "whole", toy, 3)
    sweep(tmp_path / "small", toy, 3, batch_size=1, workers=3)
    assert cells(tmp_path / "small") == cells(tmp_path / "whole")
    for shard in ("1/3", "2/3", "3/3"):
        sweep(tmp_path / "shards", toy, 3, shard=shard)
    assert cells(tmp_path / "shards") == cells(tmp_path / "whole")
    assert not verify(tmp_path / "shards").problems


def refused(match, *arguments, **settings):
    with pytest.raises(RobobenchError, match=match) as caught:
        sweep(*arguments, **settings)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_one_run_is_refused_in_one_line(tmp_path, toy, counting):
    folder = tmp_path / "run"
    sweep(folder, toy, 3)
    before = cells(folder)
    refused("with 3 levels per image, this one has 2: use --levels-per-image 3", folder, toy, 2)
    refused("holds a run with 3 levels per image: use --levels-per-image 3", folder, toy, None)
    refused("this run 10, 20, 30, 40, 50, 60, 70, 80: sweep the same", folder, toy, 3,
            corruptions="jpeg:10-80/10")  # fmt: skip
    other = tmp_path / "other"
    sweep(other, toy, None)
    refused("holds a run with all levels: leave --levels-per-image out", other, toy, 3)
    refused("more than 5 levels is expected", tmp_path / "c", toy, 3, corruptions="jpeg,fog")
    refused("10 images or more are expected", tmp_path / "c", toy, 3, limit=9)
    refused("expected a whole number of 1 or more, got 0", tmp_path / "c", toy, 0)
    counting.adapts = True
    refused("counting adapts to the images that it sees", tmp_path / "c", toy, 3)
    assert cells(folder) == before
    assert not (tmp_path / "c").exists()


def test_the_option_is_in_files_too(tmp_path):
    (tmp_path / "run.toml").write_text('levels-per-image = 10\ncorruptions = "jpeg:1-100"\n')
    settings = read_settings(tmp_path / "run.toml")
    assert Configuration.from_settings(settings).levels_per_image == 10


def test_conditions_outside_of_sweeps_are_whole(tmp_path, toy, counting):
    run = sweep(tmp_path, toy, 3, corruptions=f"{SWEEP},fog,gaussian_noise")
    for cell, predictions in run.each():
        assert len(predictions) == (180 if cell.corruption == "jpeg_compression" else 600)
    frame = run.frame[run.frame.method == "counting"]
    ece = frame[frame.metric == "ece"].set_index("corruption")["value"]
    assert ece["jpeg_compression"].isna().all(), "some images are not what all would give"
    assert ece[["clean", "fog", "gaussian_noise"]].notna().all()
    assert frame[frame.metric == "accuracy"]["value"].notna().all()
    told = run.summary().set_index(["method", "corruption"]).loc["counting"]
    assert told.loc["jpeg_compression", "levels"].endswith(", 3 per image")
    assert told.loc["fog", "levels"] == "severity 1-5"
    assert np.isnan(told.loc["jpeg_compression", "worst"])
    assert "worst: no level has all images" in told.loc["jpeg_compression", "missing"]
    assert told.loc["fog", "worst"] > 0
    assert sum("3 of the 10 levels" in note for note in run.manifest["notes"]) == 1


def test_the_report_says_what_is_imprecise(tmp_path, toy, counting):
    from robobench.reports.builder import build

    run = sweep(tmp_path / "run", toy, 2)
    build([run], tmp_path / "report", formats=("html",))
    text = (tmp_path / "report" / "index.html").read_text()
    assert "each of the 10 levels has about 120 of the 600 images" in text
    assert "2.2 times as wide" in text


def test_verify_finds_a_level_with_other_images(tmp_path, toy, counting):
    run = sweep(tmp_path, toy, 3)
    one, other = [c for c in run.cells if c.level in (10.0, 20.0) and c.method == "org"]
    store = Store(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    store.put(one, run.predictions(other))
    for session in manifest["sessions"]:
        session["made"].pop(one.digest[:16], None)
    robobench.results.manifest.write_manifest(tmp_path, manifest)
    problems = " ".join(verify(tmp_path).problems)
    assert "other images or labels than the same level of other methods" in problems
    assert "images of org on jpeg_compression do not have 3 of the levels" in problems


def test_runs_of_several_machines_merge(tmp_path, toy, counting):
    sweep(tmp_path / "org", toy, 3, methods="org")
    sweep(tmp_path / "more", toy, 4, methods="counting")
    with pytest.raises(RobobenchError, match=r"number of levels per image 3, .* has 4"):
        merge([tmp_path / "org", tmp_path / "more"], tmp_path / "merged")
    sweep(tmp_path / "counting", toy, 3, methods="counting")
    merged, _ = merge([tmp_path / "org", tmp_path / "counting"], tmp_path / "merged")
    assert not verify(tmp_path / "merged").problems
    assert len(merged.compare("org", "counting")) == 3


def test_a_divided_run_is_checked_against_its_baseline(tmp_path, toy, counting):
    run = sweep(tmp_path / "a", toy, 3)
    (tmp_path / "b.json").write_bytes(freeze(whole_outcomes(tmp_path / "a"), run.manifest))
    baseline = read_baseline(tmp_path / "b.json")
    same = check(whole_outcomes(tmp_path / "a"), run.manifest, baseline)
    assert same.outcome == "same"
    mean = next(v for v in same.means if v.method == "counting")
    accuracies = [p.correct.mean() for c, p in run.each() if c.method == "counting"]
    assert (mean.count, mean.before) == (600, pytest.approx(np.mean(accuracies)))
    more = sweep(tmp_path / "more", toy, 10)  # the baseline's images are among these
    assert check(whole_outcomes(tmp_path / "more"), more.manifest, baseline).outcome == "same"
    fewer = sweep(tmp_path / "fewer", toy, 2)
    with pytest.raises(RobobenchError, match="run with all levels, or more per image"):
        check(whole_outcomes(tmp_path / "fewer"), fewer.manifest, baseline)


def test_a_method_that_lost_a_level_is_compared_on_the_others(tmp_path, toy, counting):
    sweep(tmp_path, toy, 3)
    run = robobench.load(tmp_path)
    lost = next(c for c in run.cells if c.method == "org" and c.level == 10.0)
    run.store.path(lost).unlink()
    run = robobench.load(tmp_path)
    row = run.compare("org", "counting").set_index("corruption").loc["jpeg_compression"]
    assert (row["cells"], row["n"], row["difference"]) == (9, 600, 0.0)
