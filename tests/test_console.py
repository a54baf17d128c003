import io

import pandas as pd
from made_up_cells import CLEAN, FOG, JPEG, study, summary_of, two_methods

from robobench.corruptions import catalogue
from robobench.reports.run_summary import print_summary


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(frame, monkeypatch=None, columns=0, manifest=None):
    if monkeypatch is None:
        file = io.StringIO()
    else:
        file = Terminal()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")
    print_summary(frame, manifest, file=file)
    return file.getvalue()


def test_piped_it_is_a_plain_markdown_table():
    text = shown(summary_of(two_methods(), profile="cifar-c", draws=100))
    assert text.isascii()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    found = next(line for line in lines if "jpeg_compression" in line and "afd" in line)
    assert "84.0 [" in found
    assert " 53.3 [" in found
    assert " 56.0 [" in found
    assert text.splitlines()[0] == "shapes10 test, vgg: 1,000 images, percent [95 %]"


def test_a_terminal_of_eighty_columns_is_not_overrun(monkeypatch):
    levels = [catalogue.at_level("jpeg_compression", q) for q in range(1, 101)]
    table = {CLEAN: 0.99} | {d: 0.3 + d.level / 200 for d in levels} | dict.fromkeys(FOG, 0.7)
    frame = summary_of(
        study({"org": table, "noisy-estnl": {d: v + 0.005 for d, v in table.items()}}),
        profile="cifar-c",
        draws=50,
    )
    text = shown(frame, monkeypatch, 80)
    assert max(map(len, text.splitlines())) <= 80
    for heading in ("accuracy", "Acc(1,5)", "CE[org]", "recovered", "Acc(81,100)"):
        assert heading in text


def test_methods_that_are_told_the_truth_are_marked():
    manifest = {"methods": [{"method": "afd", "trained_on": "", "oracle": True}]}
    text = shown(summary_of(two_methods(), profile="cifar-c", draws=20), manifest=manifest)
    assert "afd*" in text
    assert "told the corruption" in text
    assert "org*" not in text


def test_methods_stand_in_the_order_they_were_asked_for_corruptions_in_the_published_one():
    noise = catalogue.at_severity("shot_noise", 1, "cifar-c")
    table = {m: {CLEAN: 0.9, JPEG[0]: 0.8, noise: 0.7} for m in ("afd", "ddp", "org")}
    asked = [{"method": m, "trained_on": ""} for m in ("ddp", "afd", "org")]
    frame = summary_of(study(table), profile="cifar-c", draws=20)
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]]
        for line in shown(frame, manifest={"methods": asked}).splitlines()
        if line.startswith("| ")
    ]
    rows = [(what.split()[0], method) for what, method in rows if method in table]
    names = ("clean", "shot_noise", "jpeg_compression", "mean")
    assert rows == [(name, m) for name in names for m in ("org", "ddp", "afd")]


def test_nothing_to_show_is_said():
    assert "no cells" in shown(pd.DataFrame())
