"""Write docs/repair-results.md from complete runs: what repairs recover, corruption by corruption.

    python docs/make_repair.py RUN [RUN ...]

Each run becomes a part of the page, with the commands that trained its modules and that of the run,
in place of the part with the same heading, or at the end. Other parts stay as they are.
"""

import argparse
import io
import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

import robobench
from robobench.backbones.backbone import Backbone
from robobench.files import write_whole
from robobench.reports.blocks import Table
from robobench.reports.console_summary import print_results
from robobench.reports.leaderboard import Leaderboard, leaderboards
from robobench.reports.sections.image_sources import image_sources
from robobench.reports.tables import footnotes, to_markdown
from robobench.training.recipes import recipe_named
from robobench.weights.classifiers import default_backbone, load_backbone

PAGE = Path(__file__).with_name("repair-results.md")
TEXT = """\
# What repairs recover

Made by `python docs/make_repair.py` from the runs below. *Recovered* is the share of the accuracy lost by the classifier alone
(`org`) that comes back, in per cent, with 95 % intervals by bootstrap over images. Each method gets the image alone, and has one
training unless more are listed; beside the repairs stand classifiers that were trained on degraded images, with labels, and
methods that adapt while they classify. [Repairs from a few photographs](repair-recipes.md); [how to repair your
model](repair.md).
"""
PART = """
## {title}

{images} images{severities}. `{command}`

{trainings}

```
{summary}
```
{recovered}{sources}"""


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
    methods = ", ".join(row.heading for row in board.others)
    severities = sorted(set(graded["severity"].dropna().astype(int)) - {0})
    return PART.format(
        title=f"{board.dataset}, {board.backbone}, {asked.replace(',', ', ')}: {methods}"
        f"{learned_from(run.manifest)}",
        images=f"{int(board.accuracy['n'].max()):,}",
        severities=f", severities {', '.join(map(str, severities))}" if severities else "",
        command=re.sub(r"(?<= )/\S*/", "", run.manifest["command"]),  # folders of one machine
        trainings="\n".join(trainings(run.manifest, classifier(run.manifest, folder.parent))),
        summary=summary.getvalue().strip(),
        recovered=whole(recovered(board)),
        sources="".join(map(whole, sources(run))),
    )


def classifier(manifest: dict[str, Any], folder: Path) -> Backbone:
    """That of a run, whose relative paths begin in a folder."""
    asked = manifest["configuration"]
    return load_backbone(
        asked["backbone"] or default_backbone(asked["dataset"]),
        dataset=asked["dataset"],
        weights=folder / asked["weights"] if asked["weights"] else None,
    )


def trainings(manifest: dict[str, Any], backbone: Backbone) -> list[str]:
    """A line for each module: from what it was trained, how long, with which command.

    Trainings that differ in the seed alone share one, with their mean duration. What its recipe
    has otherwise today is told.
    """
    methods = manifest["methods"]
    trained = {(method["method"], method["trained_on"]) for method in methods}
    several = Counter(name for name, _ in trained)
    alike: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for method in methods:
        name, label = method["method"], method["label"]
        label = f"{name}@{method['trained_on']}" if several[name] > 1 else label
        for card in method["cards"]:
            command = re.sub(r" --seed \d+", "", card["command"])
            key = label, card["images"], command, changes(card, backbone)
            alike.setdefault(key, []).append(card)
    return [
        textwrap.fill(
            f"- `{label}`: {images}, {fmean(card['minutes'] for card in found):.0f} minutes, "
            f"`{command}`, {seeds(card['train_seed'] for card in found)}{since}",
            128,
            subsequent_indent="  ",
        )
        for (label, images, command, since), found in alike.items()
    ]


def learned_from(manifest: dict[str, Any]) -> str:
    """From how many images all modules of a run learned, in words; empty if they differ."""
    told = {card["images"].partition(" ")[0] for m in manifest["methods"] for card in m["cards"]}
    only = told.pop() if len(told) == 1 else ""
    return f" (from {int(only):,} images)" if only.isdecimal() else ""


def seeds(numbers: Iterable[int]) -> str:
    """The seeds of trainings, in words."""
    found = sorted(set(numbers))
    return f"seed{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def changes(card: dict[str, Any], backbone: Backbone) -> str:
    """What a training's recipe has otherwise today, in words; empty if nothing."""
    named = re.search(r"--recipe (\S+)", card["command"])
    known = recipe_named(card["method"], backbone, named[1] if named else None)
    now = json.loads(json.dumps(asdict(known)))
    then = card["recipe"]
    pairs = [
        (name, old[name], new[name])
        for old, new in ((then, now), (then["options"], now["options"]))
        for name in old.keys() & new.keys() - {"options"}
        if old[name] != new[name]
    ]
    return "".join(f"; {name} was {old}, is {new} today" for name, old, new in sorted(pairs))


def sources(run: robobench.Run) -> list[Table]:
    """The tables of modules that learned from different images, if there are several."""
    return [block for block in image_sources(run) if isinstance(block, Table)]


def whole(table: Table) -> str:
    """A table with its caption and footnotes."""
    notes = [f"({sign}) {note}" if sign else note for sign, note in footnotes(table)]
    parts = [table.caption, to_markdown(table).strip(), *notes]
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


def renewed(page: str, parts: Iterable[str]) -> str:
    """A page with parts in place of those with the same heading, further ones at its end."""
    split = re.compile(r"(?m)^(?=\n## )")
    known = {heading(text): text for text in split.split(page)[1:]}
    return TEXT + "".join((known | {heading(text): text for text in parts}).values())


def heading(text: str) -> str:
    """The first line of a part."""
    return text.lstrip().partition("\n")[0]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    options = parser.parse_args()
    parts = [part(folder) for folder in options.runs]
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    write_whole(PAGE, renewed(page, parts).encode())


if __name__ == "__main__":
    main()
