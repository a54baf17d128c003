"""The summary of a run: one row per method and corruption, every number with its interval.

All numbers are fractions, including CE and the share recovered; reports multiply by a hundred.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from robobench.analysis.corruption_error import (
    SEVERITIES,
    corruption_error,
    inside,
    interval_name,
    interval_parameter,
    published_errors,
    spans,
)
from robobench.analysis.long_table import severity_in_table
from robobench.analysis.normalizers import ALEXNET, COMMON
from robobench.analysis.sampling import ANYTHING, Sampling, monte_carlo_error
from robobench.analysis.series import THESE, Series, reference_of, scope
from robobench.analysis.statistics import Floats
from robobench.types import CLEAN, Degradation

if TYPE_CHECKING:
    import pandas as pd

MEAN = "mean"

# Endo et al. 2020, tables 3, 4 and 6.
QUALITY_INTERVALS = ((1, 20), (21, 40), (41, 60), (61, 80), (81, 100))
SIGMA_INTERVALS = ((0, 10), (11, 20), (21, 30), (31, 40), (41, 50))
NATIVE_INTERVALS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "jpeg_compression": QUALITY_INTERVALS,
    "webp": QUALITY_INTERVALS,
    "avif": QUALITY_INTERVALS,
    "gaussian_noise": SIGMA_INTERVALS,
}
# Between which values statistics lie.
_SHARE, _POSITIVE = (0.0, 1.0), (0.0, float("inf"))
_ALL_SEVERITIES = (SEVERITIES[0], SEVERITIES[-1])


@dataclass
class _SummaryRow:
    """A row of the summary under construction."""

    values: dict[str, Any]
    sampling: Sampling
    missing: list[str] = field(default_factory=list)

    def put(
        self,
        name: str,
        samples: Floats,
        interval: tuple[float, float] | None = None,
        *,
        bounds: tuple[float, float] = ANYTHING,
    ) -> None:
        """Enter a statistic with its interval."""
        low, high = self.sampling.interval(samples, bounds) if interval is None else interval
        self.values |= {name: float(samples[0]), f"{name}_low": low, f"{name}_high": high}

    def blank(self, name: str, why: str) -> None:
        """Leave a statistic blank and record why."""
        self.values |= dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
        self.missing.append(f"{name}: {why}")


def summarise(
    everything: Sequence[Series], *, profile: str = "", reference: str = "org"
) -> "pd.DataFrame":
    """One row per method and corruption, each number with a 95 % interval.

    Args:
        everything: The series of one run.
        profile: Severity table of the run.
        reference: Method that CE and the share recovered are relative to.

    Returns:
        One row per (dataset, split, method, backbone, trained_on, corruption): the reference before
        other methods; ``clean`` first, the corruptions in published order, ``mean`` last. ``mean``
        is the plain mean over the corruptions, for methods that have every cell any method has.
        Numbers are fractions, each in three columns (X, X_low, X_high):

        ``clean``: accuracy on clean images; ``accuracy``: mean over the levels; ``drop``: from
        clean, blank where the clean accuracy is not above that of naming one class always; ``Acc(1,5)`` and for sweeps ``Acc(1,20)`` ...: interval mean accuracies;
        ``CE[reference]``: sum of errors divided by the reference's, blank unless these are known to
        within half of them; ``recovered``: share of the reference's loss, blank unless that loss
        is known to within half of it;
        ``mCE`` and ``relative mCE``: in the row ``mean``, where AlexNet's errors on the data set
        are published. ``worst`` is the lowest accuracy at any level, at ``worst_at``. ``levels``
        says what was averaged, ``missing`` why something is blank, ``n`` is the number of images (of a
        sweep whose levels are divided among the images, of those that have a level of the row);
        ``of`` says of which trainings the intervals speak (`robobench.analysis.series.scope`).
        ``attrs["notes"]`` holds what readers must know.
    """
    import pandas as pd

    sources = list(dict.fromkeys((s.dataset, s.split) for s in everything))
    everything = sorted(
        everything, key=lambda s: (sources.index((s.dataset, s.split)), s.method != reference)
    )
    rows: list[_SummaryRow] = []
    for series in everything:
        other = reference_of(series, everything, reference)
        present = [CLEAN] if series.clean else []
        for corruption in [*present, *published_order(series.corruptions)]:
            rows.append(_row(series, other, [corruption], corruption, profile, reference))
        if series.corruptions and not _lacks(series, everything):
            mean = _row(series, other, series.corruptions, MEAN, profile, reference)
            _put_mce(mean, series, profile)
            rows.append(mean)
    frame = pd.DataFrame([{**r.values, "missing": "; ".join(r.missing)} for r in rows])
    frame.attrs["notes"] = [*_notes(everything), *_harmed(everything, reference)]
    frame.attrs["reference"] = reference
    return frame if frame.empty else frame.reindex(columns=_columns(frame, reference))


def published_order(corruptions: Sequence[str]) -> list[str]:
    """Noise, blur, weather, digital, as in the literature; then others, as evaluated."""
    from robobench.corruptions.catalogue import GROUPS

    order = {name: place for place, name in enumerate(GROUPS["all"])}
    return sorted(corruptions, key=lambda name: order.get(name, len(order)))


def _columns(frame: "pd.DataFrame", reference: str) -> list[str]:
    first = ["dataset", "split", "method", "backbone", "trained_on", "corruption", "levels", "n"]
    named = {str(c) for c in frame if str(c).startswith("Acc(") and str(c).endswith(")")}
    natives = [interval_name(*i) for i in (*QUALITY_INTERVALS, *SIGMA_INTERVALS)]
    statistics = ["clean", "accuracy", "drop", interval_name(*_ALL_SEVERITIES)]
    statistics += [n for n in natives if n in named] + [f"CE[{reference}]", "recovered"]
    statistics += [n for n in ("mCE", "relative mCE") if n in frame]
    triples = [c for s in statistics for c in (s, f"{s}_low", f"{s}_high")]
    return [*first, "train_seeds", *triples, "worst", "worst_at", "of", "missing"]


def _row(
    series: Series,
    other: Series | None,
    corruptions: Sequence[str],
    name: str,
    profile: str,
    reference: str,
) -> _SummaryRow:
    """The row of one corruption, or of the mean over several."""
    parts = [series.degradations(c) for c in corruptions]
    flat = [d for part in parts for d in part]
    worst = min(flat, key=lambda d: float(series.accuracies[d][0]))
    row = _SummaryRow(
        {
            "dataset": series.dataset,
            "split": series.split,
            "method": series.method,
            "backbone": series.backbone,
            "trained_on": series.trained_on,
            "corruption": name,
            "levels": (
                _levels(series, parts[0], profile) if name != MEAN else f"{len(parts)} corruptions"
            ),
            "n": series.images_of(flat),
            "train_seeds": len(series.train_seeds),
            "worst": float(series.accuracies[worst][0]),
            "worst_at": worst.label,
            "of": scope(series, *([] if other is None else [other])),
        },
        series.sampling,
    )
    if series.is_divided(flat):
        row.values |= {"worst": nan, "worst_at": ""}
        row.missing.append("worst: no level has all images")
    accuracy = np.mean([series.mean(part) for part in parts], axis=0)
    single = series.interval(flat) if len(parts) == 1 else None
    row.put("accuracy", accuracy, single, bounds=_SHARE)
    if series.clean:
        clean = series.mean(series.clean)
        interval = series.interval(series.clean)
        row.put("clean", clean, interval)
        if name != CLEAN and interval[0] <= series.aligned.commonest < 1:
            row.blank("drop", "its clean accuracy is not above that of naming one class always")
        elif name != CLEAN:
            row.put("drop", clean - accuracy, bounds=(-1.0, 1.0))
    else:
        row.blank("clean", "not evaluated")
        row.blank("drop", "clean not evaluated")
    if name != CLEAN:
        _put_intervals(row, series, parts, profile)
    _put_against(row, series, other, parts, reference)
    return row


def _levels(series: Series, degradations: Sequence[Degradation], profile: str) -> str:
    """What a row averages over: ``severity 1-5``, ``1-100, 10 per image``; empty for clean."""
    if degradations[0].is_clean:
        return ""
    severities = [severity_in_table(d, profile) for d in degradations]
    if all(s is not None for s in severities):
        return f"severity {spans(s for s in severities if s is not None)}"
    each = f", {series.levels_per_image(degradations):.3g} per image"
    return spans(d.level for d in degradations) + each * series.is_divided(degradations)


def _put_intervals(
    row: _SummaryRow, series: Series, parts: Sequence[Sequence[Degradation]], profile: str
) -> None:
    """Interval mean accuracies: of severities, and the published ones of a sweep."""
    graded = [[severity_in_table(d, profile) for d in part] for part in parts]
    swept = [any(s is None for s in severities) for severities in graded]
    wanted: list[tuple[int, int]] = [] if any(swept) else [_ALL_SEVERITIES]
    if len(parts) == 1 and swept[0]:
        levels = [d.level for d in parts[0]]
        native = NATIVE_INTERVALS.get(parts[0][0].corruption, ())
        # A coarse sweep (every tenth quality) does not need means over every quality.
        wanted = [
            (low, high)
            for low, high in native
            if 2 * sum(low <= v <= high for v in levels) > high - low
        ]
        # A column must not mean qualities 1 to 5 in one place and severities in another.
        if {s for s in graded[0] if s} == set(SEVERITIES) and not set(SEVERITIES) <= set(levels):
            wanted.append(_ALL_SEVERITIES)
    for low, high in wanted:
        name, samples, lacking = interval_name(low, high), [], []
        for part, severities in zip(parts, graded, strict=True):
            parameter, lack = interval_parameter(
                [d.level for d in part],
                [nan if s is None else s for s in severities],
                (low, high),
            )
            if lack:
                lacking.append(f"no {part[0].corruption} {spans(lack)}")
                continue
            chosen = [d for d, p in zip(part, parameter, strict=True) if inside((low, high), p)]
            samples.append(series.mean(chosen))
        if lacking:
            row.blank(name, ", ".join(lacking))
        else:
            row.put(name, np.mean(samples, axis=0), bounds=_SHARE)


def _put_against(
    row: _SummaryRow,
    series: Series,
    other: Series | None,
    parts: Sequence[Sequence[Degradation]],
    reference: str,
) -> None:
    """CE and the share of the loss recovered, relative to the reference on the same cells."""
    ce = f"CE[{reference}]"
    is_clean = parts[0][0].is_clean
    lacking = [d for part in parts for d in part if other is None or d not in other.accuracies]
    if other is None or lacking:
        why = f"no {reference}" + (f" on {lacking[0].label}" if other is not None else "")
        row.blank(ce, why)
        if not is_clean:
            row.blank("recovered", why)
        return
    own = [series.mean(part) for part in parts]
    theirs = [other.mean(part) for part in parts]
    if other is series:
        row.put(ce, np.ones_like(own[0]))
    elif all(row.sampling.is_known(1 - t) for t in theirs):
        ratios = [_ratio(1 - o, 1 - t) for o, t in zip(own, theirs, strict=True)]
        row.put(ce, np.mean(ratios, axis=0), bounds=_POSITIVE)
    else:
        row.blank(ce, f"{reference} makes too few errors to divide by")
    if is_clean or other is series:
        return
    if not other.clean:
        row.blank("recovered", f"no {reference} on clean images")
        return
    loss = other.mean(other.clean) - np.mean(theirs, axis=0)
    if not row.sampling.is_known(loss):
        row.blank("recovered", f"the loss of {reference} is within noise")
    else:
        row.put("recovered", _ratio(np.mean(own, axis=0) - np.mean(theirs, axis=0), loss))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient of measured and sampled values.

    A sample with a denominator that is not positive counts as infinite, with the sign of its
    numerator, so that intervals remain conservative.
    """
    safe = np.where(below > 0, below, 1.0)
    beyond = np.where(above > 0, np.inf, np.where(above < 0, -np.inf, 0.0))
    return np.where(below > 0, above / safe, beyond)


