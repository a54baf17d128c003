"""Tables of the pages that benchmarks write."""

from pathlib import Path

import pandas as pd

from robobench.files import write_whole


def markdown(frame: pd.DataFrame, left: int = 0) -> str:
    """A table of texts, its columns flush right but for the first ones, ``left`` in number."""
    rules = [":--"] * left + ["--:"] * (len(frame.columns) - left)
    lines = [list(frame.columns), rules, *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_table(page: Path, name: str) -> pd.DataFrame:
    """The table of texts between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``, as `markdown` wrote it."""
    block = page.read_text(encoding="utf-8").split(f"<!-- begin {name} -->\n")[1]
    lines = block.split(f"<!-- end {name} -->")[0].splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    return pd.DataFrame(rows[2:], columns=rows[0]) if rows else pd.DataFrame()


def write_block(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` on a page."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    write_whole(page, f"{before}{begin}{text}\n{end}{after}".encode())
