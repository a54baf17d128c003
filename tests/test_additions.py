"""An addition of every kind is one file: the examples in docs/, used together."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from robobench.cli import _exit_code

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
KINDS = ("metric", "dataset", "backbone", "corruption", "method", "trained_method", "section")


def plugins(*kinds):
    return [part for kind in kinds for part in ("--plugin", str(EXAMPLES / f"{kind}.py"))]


def test_there_is_an_example_of_every_kind():
    assert {p.stem for p in EXAMPLES.glob("*.py")} == {*KINDS, "command", "test_plugins"}


def test_one_file_each_runs_reports_and_checks(tmp_path, capsys, registered):
    """Trains, evaluates, reports and checks with a data set, classifier, ... that are not ours."""

    def robobench(*arguments, code=0):
        assert _exit_code([str(a) for a in arguments]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    everything = plugins(*KINDS)
    train = ["train", *everything, "--dataset", "bars", "--recipe", "quick", "--precision", "fp32"]
    assert "org@clean: trained" in robobench(*train, "--method", "org")
    assert "deblurred@gaussian_blur: trained" in robobench(*train, "--method", "deblurred")

    folder = tmp_path / "run"
    run = ["run", *everything, "--dataset", "bars", "--methods", "mirror-average,deblurred"]
    robobench(*run, "--corruptions", "posterize,gaussian_blur", "--out", folder)
    frame = pd.read_csv(folder / "results.csv")
    assert set(frame["method"]) == {"org", "mirror-average", "deblurred"}
    assert set(frame["corruption"]) == {"clean", "posterize", "gaussian_blur"}
    assert set(frame["dataset"]) == {"bars"}
    assert set(frame["backbone"]) == {"small-cnn"}
    clean = frame[(frame["corruption"] == "clean") & (frame["metric"] == "accuracy")]
    assert clean["value"].min() > 0.9
    judged = frame[frame["metric"] == "overconfident"]
    assert judged["value"].between(0, 1).all()
    assert (judged["ci_low"] <= judged["value"] + 1e-9).all(), "a mean over images has an interval"

    page = (folder / "report" / "index.html").read_text()
    assert "Wrong above 0.9 confidence" in page, "the metric's title"
    assert "The hardest cell of each method" in page, "the section's title"
    assert (folder / "report" / "tables" / "hardest.tex").is_file()

    baseline = tmp_path / "baseline.json"
    robobench("freeze", folder, "--out", baseline)
    assert "same" in robobench("check", folder, "--baseline", baseline)

    said = robobench(*plugins("command"), "count", folder)
    cells = frame[frame["metric"] == "accuracy"]
    assert said == f"{len(cells)} cells, {cells['n'].sum():,} predictions\n"
    assert "count" in robobench(*plugins("command"), "--help")


def test_what_a_plugin_adds_is_listed(capsys, registered):
    for kind, name in (
        ("metrics", "overconfident"),
        ("datasets", "bars"),
        ("backbones", "small-cnn"),
        ("corruptions", "posterize"),
        ("methods", "deblurred"),
        ("sections", "hardest"),
    ):
        assert _exit_code(["list", kind, *plugins(*KINDS)]) == 0
        assert name in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("@robobench.command('odd')\ndef odd(): pass", "a click command is expected"),
        ("@robobench.backbone('odd')\ndef odd(classes): return 3", "an nn.Module is expected"),
    ],
)
def test_an_addition_of_the_wrong_kind_is_one_line(source, message, tmp_path):
    file = tmp_path / "odd.py"
    file.write_text(f"import robobench\n{source}\n")
    command = (
        ["--plugin", str(file), "odd"]
        if "command" in source
        else ["train", "--plugin", str(file), "--method", "org", "--backbone", "odd"]
    )
    done = subprocess.run(
        [sys.executable, "-m", "robobench", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
