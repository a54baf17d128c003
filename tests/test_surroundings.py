"""Commands do the same in a log, in CI, in a terminal, and where a stream was closed."""

import io
import os
import sys
import threading
from contextlib import contextmanager

import pytest
from PIL import Image

import robobench
from robobench.cli import _exit_code
from robobench.training import progress as bars

RUN = ["run", "--methods", "median", "--corruptions", "jpeg:10-30/10", "--limit", "12"]
BAR = "\x1b["


@contextmanager
def terminal(monkeypatch):
    """Standard output and error in a terminal of 80 columns; yields what is written, at the end."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    written = []

    def read():
        try:
            while data := os.read(ours, 65_536):
                written.append(data.decode())
        except OSError:  # the other end was closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patch, open(theirs, "w") as screen:
        for name in ("stdout", "stderr"):
            patch.setattr(sys, name, screen)
        for name, value in (("TERM", "xterm"), ("COLUMNS", "80")):
            patch.setenv(name, value)
        for name in ("CI", "FORCE_COLOR", "TTY_COMPATIBLE"):
            patch.delenv(name, raising=False)
        yield written
    reader.join()
    os.close(ours)


@contextmanager
def ci(monkeypatch):
    """A log of GitHub's, whose workflow wants colours."""
    log = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", log)
        patch.setattr(sys, "stderr", log)
        for name in ("CI", "GITHUB_ACTIONS", "FORCE_COLOR"):
            patch.setenv(name, "true")
        written = []
        yield written
        written.append(log.getvalue())


@contextmanager
def closed(monkeypatch):
    """As after ``>&- 2>&-``, in CI."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        patch.setattr(sys, "stderr", None)
        patch.setenv("CI", "true")
        yield []


def cells(folder):
    return {path.name: path.read_bytes() for path in (folder / "cells").glob("*.npz")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surroundings") / "run"
    robobench.run("median", "jpeg:10-30/10", limit=12, out=folder)
    return folder


@pytest.fixture
def whole(finished):
    return cells(finished)


@pytest.mark.parametrize("surroundings", [terminal, ci, closed])
def test_every_command_ends_as_in_a_log(surroundings, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(bars, "_DELAY_SECONDS", 0.0)
    monkeypatch.setattr(bars, "_LINE_SECONDS", 0.0)
    out, file = tmp_path / "run", str(tmp_path / "b.json")
    folder = str(out)
    summary, images = tmp_path / "summary.md", tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (32, 32)).save(images / "grey.png")
    with surroundings(monkeypatch) as written:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        assert _exit_code([*RUN, "--dry-run", "--out", folder]) == 0
        assert _exit_code([*RUN, "--out", folder]) == 0
        assert cells(out) == whole
        spoilt = min((out / "cells").glob("*.npz"))
        spoilt.write_bytes(spoilt.read_bytes()[:50])
        assert _exit_code(["verify", folder]) == 1
        assert _exit_code([*RUN, "--out", folder]) == 0
        assert cells(out) == whole
        for words in (
            ["freeze", folder, "--out", file],
            ["check", folder, "--baseline", file, "--summary", str(summary)],
            ["compare", folder, folder, "--summary", str(summary)],
            ["report", folder],
            ["classes", folder],
            ["list", "methods"],
            [
                "corrupt",
                str(images),
                str(tmp_path / "copies"),
                "--corruptions",
                "jpeg",
                "--workers",
                "1",
            ],
        ):
            assert _exit_code(words) == 0, words
        assert _exit_code(["check", folder, "--baseline", str(tmp_path / "none")]) == 2
    text = "".join(written)
    assert (BAR in text) == (surroundings is terminal), "no colours in a log, whatever CI wants"
    assert ("| median |" in text) == (surroundings is ci), "and its tables are Markdown"
    assert ("predictions: " in text) == (surroundings is ci)
    assert "robobench check: same" in summary.read_text()


@pytest.mark.parametrize("words", [["--help"], ["list", "methods"], ["compare", "{run}", "{run}"]])
def test_a_reader_that_is_gone_ends_a_command_quietly(words, finished, monkeypatch):
    ours, theirs = os.pipe()
    os.close(ours)  # as `| head` does
    errors = io.StringIO()
    with monkeypatch.context() as patch, open(theirs, "w") as gone:
        patch.setattr(sys, "stdout", gone)
        patch.setattr(sys, "stderr", errors)
        assert _exit_code([word.format(run=finished) for word in words]) == 0
    assert errors.getvalue() == ""
