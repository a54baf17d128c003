"""What `check` prints: it fits 80 columns, explains its marks and is brief on what is new."""

from math import nan

import pytest

from robobench.checking.verdict import CheckResult, Verdict
from robobench.reports.verdicts import as_markdown, as_text


@pytest.fixture
def result():
    remark = "larger than tolerated, but not significant"
    new = [
        Verdict(
            "org", f"fog {k}", 0, nan, 0.8, nan, nan, nan, "not comparable", "not in the baseline"
        )
        for k in range(20)
    ]
    return CheckResult(
        means=(
            Verdict("dedrift", "mean of 96 cells", 2000, 0.71, 0.64, 0.06, 0.08, 1e-4, "worse"),
            Verdict(
                "afd@jpeg_compression", "mean of 96 cells", 2000, 0.7, 0.7, -0.1, 0.1, 0.9, "same"
            ),
        ),
        cells=(
            Verdict("dedrift", "jpeg_compression 40", 2000, 0.71, 0.6, 0.06, 0.14, 1e-4, "worse"),
            Verdict(
                "afd@jpeg_compression", "fog 5", 2000, 0.7, 0.69, -0.1, 0.4, 0.4, "same", remark
            ),
            Verdict(
                "org",
                "elastic_transform 3",
                0,
                nan,
                0.8,
                nan,
                nan,
                nan,
                "missing",
                "not in the run",
            ),
            *new,
        ),
        tolerance=0.5,
        alpha=0.05,
        detectable=1.2,
        notes=(),
    )


def test_eighty_columns_hold_every_column_side_by_side(result):
    lines = as_text(result, 80).splitlines()
    table = lines[2 : lines.index("", 2)]
    assert max(map(len, table)) <= 80
    assert table[0].split() == ["cell", "before", "now", "points", "[95", "%]", "p"]
    assert [line for line in table if not line.startswith(" ")] == [
        "dedrift", "afd@jpeg_compression", "dedrift", "org", "afd@jpeg_compression",
    ]  # fmt: skip
    wide = as_text(result).splitlines()
    assert wide[2].split()[:2] == ["method", "cell"]


def test_the_mark_is_explained_and_what_is_new_takes_a_line(result):
    for text in (as_text(result), as_text(result, 80), as_markdown(result)):
        assert "(!): the loss is larger than tolerated, but not significant." in text
        (line,) = [line for line in text.splitlines() if "fog 0" in line]
        assert line.startswith("Not in the baseline, and so not compared: org on fog 0, ")
        assert "and 15 more" in line
        assert "not comparable" not in text
