"""Write docs/methods/: one page per registered method, from the registry, docs/ideas.md and runs.

The tables of these runs go into docs/results.md.

    python docs/make_methods.py [RUN ...]

Each run given replaces the measurements of the methods in it; without runs these stay as they are.
The runs of the committed pages were made by

    robobench run --methods median,bilateral,nlm,afd,ddp,dedrift,bn-adapt,tent,eata,sar,roid \
                  --corruptions noise,jpeg --limit 500 --no-report --out runs/methods-shapes10
    robobench run --dataset cifar10 --methods jpg,jpg-estqf,jpg-exactqf,jpg-headerqf,jpg-shuffledqf,\
noisy,noisy-estnl,noisy-shuffledlevel,adaptive,arcnn@jpeg,dncnn@jpeg,dedrift \
                  --corruptions jpeg:10-30/10,gaussian_noise:10-30/10 --limit 300 --no-report \
                  --out runs/methods-cifar10
"""

import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.files import write_whole
from robobench.registry import METHODS
from robobench.reports.blocks import DASH
from robobench.reports.console_summary import print_results
from robobench.results.run import Run, load
from robobench.types import ORACLE_NEEDS

FOLDER = Path(__file__).parent / "methods"
RESULTS = Path(__file__).with_name("results.md")
IDEAS = Path(__file__).with_name("ideas.md")
BEGIN, END = "<!-- measured {} -->", "<!-- end -->"
_MEASURED = re.compile(r"<!-- measured (\S+) -->\n.*?<!-- end -->", re.DOTALL)

UNMEASURED = {
    "": "Not measured here: no weights of it ship with the package.",
    "org": "It is the reference on the page of every other method, and in [all tables](../results.md).",
    "restore": "[With two published networks](../restoration.md), on CIFAR-10 at JPEG qualities 1 to 20.",
}
ADDED = {
    "none": "nothing: there is nothing to train",
    "classifier": "weights of its own, for the classes of a data set and an architecture",
    "plugin": "weights of its own, for one classifier, whose weights stay as they are",
    "restorer": "weights of its own, from image to image, for any classifier",
}
TOLD = {
    "corruption": "the corruption",
    "severity": "the severity",
    "level": "the true level",
    "header_quality": "the quality in the file's header",
}
GROUPS = {
    "The reference": ("org",),
    "Restoration in front of the classifier": (
        *("median", "bilateral", "nlm", "arcnn", "dncnn", "restore"),
        *("arcnn-res", "dncnn-res"),
    ),
    "Training on degraded or augmented images": ("jpg", "noisy", "augmix"),
    "Classifiers that get the level": (
        *("jpg-estqf", "jpg-exactqf", "jpg-headerqf", "jpg-trueqf", "jpg-shuffledqf"),
        *("noisy-estnl", "noisy-truenl", "noisy-shuffledlevel", "adaptive"),
    ),
    "Repair of a frozen classifier": ("afd", "ddp", "dedrift", "finetune", "finetune-bn"),
    "Adaptation at test time": ("bn-adapt", "tent", "eata", "sar", "roid"),
}


