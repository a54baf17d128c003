"""The progress bar of commands that may take long."""

import io
import time
from contextlib import contextmanager

import pytest

from robobench.cli import _progress
from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import prepare


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, file, delay, seconds):
    """What a piece of work of so many seconds writes to stderr."""
    monkeypatch.setattr("sys.stderr", file)
    monkeypatch.setattr(_progress, "_DELAY_SECONDS", delay)
    monkeypatch.setenv("TERM", "xterm")
    with _progress.progress("copies [1/2]") as update:
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
    assert _progress._DELAY_SECONDS == 2
    assert shown(monkeypatch, Terminal(), delay=2.0, seconds=0.01) == ""


def test_nothing_is_shown_where_there_is_no_terminal(monkeypatch):
    assert shown(monkeypatch, io.StringIO(), delay=0.0, seconds=0.1) == ""


def test_the_bar_is_taken_away_when_work_fails(monkeypatch):
    file = Terminal()
    monkeypatch.setattr("sys.stderr", file)
    monkeypatch.setattr(_progress, "_DELAY_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")

    def fail():
        with _progress.progress("work", 1.0):
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
    monkeypatch.setattr(_progress, "progress", progress)
    with _progress.run_progress([plan]) as advance:
        advance(20)
    assert told == [80, 20]  # org and median, on clean and on compressed images
