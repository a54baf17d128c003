"""Write docs/repair-results.md from complete runs: what repairs recover, corruption by corruption.

    python docs/make_repair.py RUN [RUN ...]

Each run becomes a part of the page, with the commands that trained its modules and that of the run.
"""

import argparse
import io
import re
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

import robobench
from robobench.files import write_whole
from robobench.reports.blocks import Table
from robobench.reports.console_summary import print_results
from robobench.reports.leaderboard import Leaderboard, leaderboards
from robobench.reports.sections.image_sources import image_sources
from robobench.reports.tables import to_markdown

PAGE = Path(__file__).with_name("repair-results.md")
TEXT = """\
# What repairs recover

Made by `python docs/make_repair.py` from the runs below. *Recovered* is the share of the accuracy lost by the classifier alone
(`org`) that comes back, in per cent, with 95 % intervals by bootstrap over images; blank where the loss is within noise. Each method
gets the image alone, and has one training unless more are listed; beside the repairs stand classifiers that were trained on degraded
images, with labels, and methods that adapt while they classify. [Repairs from a few photographs](repair-recipes.md); [how to repair
your model](repair.md).
"""
PART = """
## {title}

{images} images{severities}. `{command}`

{trainings}

```
{summary}
```

{recovered}
{sources}"""


def part(folder: Path) -> str:
    """The part of the page about one run.

    Raises:
        RobobenchError: It is not complete.
    """
    run = robobench.load(folder)
    if not run.is_complete:
        raise robobench.RobobenchError(f"{folder}: expected a complete run, cells are missing")
    (board,) = leaderboards(run)
    summary = io.StringIO()
    print_results(run, file=summary)
    graded = board.accuracy[board.accuracy["corruption"].isin(board.graded)]
    asked = run.manifest["configuration"]["corruptions"]
    severities = sorted(set(graded["severity"].dropna().astype(int)) - {0})
    return PART.format(
        title=f"{board.dataset}, {board.backbone}: {asked.replace(',', ', ')}",
        images=f"{int(board.accuracy['n'].max()):,}",
        severities=f", severities {', '.join(map(str, severities))}" if severities else "",
        command=re.sub(r"(?<= )/\S*/", "", run.manifest["command"]),  # folders of one machine
        trainings="\n".join(trainings(run.manifest)),
        summary=summary.getvalue().strip(),
        recovered=to_markdown(recovered(board)),
        sources="".join(map(whole, sources(run))),
    )


def trainings(manifest: dict[str, Any]) -> list[str]:
    """A line for each module: from what it was trained, how long, with which command."""
    found = {}
    names = Counter(method["method"] for method in manifest["methods"])
    for method in manifest["methods"]:
        several = names[method["method"]] > 1
        label = f"{method['method']}@{method['trained_on']}" if several else method["label"]
        for card in method["cards"]:
            text = (
                f"`{label}`: {card['images']}, {card['minutes']:.0f} minutes, `{card['command']}`"
            )
            found[card["digest"]] = textwrap.fill(f"- {text}", 128, subsequent_indent="  ")
    return list(found.values())


def sources(run: robobench.Run) -> list[Table]:
    """The tables of modules that learned from different images, if there are several."""
    return [block for block in image_sources(run) if isinstance(block, Table)]


def whole(table: Table) -> str:
    """A table with its caption and notes."""
    parts = [table.caption, to_markdown(table).rstrip(), "\n".join(table.notes)]
    return "".join(f"\n{part}\n" for part in parts if part)


def recovered(board: Leaderboard) -> Table:
    """Share of the loss recovered: a row per corruption, a column per method."""
    rows = board.others
    frame = pd.DataFrame(
        {row.heading: [board.summed(row, n, "recovered") for n in board.degraded] for row in rows},
        index=board.degraded,
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table("recovered", "", frame, notes=tuple(board.marks(rows)))


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    options = parser.parse_args()
    parts = [part(folder) for folder in options.runs]
    write_whole(PAGE, (TEXT + "".join(parts)).encode())


if __name__ == "__main__":
    main()
