"""Which classifier holds up: the ranking of a run with several, or of several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd

from robobench import section
from robobench.analysis.classifier_ranking import Ranking, rank
from robobench.reports.blocks import LEVEL, Block, Plot, Table, Text, Value
from robobench.reports.classifier_plots import classifier_heatmap, robustness_figure
from robobench.results.manifest import timed_methods
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.analysis.series import Series
    from robobench.results.run import Run

_FEW_CLASSES = 10  # up to which top-5 says little


@section("classifiers", order=5, title="Which classifier holds up")
def classifiers(run: Run) -> list[Block]:
    """Classifiers ranked by their accuracy on degraded images, where there are several."""
    sources = dict.fromkeys((c.dataset, c.split) for c in run.cells)
    blocks: list[Block] = []
    table = run.frame  # first: what is read for it also serves the series
    for dataset, split in sources:
        degraded = {
            c.backbone
            for c in run.cells
            if (c.dataset, c.split, c.method) == (dataset, split, "org") and c.corruption != CLEAN
        }
        if len(degraded) < 2:
            continue
        everything = [
            s
            for s in run.joint_series
            if (s.dataset, s.split, s.method) == (dataset, split, "org") and s.corruptions
        ]
        if not _shared(everything):
            continue
        found = rank(everything, profile=run.manifest["profile"], table=table)
        suffix = f"-{dataset}-{split}" if len(sources) > 1 else ""
        if suffix:
            blocks.append(Text(f"{dataset} {split}", "heading"))
        blocks += [*ranking_blocks(found, run.manifest, suffix), *_plots(found, everything, suffix)]
        blocks.append(_pairs(found, suffix))
    return blocks


def ranking_blocks(found: Ranking, manifest: Mapping[str, Any], suffix: str = "") -> list[Block]:
    """The verdict of a ranking, its table, and that of calibration and cost."""
    return [Text(verdict(found)), _table(found, suffix), _calibration(found, manifest, suffix)]


def verdict(found: Ranking) -> str:
    """Which is best, by how much, and with which it ties, as sentences."""
    names = list(found.frame["name"])
    best, tied = names[0], _tied(found)
    told = (
        f"On {found.count:,} images under {len(found.corruptions)} corruption"
        f"{'' if len(found.corruptions) == 1 else 's'} `{best}` is right most often, "
        f"{100 * found.frame['mean'][0]:.1f} %"
    )
    if not tied:
        return f"{told}, more than every other; the tests separate it from all of them."
    listed = ", ".join(f"`{name}`" for name in tied)
    return f"{told}; the tests do not separate it from {listed}."


def _tied(found: Ranking) -> list[str]:
    """What the tests do not separate from the best."""
    best, *others = found.frame["name"]
    separate = found.pairs[found.pairs["separate"]]
    apart = {row.worse for row in records(separate) if row.better == best}
    return [name for name in others if name not in apart]


def records(frame: pd.DataFrame) -> list[Any]:
    """The rows of a frame, with columns as attributes."""
    return [SimpleNamespace(**{str(k): v for k, v in r.items()}) for r in frame.to_dict("records")]


def _table(found: Ranking, suffix: str) -> Table:
    tied = _tied(found)
    columns: dict[str, list[object]] = {
        "rank": [
            f"{r.rank_low}" if r.rank_low == r.rank_high else f"{r.rank_low}-{r.rank_high}"
            for r in records(found.frame)
        ],
        "clean": [Value(r.clean) for r in records(found.frame)],
        "degraded": [
            Value(r.mean, r.mean_low, r.mean_high, bold=r.rank == 1, level=r.name in tied)
            for r in records(found.frame)
        ],
        "worst": [f"{r.worst} {100 * r.worst_mean:.1f}" for r in records(found.frame)],
    }
    notes = [
        (
            "rank: all ranks that the tests leave possible (exact sign-flip tests over the images, "
            "all pairs, adjusted by Holm's method); they apply to these trained networks. Bold: the "
            f"best; {LEVEL}: the tests do not separate it from the best."
        ),
        *(f"{note[:1].upper()}{note[1:]}." for note in found.notes),
    ]
    if found.normalizer:
        columns[f"mCE[{found.normalizer}]"] = [Value(r.mce / 100) for r in records(found.frame)]
        columns["rel. mCE"] = [Value(r.relative_mce / 100) for r in records(found.frame)]
    if found.frame["effective"].notna().any():
        columns["effective"] = [Value(r.effective, unit="points") for r in records(found.frame)]
        notes.append(
            "effective: effective robustness (Taori et al. 2020), points of accuracy on degraded "
            "images above the line through these classifiers at their clean accuracy."
        )
    frame = pd.DataFrame(columns, index=list(found.frame["name"]), dtype=object)
    frame.columns.name = "classifier"
    return Table(
        f"classifiers{suffix}",
        "Classifiers by their accuracy on degraded images (mean over corruptions, each over its "
        "levels), in percent with 95 % intervals.",
        frame,
        notes=tuple(notes),
    )


def _calibration(found: Ranking, manifest: Mapping[str, Any], suffix: str) -> Table:
    """Calibration, top-5 where there are more than ten classes, and cost."""
    rows = records(found.frame)
    columns = {
        "ECE, clean": [Value(r.ece_clean, why="not measured") for r in rows],
        "degraded": [Value(r.ece, why="not measured") for r in rows],
    }
    if len(manifest["dataset"].get("class_names", ())) > _FEW_CLASSES:
        why = "the run's cells were stored by an earlier version"
        columns["top-5, clean"] = [Value(r.top5_clean, why=why) for r in rows]
        columns["top-5"] = [Value(r.top5, why=why) for r in rows]
    costs = [_entry(r, manifest) for r in rows]
    why = "not recorded in the run"
    columns["parameters"] = [Value(c.get("parameters"), unit="count", why=why) for c in costs]
    columns["multiply-adds"] = [Value(c.get("macs"), unit="count", why=why) for c in costs]
    columns["ms"] = [
        Value(c.get("milliseconds"), unit="number", why="not measured in the run") for c in costs
    ]
    frame = pd.DataFrame(columns, index=[r.name for r in rows], dtype=object)
    frame.columns.name = "classifier"
    machines = dict.fromkeys(c["timed_on"] for c in costs if "timed_on" in c)
    return Table(
        f"classifiers-cost{suffix}",
        "Expected calibration error in percent, on clean and on degraded images; parameters, "
        "multiply-adds and measured milliseconds per image.",
        frame,
        notes=(f"Time: measured in the run, on {' and on '.join(machines)}.",) if machines else (),
    )


def _entry(row: Any, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest tells of a row."""
    return next(
        (
            entry
            for entry in timed_methods(manifest)
            if entry.get("backbone") == row.classifier
            and row.method in (entry["method"], f"{entry['method']}@{entry['trained_on']}")
        ),
        {},
    )


