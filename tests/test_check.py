"""The check fails where a model is really worse, and only then."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from robobench.analysis.outcomes import outcomes_of
from robobench.checking import baseline as baselines
from robobench.checking import check as checks
from robobench.checking.baseline import read_baseline
from robobench.checking.junit import as_junit
from robobench.cli import _exit_code
from robobench.errors import CheckFailed, RobobenchError
from robobench.reports.verdicts import as_markdown, as_text
from robobench.results.manifest import write_manifest
from robobench.results.store import Store
from robobench.types import Cell, Predictions

IMAGES = 1500
CELL = Cell("toy", "test", "as-is", "crop", "", "clean", 0.0, 0, "org", "net", "old", "clean", 0)
CONDITIONS = [("clean", 0.0), *(("jpeg_compression", q) for q in (80.0, 65.0, 58.0, 50.0, 40.0))]
MANIFEST = {
    "command": "robobench run",
    "configuration": {"methods": "org"},
    "profile": "cifar-c",
    "versions": {"robobench": "0.1.0", "libjpeg_turbo": "3.1.2"},
    "machine": {"device": "cpu", "precision": "fp32", "threads": 2},
    "dataset": {"name": "toy", "split": "test", "fingerprint": "f" * 64, "count": IMAGES},
    "methods": [
        {
            "label": "org",
            "method": "org",
            "backbone": "net",
            "trained_on": "clean",
            "train_seed": 0,
            "weights": {"": "old", "fog": "new"},
        }
    ],
}


def predictions(correct, index=None):
    correct = np.asarray(correct, bool)
    index = np.arange(len(correct)) if index is None else np.asarray(index)
    half = np.full(len(correct), 0.5, np.float32)
    label = np.zeros(len(correct), np.int64)
    return Predictions(index, label, np.where(correct, 0, 1), half, half)


def model(methods=("org",), images=IMAGES, seed=0):
    """A run: harder images fail first, and the stronger the corruption the more of them."""
    hard = np.random.default_rng(seed).random(images)
    return [
        (
            replace(CELL, corruption=corruption, level=level, method=method),
            predictions(hard < 0.95 - 0.06 * i),
        )
        for method in methods
        for i, (corruption, level) in enumerate(CONDITIONS)
    ]


def changed(items, lost, gained=0.0, seed=1, only=None):
    """The same run after a change: shares of all images newly wrong and newly right."""
    rng = np.random.default_rng(seed)
    result = []
    for cell, old in items:
        correct = old.correct.copy()
        if only is None or only(cell):
            right, wrong = np.flatnonzero(correct), np.flatnonzero(~correct)
            correct[rng.choice(right, round(lost * len(correct)), replace=False)] = False
            correct[rng.choice(wrong, round(gained * len(correct)), replace=False)] = True
        result.append((replace(cell, weights="new"), predictions(correct, old.index)))
    return result


def freeze(items, manifest):
    return baselines.freeze(outcomes_of(items), manifest)


def check(items, manifest, frozen, **settings):
    return checks.check(outcomes_of(items), manifest, frozen, **settings)


@pytest.fixture
def baseline(tmp_path):
    """A frozen run, read again from its file."""
    path = tmp_path / "baseline.json"
    path.write_bytes(freeze(model(), MANIFEST))
    return read_baseline(path)


# --- the file ------------------------------------------------------------------------------------


def test_what_is_frozen_is_read(baseline):
    for (cell, old), kept in zip(model(), baseline.outcomes, strict=True):
        assert kept.cell == cell
        assert np.array_equal(kept.index, old.index)
        assert np.array_equal(kept.correct, old.correct)
    assert baseline.facts["dataset"]["fingerprint"] == "f" * 64
    assert baseline.facts["versions"]["libjpeg_turbo"] == "3.1.2"


def test_images_need_not_be_all_nor_their_number_divisible_by_eight(tmp_path):
    index = np.array([3, 4, 9, 27, 1000, 70_001, 70_002])
    items = [(CELL, predictions([1, 0, 1, 1, 0, 0, 1], index))]
    (tmp_path / "b.json").write_bytes(freeze(items, MANIFEST))
    kept = read_baseline(tmp_path / "b.json").outcomes[0]
    assert kept.index.tolist() == index.tolist()
    assert kept.correct.tolist() == [True, False, True, True, False, False, True]


def test_a_baseline_is_small_and_the_same_bytes_twice():
    methods = tuple(f"method{i}" for i in range(10))
    content = freeze(model(methods), MANIFEST)
    assert content == freeze(model(methods), MANIFEST)
    # 60 cells of 1,500 images: 188 bytes of bits each, 250 in base64, and what names the cell
    assert len(content) < 60 * 420 + 2000


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t[: len(t) // 2], "not a robobench baseline"),
        (lambda t: t.replace('"right": ', '"right": 1'), "altered"),
        (lambda t: t.replace('"format": 2', '"format": 9'), "format 9"),
        (lambda t: "label,predicted\n1,2\n", "not a robobench baseline"),
        (lambda t: "[1, 2]", "not a robobench baseline"),
    ],
)
def test_a_spoilt_baseline_is_refused(tmp_path, spoil, said):
    path = tmp_path / "baseline.json"
    path.write_text(spoil(freeze(model(), MANIFEST).decode()))
    with pytest.raises(RobobenchError, match=said):
        read_baseline(path)


def test_nothing_to_freeze_and_no_file_are_said(tmp_path):
    with pytest.raises(RobobenchError, match="no cells to freeze"):
        freeze([], MANIFEST)
    with pytest.raises(RobobenchError, match="robobench freeze RUN"):
        read_baseline(tmp_path / "none.json")


# --- the verdict ---------------------------------------------------------------------------------


def test_the_same_run_is_the_same(baseline):
    result = check(model(), MANIFEST, baseline)
    assert result.outcome == "same"
    assert {v.outcome for v in (*result.means, *result.cells)} == {"same"}
    assert all(v.loss == 0 for v in result.cells)
    assert "four times out of five" in as_text(result)
    assert "-0.0" not in as_text(result)
    result.raise_if_failed()


def test_three_points_lost_everywhere_fail(baseline):
    result = check(changed(model(), 0.05, 0.02), MANIFEST, baseline)
    assert result.outcome == "worse"
    assert result.means[0].loss == pytest.approx(0.03)
    assert result.means[0].low < 0.03 < result.means[0].high
    with pytest.raises(CheckFailed, match=r"loses 3\.0 points in the mean of 6 cells") as caught:
        result.raise_if_failed()
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_retraining_that_only_shuffles_errors_passes(baseline, seed):
    result = check(changed(model(), 0.03, 0.03, seed), MANIFEST, baseline)
    assert result.outcome == "same"
    result = check(changed(model(), 0.032, 0.03, seed), MANIFEST, baseline)
    assert result.outcome == "same", "0.2 points are within the tolerance of 0.5"


def test_false_alarms_at_the_tolerance_itself_are_as_rare_as_alpha(tmp_path):
    rng, alarms, runs = np.random.default_rng(0), 0, 100
    path = tmp_path / "b.json"
    old = model(images=400)
    path.write_bytes(freeze(old, MANIFEST))
    frozen = read_baseline(path)
    for _ in range(runs):
        new = []
        for cell, before in old:
            u = rng.random(400)
            # the expected loss is 2 points in every cell, right at the tolerance
            lose, gain = 0.04 / before.correct.mean(), 0.02 / (~before.correct).mean()
            new.append((cell, predictions(np.where(before.correct, u >= lose, u < gain))))
        alarms += check(new, MANIFEST, frozen, tolerance=2.0).outcome == "worse"
    assert alarms <= 5 + 3 * 2.2


def test_a_collapse_in_one_cell_is_found_and_named_though_the_mean_holds(tmp_path):
    methods = ("org", "afd", "ddp", "jpg")
    path = tmp_path / "b.json"
    path.write_bytes(freeze(model(methods), MANIFEST))

    def one(cell):
        return cell.method == "afd" and cell.level == 40

    result = check(changed(model(methods), 0.025, only=one), MANIFEST, read_baseline(path))
    assert [v.outcome for v in result.means] == ["same"] * 4
    worse = [v for v in result.cells if v.outcome == "worse"]
    assert [(v.method, v.what) for v in worse] == [("afd", "jpeg_compression 40")]
    with pytest.raises(CheckFailed, match=r"afd 2\.5 points on jpeg_compression 40"):
        result.raise_if_failed()


def test_a_better_run_is_called_better_and_passes(baseline):
    result = check(changed(model(), 0.0, 0.03), MANIFEST, baseline)
    assert result.outcome == "better"
    result.raise_if_failed()


def test_a_large_loss_within_chance_passes_with_a_remark(tmp_path):
    path = tmp_path / "b.json"
    path.write_bytes(freeze(model(images=60), MANIFEST))
    new = changed(model(images=60), 0.04, 0.02)
    result = check(new, MANIFEST, read_baseline(path))
    assert result.outcome == "same"
    assert "larger than tolerated" in result.cells[0].remark
    assert result.detectable > 2


def test_tolerance_decides(baseline):
    new = changed(model(), 0.03)
    assert check(new, MANIFEST, baseline, tolerance=0.5).outcome == "worse"
    assert check(new, MANIFEST, baseline, tolerance=5).outcome == "same"


# --- what cannot be compared ---------------------------------------------------------------------


def test_a_missing_cell_fails_and_is_named(baseline):
    hole = [(c, p) for c, p in model() if c.level != 58]
    result = check(hole, MANIFEST, baseline)
    assert result.outcome == "missing"
    assert [v.what for v in result.cells if v.outcome == "missing"] == ["jpeg_compression 58"]
    with pytest.raises(CheckFailed, match=r"1 of .* 6 cells .*org on jpeg_compression 58"):
        result.raise_if_failed()
    assert "| missing | org | jpeg\\_compression 58 |" in as_markdown(result)
    assert ElementTree.fromstring(as_junit(result)).get("failures") == "1"
    result = check(hole, MANIFEST, baseline, allow_missing=True)
    assert result.outcome == "same"
    result.raise_if_failed()
    assert ElementTree.fromstring(as_junit(result)).get("skipped") == "1"


def test_other_images_are_an_error(baseline):
    other = {**MANIFEST, "dataset": {**MANIFEST["dataset"], "fingerprint": "0" * 64}}
    with pytest.raises(RobobenchError, match=r"not comparable.*fingerprint") as caught:
        check(model(), other, baseline)
    assert caught.value.exit_code == 2


def test_fewer_images_are_an_error_and_more_are_said(baseline):
    fewer = [(c, predictions(p.correct[:500])) for c, p in model()]
    with pytest.raises(RobobenchError, match=r"1000 of the baseline's 1500 images.*--limit 1500"):
        check(fewer, MANIFEST, baseline)
    more = [(c, predictions([*p.correct, True, True])) for c, p in model()]
    result = check(more, MANIFEST, baseline)
    assert result.outcome == "same"
    assert any("2 images more" in note for note in result.notes)


def test_new_cells_are_not_comparable_and_do_no_harm(baseline):
    new = (replace(CELL, corruption="fog", level=3.0, profile="cifar-c"), predictions([0] * IMAGES))
    result = check([*model(), new], MANIFEST, baseline)
    assert result.outcome == "same"
    assert [v.what for v in result.cells if v.outcome == "not comparable"] == ["fog 3"]


def test_another_backbone_is_compared_and_said_other_machines_are_said(baseline):
    new = [(replace(c, backbone="bigger", geometry="crop240"), p) for c, p in model()]
    manifest = {
        **MANIFEST,
        "versions": {"robobench": "0.1.0", "libjpeg_turbo": "2.1.5"},
        "machine": {"device": "cuda", "precision": "bf16", "threads": 2},
    }
    notes = "; ".join(check(new, manifest, baseline).notes)
    assert "classifier bigger now, net in the baseline" in notes
    assert "geometry crop240 now, as-is in the baseline" in notes
    assert "libjpeg_turbo 2.1.5 now, 3.1.2 in the baseline" in notes
    assert "device cuda now, cpu" in notes
    assert "precision bf16 now, fp32" in notes
    assert "threads" not in notes


def test_cells_that_differ_only_in_weights_are_refused(baseline):
    twice = [*model(), (replace(CELL, weights="other"), predictions([1] * IMAGES))]
    with pytest.raises(RobobenchError, match="differ only in weights"):
        check(twice, MANIFEST, baseline)


@pytest.mark.parametrize("wrong", [{"tolerance": -1}, {"alpha": 0}, {"alpha": 0.7}])
def test_senseless_settings_are_refused(baseline, wrong):
    with pytest.raises(RobobenchError, match=next(iter(wrong))):
        check(model(), MANIFEST, baseline, **wrong)


# --- what is written -----------------------------------------------------------------------------


@pytest.fixture
def worse(baseline):
    """A result with worse, same and new cells."""
    new = (replace(CELL, corruption="fog", level=3.0, profile="x"), predictions([1] * IMAGES))
    items = [*changed(model(), 0.08, 0.0, only=lambda c: c.level == 40), new]
    return check(items, {**MANIFEST, "machine": {"device": "a|b <cuda>"}}, baseline)


def test_junit_counts_what_it_holds(worse):
    root = ElementTree.fromstring(as_junit(worse))
    cases = root.findall("testsuite/testcase")
    assert int(root.get("tests")) == len(cases) == 1 + 6 + 1
    failed = [c for c in cases if c.find("failure") is not None]
    assert int(root.get("failures")) == len(failed) == 2
    assert {c.get("name") for c in failed} == {"mean of 6 cells", "jpeg_compression 40"}
    assert sum(c.find("skipped") is not None for c in cases) == int(root.get("skipped")) == 1
    assert "8.0 points" in failed[1].find("failure").get("message")


def test_markdown_tables_are_whole(worse):
    text = as_markdown(worse)
    assert text.startswith("### robobench check: worse")
    assert "| worse | org | jpeg\\_compression 40 |" in text
    assert "<details>" in text
    assert "\\<cuda\\>" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") == 8, line
    assert len(text) < 1024 * 1024


def test_text_says_worst_first_and_what_could_be_found(worse):
    lines = as_text(worse).splitlines()
    assert lines[0].startswith("worse (7 cells, 1 of them worse")
    assert next(line for line in lines if "jpeg_compression 40" in line).startswith("worse")
    assert not any("four times out of five" in line for line in lines)
    assert any(line.startswith("note: device") for line in lines)
    assert max(map(len, lines)) <= 100


# --- the commands --------------------------------------------------------------------------------


def write_run(folder, items):
    store = Store(folder)
    for cell, values in items:
        store.put(cell, values)
    write_manifest(folder, MANIFEST)
    return folder


def test_freeze_and_check_on_the_command_line(tmp_path, capsys, monkeypatch):
    old = write_run(tmp_path / "old", model())
    new = write_run(tmp_path / "new", changed(model(), 0.05, 0.02))
    file, junit, summary = (tmp_path / n for n in ("b.json", "junit.xml", "summary.md"))
    assert _exit_code(["freeze", str(old), "--out", str(file)]) == 0
    assert json.loads(file.read_text())["format"] == 2
    assert _exit_code(["check", str(old), "--baseline", str(file)]) == 0
    assert "same (6 cells" in capsys.readouterr().out
    arguments = ["check", str(new), "--baseline", str(file)]
    written = ["--junit", str(junit), "--summary", str(summary)]
    assert _exit_code([*arguments, *written]) == 1
    told = capsys.readouterr()
    assert "worse" in told.out
    assert told.err.count("\n") == 1
    assert ElementTree.parse(junit).getroot().get("failures") != "0"
    assert summary.read_text().startswith("### robobench check: worse")
    assert _exit_code([*arguments, *written]) == 1
    assert summary.read_text().count("###") == 1, "written anew"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert _exit_code([*arguments, *written, "--tolerance", "9"]) == 0
    assert summary.read_text().count("###") == 2, "a job's summary is appended to"


def test_every_outcome_leaves_junit_and_summary(tmp_path, capsys):
    old = write_run(tmp_path / "old", model())
    part = write_run(tmp_path / "part", model()[:3])
    file, junit, summary = (tmp_path / n for n in ("b.json", "junit.xml", "summary.md"))
    written = ["--baseline", str(file), "--junit", str(junit), "--summary", str(summary)]
    assert _exit_code(["check", str(old), *written]) == 2
    assert "no such baseline" in ElementTree.parse(junit).find("testsuite/testcase/error").get(
        "message"
    )
    assert summary.read_text().startswith("### robobench check: refused")
    assert _exit_code(["freeze", str(old), "--out", str(file)]) == 0
    assert "points in one cell" in capsys.readouterr().out
    assert _exit_code(["check", str(part), *written]) == 1
    assert "3 of the baseline's 6 cells are missing" in capsys.readouterr().err
    assert ElementTree.parse(junit).getroot().get("failures") == "3"
    assert _exit_code(["check", str(part), *written, "--allow-missing"]) == 0
    assert ", 3 of them missing" in capsys.readouterr().out
    assert _exit_code(["check", str(old), *written, "--tolerance", "-1"]) == 2
    assert "--tolerance" in capsys.readouterr().err
