"""Files are written into what is there, and never over what is something else."""

import errno
import os
import stat
import threading

import pytest
from edges import ending
from refusals import refused

from robobench.cli import _exit_code
from robobench.files import write_aside, write_whole


def test_a_link_stays_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "far" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_bytes(b"before")
    link.symlink_to(target)
    write_whole(link, b"after")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"
    assert sorted(os.listdir(tmp_path)) == ["far", "link"]
    assert os.listdir(target.parent) == ["target"]


def test_a_link_to_nothing_gets_a_target(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "target")
    write_whole(link, b"after")
    assert link.is_symlink()
    assert (tmp_path / "far" / "target").read_bytes() == b"after"


def test_a_pipe_is_written_as_a_stream(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_aside(pipe, b"content")
    reader.join(10)
    assert read == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_device_stays_a_device(folder, tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_bytes(b"")
    except OSError:
        pytest.skip("devices cannot be made here")
    assert _exit_code(["freeze", str(folder), "--out", str(device)]) == 0
    assert stat.S_ISCHR(device.stat().st_mode)


@pytest.mark.parametrize("redirected", [True, False], ids=["file", "pipe"])
def test_the_standard_output_is_a_stream(redirected, folder, tmp_path, capfd):
    file = tmp_path / "written"
    before = os.dup(1)
    if redirected:
        with file.open("wb") as into:
            os.dup2(into.fileno(), 1)
    try:
        code = _exit_code(["freeze", str(folder), "--out", "/dev/stdout"])
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert code == 0
    captured = capfd.readouterr()
    out = file.read_text() if redirected else captured.out
    assert out.startswith("{")
    assert out.endswith("}\n")
    assert "cells" in captured.err


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_run_does_not_go_into_another_folder(dry, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("words")
    command = ["run", "--corruptions", "jpeg", "--limit", "10", "--out", tmp_path, *dry]
    code, line = ending(command, capsys)
    assert code == 2
    assert "neither empty nor a run (thesis.tex is in it)" in line
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_run_does_not_go_into_another_folder_from_python(tmp_path, toy):
    import robobench
    from robobench.errors import RobobenchError

    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(RobobenchError, match="neither empty nor a run"):
        robobench.run(corruptions="jpeg", limit=10, out=tmp_path, **toy)
    assert os.listdir(tmp_path) == ["thesis.tex"]


PREVIEW = ["preview", "--corruptions", "jpeg", "--severities", "1", "--size", "32", "--out"]


def test_a_contact_sheet_that_cannot_be_written_is_one_helpful_line(tmp_path, capsys, monkeypatch):
    def closed(*arguments, **options):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", closed)
    code, line = ending([*PREVIEW, tmp_path / "p.png"], capsys)
    assert code == 2
    assert line.endswith(
        "p.png: Permission denied; choose a place that you may write to with --out"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", ["report", "plot", "preview", "classes", "rank"])
def test_a_file_where_a_folder_is_expected_is_named(command, folder, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("words")
    option = {"classes": "--csv", "rank": "--csv"}.get(command, "--out")
    words = {
        "report": ["report", folder, "--out", file],
        "plot": ["plot", folder, "--kind", "severity", "--out", file / "x.svg"],
        "preview": [*PREVIEW, file / "x.png"],
        "classes": ["classes", folder, "--method", "org", option, file / "x.csv"],
        "rank": ["rank", folder, "--method", "all", option, file / "x.csv"],
    }[command]
    code, line = ending(words, capsys)
    assert code == 2
    assert f"{file} is a file, a folder is expected; choose another place with {option}" in line
    assert file.read_text() == "words"


def test_only_a_lack_of_space_is_answered_with_space(tmp_path, monkeypatch):
    for number, way in (
        (errno.ENOSPC, "free disk space or choose another place with --out"),
        (errno.EDQUOT, "free disk space or choose another place with --out"),
        (errno.EROFS, "choose a place that you may write to with --out"),
        (errno.EIO, "choose another place with --out"),
    ):

        def fails(*arguments, number=number):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "replace", fails)
        refused(f"{os.strerror(number)}; {way}", write_aside, tmp_path / "x", b"")
    (tmp_path / "inside").mkdir()
    text = refused("is a folder, a file is expected", write_aside, tmp_path / "inside", b"")
    assert "disk" not in text
