"""What `run` prints: a row per method, the best first, and two verdicts."""

import io
import re

from made_up_methods import made_up

from robobench.corruptions import catalogue
from robobench.corruptions.catalogue import GROUPS
from robobench.reports.console_summary import headings, print_results
from robobench.results.run import load


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(run, monkeypatch=None, columns=0):
    file = io.StringIO() if monkeypatch is None else Terminal()
    if monkeypatch is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")
    print_results(run, file=file)
    return file.getvalue()


def test_one_row_per_method_the_best_first(run):
    text = shown(run)
    assert text.isascii()
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")][2:]
    assert rows[0] == "truth*"
    assert rows[-1] == "org"
    assert sorted(rows) == ["afd*", "org", "truth*", "twin"]
    assert "| method |" in text
    assert "jpeg" in text
    assert "jpeg_compression" not in text
    assert "Usable as it is: twin gains most over org" in text
    assert "Told the corruption: truth gains most over org" in text
    assert "`" not in text


def test_eighty_columns_suffice(run, monkeypatch):
    assert max(map(len, shown(run, monkeypatch, 80).splitlines())) <= 80


def test_colours_only_in_a_terminal_that_wants_them(run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    colours = re.compile(r"\x1b\[[\d;]*3[0-7]m")
    file = Terminal()
    print_results(run, file=file)
    assert colours.search(file.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    print_results(run, file=file)
    assert not colours.search(file.getvalue())
    assert "\x1b" not in shown(run)


def test_six_corruptions_fit_eighty_columns_in_one_block(tmp_path, monkeypatch):
    names = [*GROUPS["noise"][:3], "fog", "snow", "jpeg_compression"]
    run = made_up(tmp_path / "run", 4, images=40, corruptions=names)
    lines = shown(run, monkeypatch, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("org ") for line in lines) == 1


def test_beyond_six_corruptions_groups_fit_eighty_columns(tmp_path, monkeypatch):
    run = made_up(tmp_path / "run", 5, images=40, corruptions=GROUPS["all"])
    lines = shown(run, monkeypatch, 80).splitlines()
    assert max(map(len, lines)) <= 80
    head = next(line for line in lines if "clean" in line).split()
    assert head[:6] == ["clean", "noise", "blur", "weather", "digital", "extra"]
    assert sum(line.startswith(("org ", "m1 ", "m2 ", "m3 ", "m4 ")) for line in lines) == 5


def test_only_one_corruption_needs_no_mean(tmp_path, write_run):
    text = shown(load(write_run(tmp_path / "run", ("org", "twin"), ("fog",), shown=False)))
    assert "mean" not in text.splitlines()[2]
    assert "fog" in text.splitlines()[2]


def test_an_incomplete_method_is_named(tmp_path, write_run):
    level = catalogue.at_severity("gaussian_noise", 2, "cifar-c").level
    without = (("twin", "gaussian_noise", level),)
    text = shown(load(write_run(tmp_path / "run", ("org", "twin"), without=without, shown=False)))
    assert f"no verdict yet, as cells are missing (twin: gaussian_noise {level:g})" in text


def test_headings_are_short_and_never_alike():
    assert headings(["jpeg_compression", "gaussian_noise"]) == {
        "jpeg": ["jpeg_compression"], "gaussian": ["gaussian_noise"],
    }  # fmt: skip
    assert set(headings(["gaussian_blur", "gaussian_noise"])) == {"gaussian_blur", "gaussian_noise"}
    many = [
        "gaussian_noise", "shot_noise", "fog", "snow", "contrast", "pixelate", "motion_blur", "mine",
    ]  # fmt: skip
    assert headings(many) == {
        "noise": ["gaussian_noise", "shot_noise"], "blur": ["motion_blur"],
        "weather": ["fog", "snow"], "digital": ["contrast", "pixelate"], "others": ["mine"],
    }  # fmt: skip