def _put_mce(row: _SummaryRow, series: Series, profile: str) -> None:
    """MCE and relative mCE, where the data set has published errors to divide by."""
    published, _ = published_errors(ALEXNET, series.dataset, profile)
    if published is None:
        return
    ratios, relative, lacking = [], [], []
    clean = series.mean(series.clean) if series.clean else None
    for corruption in COMMON:
        graded = {severity_in_table(d, profile): d for d in series.degradations(corruption)}
        lack = [s for s in SEVERITIES if s not in graded]
        if lack:
            lacking.append(f"no {corruption} {spans(lack)}")
            continue
        errors = 1 - series.mean([graded[s] for s in SEVERITIES])
        theirs = published[corruption] / len(SEVERITIES)
        ratios.append(corruption_error(errors, theirs))
        if clean is not None:
            relative.append(corruption_error(errors, theirs, 1 - clean, published[CLEAN]))
    if lacking:
        row.blank("mCE", ", ".join(lacking))
        return
    row.put("mCE", np.mean(ratios, axis=0), bounds=_POSITIVE)
    if relative:
        row.put("relative mCE", np.mean(relative, axis=0))
    else:
        row.blank("relative mCE", "clean not evaluated")


def _lacks(series: Series, everything: Sequence[Series]) -> list[Degradation]:
    """Degradations that another series on the same images has and this one has not."""
    others = [s for s in everything if s.aligned is series.aligned]
    union = dict.fromkeys(d for s in others for d in s.rows)
    return [d for d in union if d not in series.accuracies]


