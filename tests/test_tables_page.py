"""docs/tables.md names every column of the tables, and no other."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "tables.md"


@pytest.mark.parametrize("kind", ["frame", "summary", "compare"])
def test_every_column_is_documented(kind, run):
    frames = {"frame": run.frame, "summary": run.summary(), "compare": run.compare()}
    table = PAGE.read_text().partition(f"<!-- columns: {kind} -->")[2].partition("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}
    columns = {re.sub(r"_(low|high)$", "", name) for name in frames[kind] if name[:3] != "ci_"}
    columns |= {"ci_low", "ci_high"} if kind == "frame" else set()
    optional = {"Acc(1,20)", "mCE", "relative mCE"}  # of sweeps, and of sets with published errors
    assert documented - optional == columns
