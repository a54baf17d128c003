"""`robobench report` and `robobench plot`."""

import re
import shutil

import pytest
from click.testing import CliRunner

from robobench.cli.plot import plot
from robobench.cli.report import report
from robobench.errors import RobobenchError
from robobench.reports.single_plot import draw


def test_report_command_takes_the_newest_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "runs/main")
    done = CliRunner().invoke(report, ["--format", "csv", "--sections", "summary,cost"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "runs/main/report/tables/cost.csv").is_file()


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (report, ["--format", "htlm"], "did you mean 'html'"),
        (report, ["--format", ","], "no format"),
        (report, ["--sections", "sumary"], "did you mean 'summary'"),
        (plot, ["--kind", "heatmp"], "did you mean 'heatmap'"),
        (plot, ["--kind", "severity", "--out", "x.jpg"], "unknown format of a plot 'jpg'"),
        (plot, ["--kind", "level"], "--corruptions jpeg:1-100"),
    ],
)
def test_mistakes_are_answered(command, arguments, message, folder, tmp_path):
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "x.pdf")]
    with pytest.raises(RobobenchError, match=re.escape(message)):
        command.main([str(folder), *arguments, *out], standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_no_run_to_be_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RobobenchError, match="no run under runs"):
        report.main([], standalone_mode=False)
    with pytest.raises(RobobenchError, match="no run is there"):
        report.main(["nowhere"], standalone_mode=False)


@pytest.mark.parametrize(
    ("kind", "form"), [("severity", "svg"), ("paired", "png"), ("cost", "pdf")]
)
def test_plots(kind, form, run, tmp_path):
    assert draw([run], kind, tmp_path / f"x.{form}") == [tmp_path / f"x.{form}"]
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    assert (tmp_path / f"x.{form}").read_bytes().startswith(starts[form])
