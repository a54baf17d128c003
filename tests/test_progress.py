"""The progress bar of commands that may take long."""

import io
import sys
import time
from contextlib import contextmanager

import pytest

import robobench
from robobench.environment import is_terminal
from robobench.errors import RobobenchError
from robobench.evaluation import progress as of_runs
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import prepare
from robobench.training import progress as bars


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, file, delay, seconds):
    """What a piece of work of so many seconds writes to stderr."""
    monkeypatch.setattr("sys.stderr", file)
    monkeypatch.setattr(bars, "_DELAY_SECONDS", delay)
    monkeypatch.setenv("TERM", "xterm")
    with bars.progress("copies [1/2]") as update:
        update(total=4)
        time.sleep(seconds)
        update(advance=1)
        update(completed=3, description="copies [2/2]")
        time.sleep(seconds)
    return file.getvalue()


def test_long_work_shows_a_bar_that_follows_it(monkeypatch):
    text = shown(monkeypatch, Terminal(), delay=0.01, seconds=0.5)
    assert "copies [1/2]" in text
    assert "copies [2/2]" in text
    assert "75%" in text


def test_brief_work_shows_nothing(monkeypatch):
    assert bars._DELAY_SECONDS == 2
    assert shown(monkeypatch, Terminal(), delay=2.0, seconds=0.01) == ""


def test_nothing_is_shown_where_there_is_no_terminal(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    assert shown(monkeypatch, io.StringIO(), delay=0.0, seconds=0.1) == ""


def test_a_log_of_ci_gets_a_line_now_and_then(monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(bars, "_LINE_SECONDS", 0.05)
    text = shown(monkeypatch, io.StringIO(), delay=0.0, seconds=0.1)
    assert text == "copies [1/2]: 0 min, 25% done, about 0 min left\n"  # the next is too close
    monkeypatch.setattr(bars, "_LINE_SECONDS", 60)
    assert shown(monkeypatch, io.StringIO(), delay=0.0, seconds=0.1) == ""


class _Shell:
    """What an IPython kernel leaves in the list of modules."""

    kernel = object()

    @classmethod
    def get_ipython(cls):
        return cls


def test_a_notebook_shows_progress(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert not bars.is_shown()
    monkeypatch.setitem(sys.modules, "IPython", _Shell)
    assert bars.is_shown()


def test_python_shows_what_the_command_shows(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stderr", Terminal())
    told = []

    @contextmanager
    def progress(description, total):
        told.append(total)
        yield lambda advance: told.append(advance)

    monkeypatch.setattr(of_runs, "progress", progress)
    robobench.run("org", "jpeg:10", limit=20, out=tmp_path)
    assert told == [40, 20, 20]


def test_the_bar_is_taken_away_when_work_fails(monkeypatch):
    file = Terminal()
    monkeypatch.setattr("sys.stderr", file)
    monkeypatch.setattr(bars, "_DELAY_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")

    def fail():
        with bars.progress("work", 1.0):
            time.sleep(0.3)
            raise RobobenchError("stopped")

    with pytest.raises(RobobenchError, match="stopped"):
        fail()
    assert file.getvalue().endswith("\x1b[2K")  # the cursor is back and the line is empty


def test_the_bar_of_a_run_knows_how_many_predictions_are_missing(monkeypatch, tmp_path):
    plan = prepare(
        Configuration.from_settings(
            {"methods": "median", "corruptions": "jpeg:10", "limit": 20, "out": str(tmp_path)}
        )
    )
    told = []

    @contextmanager
    def progress(description, total):
        told.append(total)
        yield lambda advance: told.append(advance)

    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(of_runs, "progress", progress)
    with of_runs.run_progress([plan]) as advance:
        advance(20)
    assert told == [80, 20]  # org and median, on clean and on compressed images


@pytest.mark.parametrize("value", ["false", "0", ""])
def test_ci_may_be_denied(monkeypatch, value):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setenv("CI", value)
    assert not bars.is_shown()
    monkeypatch.setenv("CI", "1")
    assert bars.is_shown()


def test_a_stream_that_is_gone_or_cannot_tell_is_no_terminal(monkeypatch):
    gone = Terminal()
    gone.close()
    assert [is_terminal(s) for s in (None, gone, object(), Terminal())] == [*[False] * 3, True]
    monkeypatch.setenv("CI", "1")
    for stream in (None, gone):
        monkeypatch.setattr("sys.stderr", stream)
        assert not bars.is_shown()
