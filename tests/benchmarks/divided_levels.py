"""Write docs/levels-per-image.md: what evaluating each image at ten of a hundred levels costs and saves.

    python tests/benchmarks/divided_levels.py --runs FOLDER

evaluates `org` and `jpg` on CIFAR-10 (``ROBOBENCH_DATA``) under JPEG of quality 1 to 100, once at all
levels and once at ten per image; runs that are in the folder are read. The simulations take the
outcomes at all levels as the truth, with images drawn from them and a design of its own each time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from markdown_tables import markdown
from numpy.typing import NDArray

import robobench
from robobench.analysis.draws import DRAWS
from robobench.analysis.outcomes import Outcomes
from robobench.analysis.series import Series, series_of
from robobench.analysis.statistics import Floats
from robobench.evaluation.level_design import LevelDesign
from robobench.files import write_whole
from robobench.results.run import Run
from robobench.types import Cell

PAGE = Path(__file__).parents[2] / "docs" / "levels-per-image.md"
CORRUPTION, LEVELS = "jpeg_compression", tuple(map(float, range(1, 101)))
METHODS = ("org", "jpg")
PER_IMAGE = 10
MEANS: Mapping[str, Sequence[float]] = {
    "Acc(1,100)": LEVELS,
    **{f"Acc({low},{low + 19})": LEVELS[low - 1 : low + 19] for low in range(1, 101, 20)},
    "quality 10": (10.0,),
    "quality 50": (50.0,),
}
TEXT = """\
# Levels per image

`--levels-per-image {per_image}` evaluates each image at {per_image} of a sweep's levels instead of all: which ones is decided by
the corruption seed and the image's place in the data set's fixed order (`bench/evaluation/level_design.py`). Each image has as
many levels, and of as many images as there are levels each level has as many; the levels of 5 are among those of 10. Means
over levels give every level the same weight. In the bootstrap an image is drawn with all the levels that it has, and each
level's accuracy is divided by the weights of its own images.

## Measured

`org` and `jpg` ({backbone}, {precision}) on {images:,} test images of CIFAR-10 under JPEG of quality 1 to 100, in points, with
95 % intervals. *Width* is that of the interval with {per_image} levels per image, relative to all levels; *a tenth* is the same for a
tenth of the images at all levels. {seconds_some:,.0f} seconds on one core instead of {seconds_all:,.0f} ({share:.0%}; the clean images are
evaluated once in both).

{measured}

{agreement}

## Simulated

{sweeps} sweeps over the same {images:,} images, each with a design of its own: their mean minus the value at all levels (*bias*, in
points, with its standard error), their standard deviation beside the half-width of the interval at all levels.

{bias}

{sweeps} sweeps over {drawn:,} images, drawn from the {images:,} with replacement: how often the interval holds the value over all
{images:,}, in per cent, and its mean width relative to all levels of the same images. Chance alone moves a coverage by about one
point (a standard error).

{coverage}

Made by `python tests/benchmarks/divided_levels.py --runs FOLDER --limit {images}`.
"""

Statistic = Callable[[Series, Series], Floats]


def statistics() -> Iterator[tuple[str, str, Statistic]]:
    """Of whom, which mean, and how it is made of the two series."""
    for name, levels in MEANS.items():
        degradations = [catalogued(level) for level in levels]

        def of(
            one: Series, degradations: list[robobench.types.Degradation] = degradations
        ) -> Floats:
            return one.mean([d for d in degradations if d in one.accuracies])

        yield "org", name, lambda org, jpg, of=of: of(org)
        yield "jpg", name, lambda org, jpg, of=of: of(jpg)
        yield "jpg - org", name, lambda org, jpg, of=of: of(jpg) - of(org)


def catalogued(level: float) -> robobench.types.Degradation:
    return robobench.types.Degradation(CORRUPTION, level)


def run_of(folder: Path, limit: int, per_image: int | None) -> Run:
    """A run, evaluated unless the folder holds it."""
    if (folder / "manifest.json").exists() and robobench.load(folder).is_complete:
        return robobench.load(folder)
    return robobench.run(
        methods=METHODS,
        corruptions="jpeg:1-100",
        dataset="cifar10",
        limit=limit,
        precision="bf16",
        levels_per_image=per_image,
        out=folder,
    )


def seconds(run: Run) -> float:
    return float(sum(session["seconds"] for session in run.manifest["sessions"]))


def matrices(run: Run) -> dict[str, tuple[list[Cell], NDArray[np.bool_]]]:
    """Of each method: its cells of the sweep, and levels x images."""
    found = {}
    for method in METHODS:
        cells = sorted(c for c in run.cells if c.method == method and c.corruption == CORRUPTION)
        found[method] = cells, np.stack([run.predictions(c).correct for c in cells])
    return found


def intervals(pair: Sequence[Series]) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Value and interval of each statistic, in points."""
    found = {}
    for who, name, statistic in statistics():
        rows = statistic(*pair)
        low, high = pair[0].sampling.interval(rows)
        found[who, name] = 100 * float(rows[0]), 100 * low, 100 * high
    return found


def both(run: Run) -> tuple[Series, Series]:
    org, jpg = (next(s for s in run.series if s.method == m) for m in METHODS)
    return org, jpg


def sweep(
    truth: Mapping[str, tuple[list[Cell], NDArray[np.bool_]]],
    images: NDArray[np.int64],
    per_image: int | None,
    seed: int,
    draws: int = DRAWS,
) -> list[Series]:
    """A simulated sweep over these columns of the truth; at all levels if None."""
    order = np.arange(len(images))
    design = LevelDesign(CORRUPTION, LEVELS, per_image or len(LEVELS))
    found = []
    for place, level in enumerate(LEVELS):
        own = order if per_image is None else np.sort(design.images(level, order, seed))
        for cells, right in truth.values():
            cell = cells[place] if per_image is None else replace(cells[place], sweep="1-100")
            found.append(Outcomes(cell, own, right[place, images[own]]))
    everything = series_of(found, draws=draws)
    return [next(s for s in everything if s.method == m) for m in METHODS]


