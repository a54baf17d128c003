"""The shell completes commands, options, and the last name of a list."""

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from robobench import run
from robobench.cli import cli, main


def completions(arguments, typed):
    shell = ShellComplete(cli, {}, "robobench", "_ROBOBENCH_COMPLETE")
    return [item.value for item in shell.get_completions(arguments, typed)]


def test_names_are_completed():
    assert "rank" in completions([], "ra")
    assert "--corruptions" in completions(["run"], "--corr")
    assert completions(["run", "--methods"], "afd,dd") == ["afd,ddp"]
    assert "afd" not in completions(["run", "--methods"], "afd,af")
    found = completions(["run", "--corruptions"], "jpeg,gaussian_")
    assert set(found) == {"jpeg,gaussian_noise", "jpeg,gaussian_blur"}
    assert "noise" in completions(["run", "--corruptions"], "no")
    assert "cifar10" in completions(["run", "--dataset"], "cif")
    assert "afd" in completions(["export"], "af")
    assert completions(["run", "--compile"], "a") == ["auto", "always"]
    assert "ddp,afd@common#shapes10" in completions(["run", "--methods"], "ddp,afd@co")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell):
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert f"_ROBOBENCH_COMPLETE={shell}_complete" in done.output
    assert CliRunner().invoke(cli, ["completion", "csh"]).exit_code == 2


def test_a_shell_gets_names_and_nothing_else(monkeypatch, capfd):
    monkeypatch.setenv("_ROBOBENCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "robobench run --methods af")
    monkeypatch.setenv("COMP_CWORD", "3")
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 0
    out, err = capfd.readouterr()
    assert out.split() == ["plain,afd"]
    assert not err


def test_a_run_shows_itself_in_a_notebook(tmp_path):
    done = run("org,median", "brightness", severities="3", limit=30, out=tmp_path / "run")
    html = done._repr_html_()
    assert "<table" in html
    assert "median" in html
    assert "brightness" in html
