"""Is a run significantly worse than its baseline, by more than is tolerated?

The comparison is paired where it can be: the same images, each right or wrong before and after. Where
the baseline has only how many images are right, or (if that is asked for) the images are others, two
accuracies are compared instead, which finds larger losses only. Each method is tested on its mean over
all cells, and each cell by itself; each of the two families of tests is Holm-corrected and gets half of
alpha, so that the probability of any false alarm is at most alpha, and a collapse in a single cell is
not diluted by the others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from robobench.analysis.outcomes import Outcomes, Tally
from robobench.checking.baseline import Baseline
from robobench.checking.judging import judge_cells, judge_means
from robobench.checking.pairing import by_label, labels, pair
from robobench.checking.verdict import MISSING, NOT_COMPARABLE, CheckResult, Verdict
from robobench.errors import RobobenchError

_MACHINE = ("device", "device_name", "precision", "threads", "platform")


def check(
    now: Sequence[Outcomes],
    manifest: Mapping[str, Any],
    baseline: Baseline,
    *,
    tolerance: float = 0.5,
    alpha: float = 0.05,
    allow_missing: bool = False,
    unpaired: bool = False,
) -> CheckResult:
    """Compare a run with its baseline.

    Cells are paired by what was evaluated: data set, corruption, level, seed, method, what it was
    trained on. Weights may differ (that is what a check is for), and so may the classifier where both
    sides have only one, and geometry, train seed and the like where both have one for a classifier. A
    corruption's seed that only the run has stands in the place of one that only the baseline has: the
    images are the same ones under other noise, so they are still paired. Such differences are noted.

    Args:
        now: The outcomes of all cells of the run.
        manifest: The run's ``manifest.json``.
        baseline: The baseline, from `robobench.checking.baseline.read_baseline`.
        tolerance: Tolerated loss in percentage points, 0 or more.
        alpha: Probability of a false alarm, above 0 and below 0.5.
        allow_missing: Do not fail for cells of the baseline that the run lacks.
        unpaired: Compare cells whose images are not the baseline's, too: as accuracies on independent
            samples of images of one kind.

    Raises:
        RobobenchError: The images are not the baseline's, or some of them are missing (nothing is
            compared then, unless `unpaired` is set), or tolerance or alpha is out of range.
    """
    if not 0 <= tolerance < 100:
        raise RobobenchError(
            f"tolerance {tolerance:g}: points from 0 to 100 are expected, such as 0.5"
        )
    if not 0 < alpha < 0.5:
        raise RobobenchError(f"alpha {alpha:g}: a number between 0 and 0.5 is expected (say 0.05)")
    other = _has_other_images(
        manifest.get("dataset", {}), baseline.facts["dataset"], unpaired=unpaired
    )
    found = pair(
        *(now, baseline.outcomes), untold=baseline.untold, other_images=other, unpaired=unpaired
    )
    compared = [one.after.cell for one in found.pairs]
    label_of = labels([*compared, *(o.cell for o in (*found.added, *found.lacking))])
    margin = tolerance / 100
    means, detectable = judge_means(found.pairs, by_label(compared, label_of), margin, alpha)
    verdicts = judge_cells(found.pairs, [label_of[cell] for cell in compared], margin, alpha)
    blank = float("nan")
    verdicts += [
        Verdict(
            *(label_of[o.cell], o.cell.degradation.label, 0, blank, _accuracy(o)),
            *(blank, blank, blank, NOT_COMPARABLE, "not in the baseline"),
        )
        for o in found.added
    ]
    verdicts += [
        Verdict(
            *(label_of[o.cell], o.cell.degradation.label, 0, _accuracy(o), blank),
            *(blank, blank, blank, MISSING, "not in the run"),
        )
        for o in found.lacking
    ]
    notes = (*found.notes, *_differences(manifest, baseline.facts))
    return CheckResult(
        *(tuple(means), tuple(verdicts), tolerance, alpha, detectable, notes, allow_missing)
    )


def _accuracy(cell: Outcomes | Tally) -> float:
    if isinstance(cell, Tally):
        return cell.right / cell.count
    return float(cell.correct.mean())


def _has_other_images(now: Mapping[str, Any], before: Mapping[str, Any], *, unpaired: bool) -> bool:
    """Whether a run's images are not the baseline's, so that their numbers do not name them."""
    for what in ("name", "split", "fingerprint"):
        if what not in before or now.get(what) == before[what]:  # a publication may not tell it
            continue
        if what == "fingerprint" and unpaired:
            return True
        how = ", or compare other images with --unpaired" if what == "fingerprint" else ""
        raise RobobenchError(
            f"not comparable: the run's data set has {what} {_short(now.get(what))}, the "
            f"baseline's {_short(before[what])}; run on the same images, or freeze again{how}"
        )
    return False


def _short(value: Any) -> str:
    return str(value)[:16]


def _differences(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """The versions and machine properties that differ."""
    found = []
    for kind, names in (("versions", None), ("machine", _MACHINE)):
        ours, theirs = now.get(kind, {}), before.get(kind, {})
        for name in names or sorted({*ours, *theirs}):
            if name in ours and name in theirs and ours[name] != theirs[name]:
                found.append(f"{name} {ours[name]} now, {theirs[name]} in the baseline")
    return found
