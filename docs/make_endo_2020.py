"""Write docs/endo-2020.md from the results of `robobench reproduce`.

    robobench reproduce irdi-table2 irdi-table3 ... irdi-figure8 --all-rows --out reproduced
    python docs/make_endo_2020.py reproduced [RUN ...]

The page contains the tables next to the published ones, the figures (copied to docs/endo-2020/),
the gain that the paper claims with its controls, and what falls short. What is not in the folder is
listed as not measured. Each further folder is one that `robobench run` made on more images than the
tables; its summary is at the end of the page.
"""

import io
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from robobench.baselines import recipe_endo_2020
from robobench.errors import RobobenchError
from robobench.files import write_whole
from robobench.registry import REPRODUCTIONS
from robobench.reports import markup, tables
from robobench.reports.blocks import Block, Table, Text, Value
from robobench.reports.papers.files import read
from robobench.reports.papers.page import gain_blocks, result_blocks
from robobench.reports.papers.sentences import comparison, verdict
from robobench.reports.run_summary import print_summary
from robobench.reproductions.measuring import Measured
from robobench.results.run import Run, load
from robobench.training.recipes import recipe_named

PAPER = "Endo et al. 2020"
PAGE = Path(__file__).with_name("endo-2020.md")
TRAIN_IMAGES, WHOLE_TEST_SPLIT = 45_000, 10_000

INTRODUCTION = """\
# Endo et al. 2020, measured again

K. Endo, M. Tanaka, M. Okutomi: *CNN-based Classification of Degraded Images*, Electronic Imaging 2020. The paper
trains a classifier on degraded images and gives it the level of each image's degradation, as estimated by a second
network. This page sets our numbers against the published ones. Its tables and figures are made by

```sh
robobench train --recipe endo-2020     # networks that are missing, for CIFAR-10 and CIFAR-100
{commands}
{runs}python docs/make_endo_2020.py reproduced{folders}
```

The paper gives neither the sizes of its networks nor the length of their training, and one number per cell without an
interval. Ours are trained with a recipe of our own (`--recipe endo-2020`), the same for all networks that are compared:

- **Network**: ResNet-56 for 32 x 32 (He et al. 2016, 0.86 million parameters), not the paper's VGG. The paper's, as far as
  known, is the backbone `vgg-tanaka` with the recipe `endo-2020-published`; it needs a GPU and was not trained here.
- **Start**: `org` of CIFAR-10 is the usual published network (akamaster/pytorch_resnet_cifar10, 93.4 % on the test
  images), trained for one more epoch on 45,000 images; `org` of CIFAR-100 starts from it. Every other network starts from
  its data set's `org` and sees the same batches in the same order: {ten} epochs on CIFAR-10, {hundred} on CIFAR-100. The learning
  rate has two cycles, three on CIFAR-100; the final network is the mean of the weights at the ends of the last two. The
  shipped networks were trained cycle by cycle, the first in bf16 and the last in fp32 on another machine, with fresh
  momentum: a single `robobench train` gives equivalent networks, not the same bits. Only `adaptive` and a second `jpg`
  (from an `org` with another seed: a control) were trained in one go. The published network has seen the 5,000 images
  that we hold out for validation: validation accuracies on the cards of CIFAR-10 are too high and select nothing; no
  number below is affected.
- **Levels**: 60 % of the training images have a level from the whole range (1 to 100, 0 to 50), 40 % a quality from 1 to
  20; for noise, 30 % have a sigma from 25 to 50. The paper draws all from the whole range.
- **Estimators**: lightweight ones, trained on CIFAR-10: soft histograms of DCT coefficients for JPEG quality, local
  energies of fixed filters for noise. The paper's (seven dilated convolutions of 64 channels) is in `endo-2020-published`.
- **The level** enters by a scale and a shift for every channel of every stage: [the candidates compared](level-entries.md).
- **`adaptive`** is ours, not the paper's: one ResNet-56 that starts from the mean of `jpg` and `noisy`, gets both
  levels from the two estimators, is trained for {adaptive} epochs on clean, compressed, noisy and doubly degraded images with
  `org` as its teacher, and averages its outputs for an image and its mirror image. Where the levels say that an image is
  nearly clean, the output of `org` is averaged in. It is in the tables with `--all-rows`.

Intervals are 95 %, by bootstrap over the test images and, if there are several, over trainings.
"""


def page(folder: Path, pictures: Path, runs: Sequence[Run] = ()) -> str:
    """The whole page, in Markdown.

    Args:
        folder: Folder written by `robobench reproduce --out`.
        pictures: Folder for the figures, next to the page.
        runs: Runs on more images than the tables.

    Raises:
        RobobenchError: Nothing from the paper was measured, or a file is broken.
    """
    names = [n for n in REPRODUCTIONS if REPRODUCTIONS.entry(n).options.get("paper") == PAPER]
    there = [name for name in names if (folder / f"{name}.csv").is_file()]
    if not there:
        raise RobobenchError(
            f"{folder} has none of {', '.join(names)}: `robobench reproduce NAME --out {folder}` "
            "measures them"
        )
    measured = {name: read(name, folder) for name in there}
    introduction = INTRODUCTION.format(
        commands=_commands(names),
        runs="".join(f"{run.manifest['command']}\n" for run in runs),
        folders="".join(f" {run.folder}" for run in runs),
        **_epochs(),
    )
    lines = [introduction, "## In short\n", *in_short(measured)]
    lines += ["\n## Where it falls short\n", *shortfalls(names, measured)]
    for name in there:
        found = measured[name]
        lines.append(f"\n## {markup.markdown(found.reproduction.title)}\n")
        if found.reproduction.figure:
            write_whole(pictures / f"{name}.svg", (folder / f"{name}.svg").read_bytes())
            (plot,) = result_blocks(found)
            lines.append(f"![{found.reproduction.title}]({pictures.name}/{name}.svg)\n")
            lines.append(f"{markup.markdown(plot.caption)}\n")  # type: ignore[union-attr]
            continue
        lines.append(f"{_measured_on(found)}\n")
        for block in [*result_blocks(found), *gain_blocks(found)]:
            lines.append(shown(block))
    lines += ["## On more images\n"] if runs else []
    lines += [_summary(run) for run in runs]
    return "\n".join(lines)


