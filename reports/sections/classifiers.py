"""Which classifier holds up: the ranking of a run with several, or of several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd

from robobench import section
from robobench.analysis.classifier_ranking import Ranking, rank
from robobench.analysis.outcomes import outcomes_of
from robobench.analysis.series import series_of
from robobench.reports.blocks import LEVEL, Block, Plot, Table, Text, Value
from robobench.reports.classifier_plots import classifier_heatmap, robustness_figure

if TYPE_CHECKING:
    from robobench.analysis.series import Series
    from robobench.results.run import Run


@section("classifiers", order=5, title="Which classifier holds up")
def classifiers(run: Run) -> list[Block]:
    """Classifiers ranked by their accuracy on degraded images, where there are several."""
    sources = dict.fromkeys((c.dataset, c.split) for c in run.cells)
    blocks: list[Block] = []
    for dataset, split in sources:
        cells = [c for c in run.cells if (c.dataset, c.split, c.method) == (dataset, split, "org")]
        degraded = {c.backbone for c in cells if not c.degradation.is_clean}
        if len(degraded) < 2:
            continue
        everything = series_of(outcomes_of(run.each(cells)))
        if not _shared(everything):
            continue
        found = rank(everything, profile=run.manifest["profile"])
        suffix = f"-{dataset}-{split}" if len(sources) > 1 else ""
        if suffix:
            blocks.append(Text(f"{dataset} {split}", "heading"))
        blocks += [*ranking_blocks(found, suffix), *_plots(found, everything, suffix)]
        blocks.append(_pairs(found, suffix))
    return blocks


def ranking_blocks(found: Ranking, suffix: str = "") -> list[Block]:
    """The verdict and the table of a ranking."""
    return [Text(verdict(found)), _table(found, suffix)]


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