def measured(whole: Run, some: Run) -> tuple[pd.DataFrame, str]:
    """The table of widths, and how well the two agree."""
    truth = matrices(whole)
    count = len(truth["org"][1][0])
    order = np.random.default_rng(0).permutation(count)
    at_all, at_some = intervals(both(whole)), intervals(both(some))
    tenth = intervals(sweep(truth, order[: count // 10], None, 0))
    rows, inside = [], 0
    for key, (value, low, high) in at_all.items():
        other, below, above = at_some[key]
        inside += below <= value <= above
        rows.append(
            {
                "of": key[0],
                "mean": key[1],
                "all levels": f"{value:.2f} [{low:.2f}, {high:.2f}]",
                f"{PER_IMAGE} per image": f"{other:.2f} [{below:.2f}, {above:.2f}]",
                "width": f"{(above - below) / (high - low):.2f}",
                "a tenth": f"{(tenth[key][2] - tenth[key][1]) / (high - low):.2f}",
            }
        )
    rows.sort(key=lambda row: [*METHODS, "jpg - org"].index(row["of"]))
    largest = max(abs(at_all[key][0] - at_some[key][0]) for key in at_all if key[1] == "Acc(1,100)")
    told = (
        f"The values at all levels are within {inside} of the {len(rows)} intervals; over all levels "
        f"the two differ by at most {largest:.2f} points."
    )
    return pd.DataFrame(rows), told


def biases(truth: Mapping[str, tuple[list[Cell], NDArray[np.bool_]]], sweeps: int) -> pd.DataFrame:
    """Mean and spread of simulated sweeps over the same images."""
    count = len(truth["org"][1][0])
    images = np.arange(count)
    whole = intervals(sweep(truth, images, None, 0))
    rows = []
    for per_image in (5, PER_IMAGE, 20):
        found: dict[tuple[str, str], list[float]] = {}
        for seed in range(sweeps):
            pair = sweep(truth, images, per_image, seed, draws=0)
            for who, name, statistic in statistics():
                found.setdefault((who, name), []).append(100 * float(statistic(*pair)[0]))
        for key, values in found.items():
            if key[1] not in ("Acc(1,100)", "Acc(1,20)", "quality 10"):
                continue
            value, low, high = whole[key]
            spread = float(np.std(values, ddof=1))
            bias, error = float(np.mean(values)) - value, spread / np.sqrt(sweeps)
            rows.append(
                {
                    "per image": f"{per_image}",
                    "of": key[0],
                    "mean": key[1],
                    "bias": f"{bias:+.4f} ± {error:.4f}",
                    "standard deviation": f"{spread:.3f}",
                    "half-width": f"{(high - low) / 2:.3f}",
                }
            )
    return pd.DataFrame(rows)


def coverages(
    truth: Mapping[str, tuple[list[Cell], NDArray[np.bool_]]], sweeps: int, drawn: int
) -> pd.DataFrame:
    """How often intervals of sweeps over drawn images hold."""
    count = len(truth["org"][1][0])
    exact = {
        (who, name): 100 * float(statistic(*pair)[0])
        for pair in [sweep(truth, np.arange(count), None, 0, draws=0)]
        for who, name, statistic in statistics()
    }
    rng = np.random.default_rng(1)
    held: dict[tuple[str, str, str], int] = {}
    widths: dict[tuple[str, str, str], float] = {}
    designs = {"all": None, "5": 5, f"{PER_IMAGE}": PER_IMAGE, "20": 20}
    for seed in range(sweeps):
        images = rng.integers(0, count, drawn)
        for told, per_image in designs.items():
            for (who, name), (_, low, high) in intervals(
                sweep(truth, images, per_image, seed)
            ).items():
                key = told, who, name
                held[key] = held.get(key, 0) + (low <= exact[who, name] <= high)
                widths[key] = widths.get(key, 0.0) + high - low
    rows = []
    for told in designs:
        for who in (*METHODS, "jpg - org"):
            row = {"per image": told, "of": who}
            for name in MEANS:
                if name in ("Acc(21,40)", "Acc(41,60)", "Acc(61,80)"):
                    continue
                key = told, who, name
                width = widths[key] / widths["all", who, name]
                row[name] = f"{100 * held[key] / sweeps:.1f} ({width:.2f})"
            rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the two runs")
    parser.add_argument("--limit", type=int, default=10_000, help="images")
    parser.add_argument("--sweeps", type=int, default=500)
    parser.add_argument("--drawn", type=int, default=1_000)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    some = run_of(options.runs / "some", options.limit, PER_IMAGE)
    whole = run_of(options.runs / "all", options.limit, None)
    table, agreement = measured(whole, some)
    truth = matrices(whole)
    text = TEXT.format(
        per_image=PER_IMAGE,
        backbone=whole.cells[0].backbone,
        precision=whole.manifest["machine"]["precision"],
        images=int(whole.manifest["dataset"]["count"]),
        seconds_some=seconds(some),
        seconds_all=seconds(whole),
        share=seconds(some) / seconds(whole),
        measured=markdown(table),
        agreement=agreement,
        sweeps=options.sweeps,
        bias=markdown(biases(truth, options.sweeps)),
        drawn=options.drawn,
        coverage=markdown(coverages(truth, options.sweeps, options.drawn)),
    )
    write_whole(options.page, text.encode())


if __name__ == "__main__":
    main()
