"""Tables of the pages that benchmarks write."""

from pathlib import Path

import pandas as pd

from robobench.files import write_whole


def markdown(frame: pd.DataFrame) -> str:
    """A table of texts, its columns flush right."""
    lines = [list(frame.columns), ["--:"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_block(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` on a page."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    write_whole(page, f"{before}{begin}{text}\n{end}{after}".encode())
