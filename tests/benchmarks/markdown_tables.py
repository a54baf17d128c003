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
    _, block, _ = _around(page, name)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in block.splitlines()
        if line.startswith("|")
    ]
    return pd.DataFrame(rows[2:], columns=rows[0]) if rows else pd.DataFrame()


def write_block(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` on a page."""
    before, _, after = _around(page, name)
    write_whole(page, f"{before}{text}\n{after}".encode())


def _around(page: Path, name: str) -> tuple[str, str, str]:
    """A page up to its mark of a block, the block, and the rest with the mark at its end."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    block, after = rest.split(end)
    return f"{before}{begin}", block, f"{end}{after}"