def ideas() -> dict[str, str]:
    """The sections of docs/ideas.md by method."""
    parts = re.split(r"^## (\S+)\n", IDEAS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def built_in() -> list[str]:
    """The names of robobench's own methods."""
    own = [n for n in METHODS if METHODS.entry(n).module.startswith("robobench.")]
    grouped = [name for names in GROUPS.values() for name in names]
    if set(own) != set(grouped):
        sys.exit(f"make_methods: in GROUPS or in the registry only: {set(own) ^ set(grouped)}")
    return grouped


def needs(name: str) -> list[str]:
    """What a method needs, as items of a list."""
    kind = METHODS[name]
    lines = [f"**Trained**: {ADDED[kind.weights_of]}."]
    if kind.trained_as:
        lines[0] = f"**Trained**: the weights of [`{kind.trained_as}`]({kind.trained_as}.md)."
    elif trainings := METHODS.entry(name).options.get("trainings", ()):
        lines.append(f"**On what**, by default: {', '.join(f'`{t}`' for t in trainings)}.")
    recipes = kind.recipes(None) if kind.weights_of != "plugin" else {}
    if recipes:
        told = ", ".join(f"`{n}` ({_minutes(r.minutes)})" for n, r in recipes.items())
        lines.append(f"**Recipes**, with a rough time on two CPU cores: {told}.")
    known = [TOLD[need] for need in TOLD if need in kind.needs]
    oracle = bool(ORACLE_NEEDS & kind.needs)
    if known:
        lines.append(f"**Told**: {', '.join(known)}{'; it is an oracle' if oracle else ''}.")
    else:
        lines.append("**Told**: nothing but the image.")
    if kind.adapts:
        lines.append(
            "**Adapts**: an answer depends on the images before it; see "
            "[how to use it](../how-to/adaptation.md)."
        )
    return lines


def _minutes(minutes: float) -> str:
    return f"{minutes / 60:.0f} hours" if minutes > 100 else f"{minutes:.2g} minutes"


def called(name: str) -> str:
    """The name as it is written in ``--methods``."""
    argument = METHODS.entry(name).options.get("argument", "")
    return f"{name}:{argument}" if argument and argument[0] != "[" else name


def page(name: str, idea: str, measured: Sequence[str]) -> str:
    """A method's page."""
    entry = METHODS.entry(name)
    kind = METHODS[name]
    lines = [f"# `{called(name)}`", "", entry.summary, "", "## Idea", "", idea, ""]
    lines += ["## What it needs", "", *(f"- {line}" for line in needs(name)), ""]
    if kind.fit.__func__ is not Method.fit.__func__:
        lines += ["```sh", f"robobench train --method {name}", "```", ""]
    lines += ["## Measured", ""]
    lines += measured or [UNMEASURED.get(name, UNMEASURED[""])]
    lines += ["", "## Source", ""]
    docstring = (kind.__doc__ or "").strip()
    _, _, rest = docstring.partition("\n\n")
    prose = " ".join(rest.partition("Attributes:")[0].split())
    lines += [prose, ""] if prose else []
    place = entry.module.removeprefix("robobench.").replace(".", "/")
    lines += [f"`{place}.py`, class `{entry.qualname}`.", ""]
    return "\n".join(lines)


def measurements(run: Run) -> dict[str, str]:
    """The block of each method in a run: accuracies, gain and cost beside those of `org`."""
    summary = run.summary()
    facts = {about["label"]: about for about in run.manifest["methods"]}
    labels = [about["label"] for about in run.manifest["methods"] if about["label"] != "org"]
    command = run.manifest["command"]
    found = {}
    for label in labels:
        method = facts[label]["method"]
        lines = [
            BEGIN.format(run.label),
            "",
            (
                f"{run.manifest['dataset']['count']:,} test images of {run.manifest['dataset']['name']}, "
                "percent with 95 % intervals; gain in points over `org` on the same images."
            ),
            "",
            "| corruption | `org` | accuracy | gain | recovered |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        compared = run.compare("org", label).set_index("corruption")
        for name in summary.loc[summary["method"] == label, "corruption"]:
            own = _row(summary, label, name)
            reference = _row(summary, "org", name)
            gain = compared.loc[name] if name in compared.index else None
            cells = [
                name,
                _percent(reference, "accuracy"),
                _percent(own, "accuracy", interval=True),
                "" if gain is None else _points(gain),
                _percent(own, "recovered", interval=True),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        cost, least = facts[label], facts["org"]
        lines += [
            "",
            (
                f"Cost: {cost['parameters']:,} parameters and {cost['macs'] / 1e6:,.1f} million multiply-adds "
                f"per image (`org`: {least['parameters']:,} and {least['macs'] / 1e6:,.1f} million)."
            ),
            "",
            "```sh",
            command,
            "```",
            END,
        ]
        found[method] = "\n".join(lines)
    return found


def _row(summary, method, corruption):
    rows = summary[(summary["method"] == method) & (summary["corruption"] == corruption)]
    return rows.iloc[0] if len(rows) else None


def _percent(row, name, *, interval=False):
    if row is None or row[name] != row[name]:
        return DASH
    text = f"{100 * row[name]:.1f}"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{text} \\[{100 * low:.1f}, {100 * high:.1f}\\]" if interval else text


def _points(row):
    ends = f"{100 * row['difference_low']:+.1f}, {100 * row['difference_high']:+.1f}"
    return f"{100 * row['difference']:+.1f} \\[{ends}\\]"


def leaderboard(run: Run) -> str:
    """What `robobench run` prints of a run, with its command."""
    table = io.StringIO()
    print_results(run, file=table)
    lines = [BEGIN.format(run.label), "", table.getvalue().strip(), ""]
    return "\n".join([*lines, "```sh", run.manifest["command"], "```", END])


def results(runs: Sequence[Run]) -> str:
    """docs/results.md with the tables of these runs, and of those that it had."""
    text = RESULTS.read_text(encoding="utf-8")
    blocks = kept(RESULTS) | {run.label: leaderboard(run) for run in runs}
    head = text.partition("<!-- measured")[0].rstrip()
    return "\n\n".join([head, *blocks.values()]) + "\n"


def kept(file: Path) -> dict[str, str]:
    """The measurements on a page by run."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return {found[1]: found[0] for found in _MEASURED.finditer(text)}


def index(names: Sequence[str]) -> str:
    """The overview of all methods."""
    lines = ["# Methods", "", ("What `--methods` takes. The page of each has its idea, its source, "
             "what it needs and costs, and what was measured."), ""]  # fmt: skip
    for title, group in GROUPS.items():
        lines += [f"## {title}", "", "| method | what it does |", "| --- | --- |"]
        lines += [f"| [`{called(n)}`]({n}.md) | {METHODS.entry(n).summary} |" for n in group]
        lines.append("")
    lines += [
        (
            "`NAME@TRAINED_ON` picks one of several trainings of a method: `afd@jpeg`, `afd@jpeg#10` "
            "(trained on ten photographs), `afd@jpeg#cub100` (on those of the folder `cub100`), "
            "`dedrift@common`; see [Repair your model](../repair.md)."
        ),
        "",
        "Add your own: [Add a method](../how-to/method.md).",
        "",
    ]
    return "\n".join(lines)


def pages(runs: Sequence[Run]) -> Mapping[Path, str]:
    """All files with their content."""
    names = built_in()
    texts = ideas()
    new: dict[str, dict[str, str]] = {name: kept(FOLDER / f"{name}.md") for name in names}
    for run in runs:
        for method, block in measurements(run).items():
            new[method][run.label] = block
    made = {RESULTS: results(runs), FOLDER / "index.md": index(names)}
    for name in names:
        made[FOLDER / f"{name}.md"] = page(name, texts[name], [*new[name].values()])
    return made


def main() -> None:
    """Write the pages."""
    try:
        found = pages([load(folder) for folder in sys.argv[1:]])
    except RobobenchError as error:
        sys.exit(f"make_methods: {error}")
    FOLDER.mkdir(exist_ok=True)
    for file, text in found.items():
        write_whole(file, text.encode("utf-8"))


if __name__ == "__main__":
    main()