def _notes(everything: Sequence[Series]) -> list[str]:
    notes = dict.fromkeys(n for s in everything for n in s.aligned.notes)
    if everything:
        notes[_of_what(everything)] = None
    for series in everything:
        notes |= dict.fromkeys(f"{series.label}, {gap}, left out" for gap in series.gaps)
        lacking = _lacks(series, everything)
        if lacking and series.corruptions:
            named = ", ".join(dict.fromkeys(d.corruption for d in lacking))
            notes[f"no mean over corruptions for {series.label}: it lacks cells of {named}"] = None
    return list(notes)


def _of_what(everything: Sequence[Series]) -> str:
    """What the intervals speak of, and how exact they are."""
    draws = everything[0].sampling.draws
    exact = f"{draws:,} draws, whose number moves an end by about {monte_carlo_error(draws):.1%} of"
    of = scope(*everything)
    again = (
        "; training again may change the sign of a small difference (--train-seeds, --seed-sd)"
        if of == THESE
        else ""
    )
    return f"intervals are of {of}{again}; {exact} its width"


def _harmed(everything: Sequence[Series], reference: str) -> list[str]:
    """A warning that names the methods which lose accuracy on clean images beyond noise."""
    found = []
    for series in everything:
        other = reference_of(series, everything, reference)
        if other is None or other is series or not series.clean or not other.clean:
            continue
        gain = series.mean(series.clean) - other.mean(other.clean)
        low, high = series.sampling.interval(gain)
        if high < 0:
            found.append(f"{series.label} {100 * gain[0]:+.1f} [{100 * low:.1f}, {100 * high:.1f}]")
    if not found:
        return []
    return [f"worse than {reference} on clean images, in points of accuracy: {', '.join(found)}"]
