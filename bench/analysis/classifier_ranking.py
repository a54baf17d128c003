"""Which classifier holds up: a ranking in which only what a test separates has different ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from robobench.analysis.comparison import Standing, difference_between
from robobench.analysis.corruption_error import SEVERITIES, corruption_error
from robobench.analysis.normalizers import NORMALIZERS, Normalizer
from robobench.analysis.pairwise import ALPHA
from robobench.analysis.series import Series, reference_of
from robobench.analysis.statistics import Floats, holm
from robobench.analysis.summary import published_order
from robobench.corruptions.catalogue import severity_of
from robobench.errors import RobobenchError, unknown_name
from robobench.types import Degradation

if TYPE_CHECKING:
    import pandas as pd

LEAST_FOR_A_LINE: Final = 3
"""Number of classifiers from which a line is fitted through their accuracies."""


@dataclass(frozen=True)
class Ranking:
    """Classifiers, or methods on classifiers, in the order of their accuracy on degraded images.

    Attributes:
        frame: A row for each: ``name``, ``rank`` and ``rank_low`` and ``rank_high`` (all ranks that the tests
            leave possible), ``classifier``, ``method``, ``clean``, ``mean`` (over corruptions, each
            the mean over its levels) with ``_low`` and ``_high``, ``mce`` and ``relative_mce`` (in
            percent of the normalizer's errors; NaN for lack of cells), ``worst`` and ``worst_mean``,
            ``effective`` (see `effective_robustness`), ``ece_clean``, ``ece``, ``top5_clean`` and ``top5``
            (the last of each over the same degraded cells as the mean; NaN if not known). All others
            are fractions.
        pairs: A row for each pair of rows: ``better``, ``worse``, ``difference`` with ``_low`` and
            ``_high``, ``p``, ``p_holm`` over all pairs, ``separate``.
        corruptions: What the mean is over.
        normalizer: Whose errors the mCE is relative to.
        count: Number of images that all of them have.
        line: Slope and intercept, on the logit scale, of degraded by clean accuracy; None if it cannot
            be fitted.
        notes: What was left out, as sentences.
    """

    frame: pd.DataFrame
    pairs: pd.DataFrame
    corruptions: tuple[str, ...]
    normalizer: str
    count: int
    line: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        shown = self.frame.drop(columns=["rank_low", "rank_high"]).round(4)
        html: str = shown.to_html(index=False)
        return html


def rank(
    everything: Sequence[Series],
    *,
    method: str | None = "org",
    normalizer: str | None = None,
    profile: str = "",
    table: pd.DataFrame | None = None,
) -> Ranking:
    """Rank classifiers by their mean accuracy on degraded images.

    Two have different ranks only where the exact sign-flip test over the images, adjusted for all
    pairs by Holm's method, separates them; the level holds for the ranking as a whole. It applies to
    these trained networks.

    Args:
        everything: The series of one data set.
        method: The method that is compared, on every classifier; all of them if None.
        normalizer: Whose errors mCE is relative to: published ones (``alexnet``), or a classifier of
            the ranking. By default AlexNet's where its severities were used, else the first one's.
        profile: Severity table of the corruptions.
        table: The long table of the same cells, for calibration and top-5.

    Raises:
        RobobenchError: There are fewer than two, they have no degraded cells in common, or a name is
            unknown.
    """
    import pandas as pd

    chosen = _chosen(everything, method)
    common = [d for d in chosen[0].accuracies if all(d in s.accuracies for s in chosen)]
    parts = _by_corruption(common)
    if not parts:
        raise RobobenchError(
            "the classifiers have no corruption in common: evaluate all of them on the same ones"
        )
    pairs = _pairs(chosen, list(parts.values()))
    means = {id(s): _mean(s, parts.values()) for s in chosen}
    order = sorted(chosen, key=lambda s: -float(means[id(s)][0]))
    against = _normalizer(normalizer, chosen, parts, profile)
    robust, line = _effective(order, means, everything)
    rows = []
    for place, series in enumerate(order):
        low, high = series.sampling.interval(means[id(series)], (0.0, 1.0))
        worst = min(parts, key=lambda name: float(series.mean(parts[name])[0]))
        name = name_of(series)
        wins, losses = (
            int((pairs["separate"] & (pairs[side] == name)).sum()) for side in ("better", "worse")
        )
        mce, relative = _mce(series, parts, against)
        rows.append(
            {
                "name": name,
                "rank": place + 1,
                "rank_low": 1 + losses,
                "rank_high": len(order) - wins,
                "classifier": series.backbone,
                "method": series.method if series.method == "org" else series.label,
                "clean": float(series.mean(series.clean)[0]) if series.clean else np.nan,
                "mean": float(means[id(series)][0]),
                "mean_low": low,
                "mean_high": high,
                "mce": mce,
                "relative_mce": relative,
                "worst": worst,
                "worst_mean": float(series.mean(parts[worst])[0]),
                "effective": robust[place],
                **_others(series, parts, table),
            }
        )
    left = sorted({d.label for s in chosen for d in s.accuracies} - {d.label for d in common})
    notes = [f"left out, as not all of them have it: {', '.join(left)}"] if left else []
    return Ranking(
        frame=pd.DataFrame(rows),
        pairs=pairs,
        corruptions=tuple(parts),
        normalizer=against.name if against else "",
        count=chosen[0].count,
        line=line,
        notes=(*notes, *chosen[0].aligned.notes),
    )


def name_of(series: Series) -> str:
    """A row's name in the pairs: the classifier, and the method that is not the classifier itself."""
    return series.backbone if series.method == "org" else f"{series.backbone} + {series.label}"


def separated(p_values: Sequence[float]) -> NDArray[np.bool_]:
    """Which of all pairs differ, by Holm's method at the 5 % level."""
    found: NDArray[np.bool_] = holm(p_values) <= ALPHA
    return found


def effective_robustness(
    clean: NDArray[np.float64], degraded: NDArray[np.float64], line: tuple[float, float], count: int
) -> NDArray[np.float64]:
    """Accuracy on degraded images above what the accuracy on clean ones lets expect.

    Taori et al. (NeurIPS 2020), section 2: ``acc - beta(clean acc)``, where beta is a line fitted to
    classifiers without a remedy on the logit scale.

    Args:
        clean: Accuracies on clean images, fractions.
        degraded: Accuracies on degraded images.
        line: As `robustness_line` returns it.
        count: Number of images: accuracies of 0 and 1 count as half an image away.

    Returns:
        Differences in accuracy, as fractions.
    """
    slope, start = line
    away: NDArray[np.float64] = degraded - expit(start + slope * _logits(clean, count))
    return away


def robustness_line(
    clean: NDArray[np.float64], degraded: NDArray[np.float64], count: int
) -> tuple[float, float] | None:
    """Slope and intercept of the line that expects accuracy on degraded images from clean ones.

    Least squares on the logit scale, as in Taori et al. (NeurIPS 2020).

    Args:
        clean: Accuracies of classifiers without a remedy on clean images, fractions.
        degraded: Their accuracies on degraded images.
        count: Number of images: accuracies of 0 and 1 count as half an image away.

    Returns:
        None with fewer than three classifiers, or where all have one accuracy on clean images.
    """
    x, y = _logits(clean, count), _logits(degraded, count)
    if len(x) < LEAST_FOR_A_LINE or np.ptp(x) < 1e-6:
        return None
    slope, start = np.polyfit(x, y, 1)
    return float(slope), float(start)


def _logits(accuracies: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    edge = 0.5 / max(count, 1)
    found: NDArray[np.float64] = logit(np.clip(accuracies, edge, 1 - edge))
    return found


def _chosen(everything: Sequence[Series], method: str | None) -> list[Series]:
    sources = {(s.dataset, s.split) for s in everything}
    if len(sources) > 1:
        told = ", ".join(f"{dataset} {split}" for dataset, split in sorted(sources))
        raise RobobenchError(f"a ranking is on one data set, these are several: {told}")
    chosen = [s for s in everything if method in (None, s.label, s.method)]
    if method is not None and not chosen:
        raise unknown_name("method of these runs", method, sorted({s.label for s in everything}))
    if len(chosen) < 2:
        what = f"{method} on two classifiers" if method else "two methods or classifiers"
        raise RobobenchError(
            f"a ranking needs {what} or more, there is {len(chosen)}: run several with "
            "--backbone A,B, or name several runs"
        )
    return chosen


def _by_corruption(degradations: Sequence[Degradation]) -> dict[str, list[Degradation]]:
    names = published_order(
        list(dict.fromkeys(d.corruption for d in degradations if not d.is_clean))
    )
    return {name: [d for d in degradations if d.corruption == name] for name in names}


def _mean(series: Series, parts: Any) -> Floats:
    mean: Floats = np.mean([series.mean(part) for part in parts], axis=0)
    return mean


def _pairs(chosen: Sequence[Series], parts: Sequence[Sequence[Degradation]]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for one, other in combinations([Standing(series, parts) for series in chosen], 2):
        row = difference_between(one, other, "mean")
        first, second = name_of(one.series), name_of(other.series)
        low, high = row["difference_low"], row["difference_high"]
        if row["difference"] < 0:
            first, second, low, high = second, first, -high, -low
        rows.append(
            {
                "better": second,
                "worse": first,
                "difference": abs(row["difference"]),
                "difference_low": low,
                "difference_high": high,
                "p": row["p"],
            }
        )
    frame = pd.DataFrame(rows)
    frame["p_holm"] = holm(frame["p"].tolist())
    frame["separate"] = separated(frame["p"].tolist())
    return frame


@dataclass(frozen=True)
class _Reference:
    """Errors that others are relative to: by corruption, and on clean images."""

    name: str
    errors: Mapping[str, float]
    clean: float


def _normalizer(
    name: str | None,
    chosen: Sequence[Series],
    parts: Mapping[str, Sequence[Degradation]],
    profile: str,
) -> _Reference | None:
    published = NORMALIZERS.get(name or "alexnet")
    fits = published is not None and (profile, chosen[0].dataset) in {
        (published.profile, dataset) for dataset in published.datasets
    }
    if published is not None and (name or fits):
        return _published(published, parts, profile)
    names = [name_of(s) for s in chosen]
    if name is not None and name not in names:
        raise unknown_name("normalizer", name, [*NORMALIZERS, *names])
    plain = next((s for s in chosen if s.method == "org"), chosen[0])
    series = chosen[names.index(name)] if name else plain
    clean = 1 - float(series.mean(series.clean)[0]) if series.clean else np.nan
    errors = {c: 1 - float(series.mean(part)[0]) for c, part in parts.items()}
    return _Reference(name_of(series), errors, clean)


def _published(
    found: Normalizer, parts: Mapping[str, Sequence[Degradation]], profile: str
) -> _Reference | None:
    """Published errors, where all their corruptions are there at five severities each."""
    there = {c: {severity_of(d, profile) for d in part} for c, part in parts.items()}
    if any(there.get(c) != set(SEVERITIES) for c in found.errors):
        return None
    errors = {c: found.total(c) / 5 for c in found.errors}
    return _Reference(found.name, errors, found.clean_error)


def _mce(
    series: Series, parts: Mapping[str, Sequence[Degradation]], reference: _Reference | None
) -> tuple[float, float]:
    """MCE and relative mCE over the reference's corruptions, in percent."""
    if reference is None:
        return np.nan, np.nan
    clean = 1 - float(series.mean(series.clean)[0]) if series.clean else np.nan
    errors = {c: 1 - float(series.mean(parts[c])[0]) for c in reference.errors}
    absolute, relative = [], []
    for corruption, theirs in reference.errors.items():
        ours = errors[corruption]
        absolute.append(corruption_error(ours, theirs, unit=100) if theirs else np.nan)
        above = theirs - reference.clean
        relative.append(
            corruption_error(ours, theirs, clean, reference.clean, unit=100) if above else np.nan
        )
    return float(np.mean(absolute)), float(np.mean(relative))


def _others(
    series: Series, parts: Mapping[str, Sequence[Degradation]], table: pd.DataFrame | None
) -> dict[str, float]:
    """Calibration error and top-5 accuracy, on clean images and averaged like the accuracy."""
    names = [f"{metric}{where}" for metric in ("ece", "top5") for where in ("_clean", "")]
    if table is None:
        return dict.fromkeys(names, np.nan)
    own = table["metric"].isin(["ece", "top5"])
    for key in ("dataset", "split", "method", "backbone", "trained_on"):
        own &= table[key] == getattr(series, key)
    values = table[own].groupby(["metric", "corruption", "level"])["value"].mean()

    def mean(metric: str, part: Sequence[Degradation]) -> float:
        known = [(metric, d.corruption, d.level) for d in part]
        found = [values[key] for key in known if key in values.index]
        return float(np.mean(found)) if found else np.nan

    return {
        name: mean(metric, series.clean)
        if name.endswith("_clean")
        else float(np.mean([mean(metric, part) for part in parts.values()]))
        for name in names
        for metric in [name.removesuffix("_clean")]
    }


def _effective(
    order: Sequence[Series], means: Mapping[int, Floats], everything: Sequence[Series]
) -> tuple[list[float], tuple[float, float] | None]:
    """Effective robustness of each, and the line through the classifiers without a remedy."""
    if not all(s.clean for s in order):
        return [np.nan] * len(order), None
    clean = np.array([float(s.mean(s.clean)[0]) for s in order])
    degraded = np.array([float(means[id(s)][0]) for s in order])
    plain = np.array([reference_of(s, everything, "org") is s for s in order])
    count = order[0].count
    line = robustness_line(clean[plain], degraded[plain], count)
    if line is None:
        return [np.nan] * len(order), None
    found: list[float] = effective_robustness(clean, degraded, line, count).tolist()
    return found, line
