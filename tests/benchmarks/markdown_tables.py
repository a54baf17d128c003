"""Tables of the pages that benchmarks write."""

import pandas as pd


def markdown(frame: pd.DataFrame) -> str:
    """A table of texts, its columns flush right."""
    lines = [list(frame.columns), ["--:"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