def _summary(run: Run) -> str:
    """The table of a run as the terminal shows it, and what each method gains over the one before."""
    table = io.StringIO()
    print_summary(run.summary(), run.manifest, file=table)
    lines = [f"```\n{table.getvalue().strip()}\n```\n"]
    labels = [about["label"] for about in run.manifest["methods"]]
    for a, b in pairwise(labels):
        (row,) = run.compare(a, b).query("corruption == 'mean'").itertuples()
        gain = Value(row.difference, row.difference_low, row.difference_high, unit="points")
        lines.append(
            f"- `{b}` minus `{a}`, mean of the levels: {gain.text} {gain.interval} points "
            f"(p = {row.p:.2g}, exact sign-flip test over images)."
        )
    return "\n".join(lines) + "\n"


def _epochs() -> dict[str, int]:
    """Number of epochs that the networks are trained for, by the recipe."""
    steps = {
        "ten": recipe_endo_2020.on_degraded(classes=10).steps,
        "hundred": recipe_endo_2020.on_degraded(classes=100).steps,
        "adaptive": recipe_named("adaptive", None, recipe_endo_2020.NAME).steps,
    }
    return {
        what: round(n * recipe_endo_2020.ON_DEGRADED.batch / TRAIN_IMAGES)
        for what, n in steps.items()
    }


def _commands(names: list[str]) -> str:
    half = len(names) // 2
    lines = [" ".join(part) for part in (names[:half], names[half:])]
    return "\n".join(f"robobench reproduce {line} --all-rows --out reproduced" for line in lines)


def in_short(measured: dict[str, Measured]) -> list[str]:
    """One item per table: how close its numbers are, and whether the claimed gain is there."""
    lines = []
    for found in measured.values():
        near = comparison(found)
        if near is None:
            continue
        claims = verdict(found)
        told = [near.text] + ([claims[0].text] if claims else [])
        title = found.reproduction.title.partition(".")[0]
        lines.append(f"- **{title}** (`{found.name}`): {markup.markdown(' '.join(told))}")
    return lines


def shortfalls(names: list[str], measured: dict[str, Measured]) -> list[str]:
    """What was not measured, not reproduced, or not controlled, one item each."""
    lines = []
    missing = [f"`{name}`" for name in names if name not in measured]
    if missing:
        lines.append(f"- Not measured: {', '.join(missing)}.")
    for found in measured.values():
        if found.reproduction.figure:  # shows the same cells as its table
            continue
        title = found.reproduction.title.partition(".")[0]
        lines += [f"- {title}: {point}" for point in _shortfalls_of(found)]
    return lines or ["- Nothing that these checks look for."]


def _shortfalls_of(found: Measured) -> list[str]:
    points = []
    images = int(found.table["n"].max())
    if images < WHOLE_TEST_SPLIT:
        points.append(f"on {images:,} of {WHOLE_TEST_SPLIT:,} test images only.")
    present = set(found.table["row"])
    absent = [row.name for row in found.reproduction.further if row.name not in present]
    if absent:
        points.append(f"not evaluated: {', '.join(f'`{name}`' for name in absent)}.")
    near = comparison(found)
    points += [markup.markdown(item) for item in near.items] if near else []
    for text in verdict(found):
        if text.kind == "warning":
            points.append(markup.markdown(text.text))
        points += [markup.markdown(i) for i in text.items if i.startswith(("There is one", "No c"))]
    return points


def _measured_on(found: Measured) -> str:
    trained = sorted({len(str(seeds).split()) for seeds in found.table["train_seeds"]})
    counts = " or ".join(map(str, trained))
    return (
        f"`robobench reproduce {found.name}`: {int(found.table['n'].max()):,} images of "
        f"`{found.reproduction.dataset}`, {counts} training{'' if trained == [1] else 's'} per method."
    )


def shown(block: Block) -> str:
    """A text or a table in Markdown."""
    if isinstance(block, Table):
        notes = "\n".join(f"{markup.markdown(note)}\\" for note in block.notes).rstrip("\\")
        return f"**{markup.markdown(block.caption)}**\n\n{tables.to_markdown(block)}\n{notes}\n"
    assert isinstance(block, Text)
    items = "".join(f"\n- {markup.markdown(item)}" for item in block.items)
    text = markup.markdown(block.text)
    return f"{f'**{text}**' if block.kind == 'warning' else text}\n{items}\n"


def main() -> None:
    """Write the page; the arguments are the folders."""
    folder, *runs = sys.argv[1:] or ["reproduced"]
    try:
        text = page(Path(folder), PAGE.with_suffix(""), [load(run) for run in runs])
    except RobobenchError as error:
        sys.exit(f"make_endo_2020: {error}")
    write_whole(PAGE, text.encode("utf-8"))


if __name__ == "__main__":
    main()