def _plots(found: Ranking, everything: Sequence[Series], suffix: str) -> list[Block]:
    names = ", ".join(list(found.frame["name"]))
    blocks: list[Block] = [
        Plot(
            f"classifiers-heatmap{suffix}",
            "Accuracy in percent of each classifier under each corruption, mean over its levels.",
            classifier_heatmap(found, everything),
            f"Heat map of accuracy: {names} by {', '.join(found.corruptions)}.",
        )
    ]
    if not any(math.isnan(value) for value in found.frame["clean"]):
        blocks.append(
            Plot(
                f"classifiers-robustness{suffix}",
                "Accuracy on degraded against clean images, on the logit scale; bars: 95 % "
                "intervals; the line, where three or more allow one, is fitted to the classifiers "
                "themselves. The distance from it is the effective robustness.",
                robustness_figure(found),
                f"Accuracy on degraded against clean images for {names}.",
            )
        )
    return blocks


def _pairs(found: Ranking, suffix: str) -> Table:
    rows = list(records(found.pairs))
    frame = pd.DataFrame(
        {
            "difference": [
                Value(r.difference, r.difference_low, r.difference_high, "points") for r in rows
            ],
            "p": [Value(r.p_holm, unit="p") for r in rows],
            "separate": ["yes" if r.separate else "no" for r in rows],
        },
        index=[f"{r.better} over {r.worse}" for r in rows],
        dtype=object,
    )
    frame.columns.name = "pair"
    return Table(
        f"classifiers-pairs{suffix}",
        "Every pair of classifiers: difference of their accuracies on degraded images in points, and "
        "the p-value adjusted for all pairs.",
        frame,
        folded=True,
    )


def _shared(everything: Sequence[Series]) -> bool:
    """Whether all have some degraded cell in common."""
    return any(
        all(d in s.accuracies for s in everything)
        for d in everything[0].accuracies
        if not d.is_clean
    )
