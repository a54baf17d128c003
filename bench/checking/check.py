"""Is a run significantly worse than its baseline, by more than is tolerated?

The comparison is paired: the same images, each right or wrong before and after. Each method is
tested on its mean over all cells, and each cell by itself; each of the two families of tests is
Holm-corrected and gets half of alpha, so that the probability of any false alarm is at most alpha,
and a collapse in a single cell is not diluted by the others.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.outcomes import Outcomes, image_shares
from robobench.analysis.sampling import paired_intervals
from robobench.analysis.statistics import holm, loss_exceeds, paired_loss
from robobench.checking.baseline import Baseline
from robobench.errors import CheckFailed, RobobenchError
from robobench.types import Cell

WORSE, BETTER, SAME, NOT_COMPARABLE = "worse", "better", "same", "not comparable"
MISSING = "missing"
_MACHINE = ("device", "device_name", "precision", "threads", "platform")


@dataclass(frozen=True)
class Verdict:
    """The result for one cell, or for a method's mean over all its cells.

    Attributes:
        method: Its label, with ``@TRAINED_ON`` where several have the same name.
        what: The cell's degradation, or ``mean of N cells``.
        count: Number of images; 0 where there is nothing to compare.
        before: Accuracy in the baseline, a fraction.
        after: Accuracy now.
        low: Lower end of the 95 % interval of the loss (before minus after).
        high: Upper end.
        p: Adjusted one-sided p for a loss above the tolerance, to be compared with alpha.
        outcome: ``worse``, ``missing`` (the run lacks a cell of the baseline), ``better``, ``same`` or
            ``not comparable``.
        remark: What a reader should know.
    """

    method: str
    what: str
    count: int
    before: float
    after: float
    low: float
    high: float
    p: float
    outcome: str
    remark: str = ""

    @property
    def loss(self) -> float:
        """Before minus after, a fraction."""
        return self.before - self.after


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        means: A verdict for each method over all its cells.
        cells: A verdict for each cell.
        tolerance: The tolerated loss, in points.
        alpha: Probability of a false alarm.
        detectable: The smallest loss in the mean over all cells, in points, that this check detects
            four times out of five; the largest over the methods.
        notes: What differs besides the predictions, one sentence each.
        allow_missing: Whether cells may be missing.
    """

    means: tuple[Verdict, ...]
    cells: tuple[Verdict, ...]
    tolerance: float
    alpha: float
    detectable: float
    notes: tuple[str, ...]
    allow_missing: bool = False

    @property
    def outcome(self) -> str:
        """Worse if anything is; else missing, unless allowed; else better if any method is; else same."""
        if any(v.outcome == WORSE for v in (*self.means, *self.cells)):
            return WORSE
        if not self.allow_missing and any(v.outcome == MISSING for v in self.cells):
            return MISSING
        return BETTER if any(v.outcome == BETTER for v in self.means) else SAME

    def raise_if_failed(self) -> None:
        """End the check as failed if it found a loss, or cells are missing.

        Raises:
            CheckFailed: One line that says what was lost, and where most, or what is missing.
        """
        if self.outcome == MISSING:
            missing = [f"{v.method} on {v.what}" for v in self.cells if v.outcome == MISSING]
            compared = sum(v.outcome not in (MISSING, NOT_COMPARABLE) for v in self.cells)
            raise CheckFailed(
                f"{len(missing)} of the baseline's {compared + len(missing)} cells are missing from the "
                f"run ({', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}); evaluate them, "
                "freeze again, or --allow-missing"
            )
        if self.outcome != WORSE:
            return
        lost = [v for v in self.means if v.outcome == WORSE]
        culprits = sorted((v for v in self.cells if v.outcome == WORSE), key=lambda v: -v.loss)
        said = [f"{v.method} loses {100 * v.loss:.1f} points in the {v.what}" for v in lost[:3]]
        said += [f"{v.method} {100 * v.loss:.1f} points on {v.what}" for v in culprits[:3]]
        more = f" and {len(culprits) - 3} more cells" if len(culprits) > 3 else ""
        raise CheckFailed(
            f"worse than the baseline by more than {self.tolerance:g} points: "
            f"{'; '.join(said)}{more}"
        )


def check(
    now: Sequence[Outcomes],
    manifest: Mapping[str, Any],
    baseline: Baseline,
    *,
    tolerance: float = 0.5,
    alpha: float = 0.05,
    allow_missing: bool = False,
) -> CheckResult:
    """Compare a run with its baseline.

    Cells are paired by what was evaluated: data set, corruption, level, seed, method, what it was
    trained on. Weights may differ (that is what a check is for), and so may backbone, geometry, train
    seed and the seed of a corruption where both sides have only one; such differences are noted.
    With another seed the images are the same ones under other noise, so they are still paired.

    Args:
        now: The outcomes of all cells of the run.
        manifest: The run's ``manifest.json``.
        baseline: The baseline, from `robobench.checking.baseline.read_baseline`.
        tolerance: Tolerated loss in percentage points, 0 or more.
        alpha: Probability of a false alarm, above 0 and below 0.5.
        allow_missing: Do not fail for cells of the baseline that the run lacks.

    Raises:
        RobobenchError: The images are not the baseline's, or some of them are missing (nothing is
            compared then), or tolerance or alpha is out of range.
    """
    if not 0 <= tolerance < 100:
        raise RobobenchError(
            f"tolerance {tolerance:g}: points from 0 to 100 are expected, such as 0.5"
        )
    if not 0 < alpha < 0.5:
        raise RobobenchError(f"alpha {alpha:g}: a number between 0 and 0.5 is expected (say 0.05)")
    _refuse_other_images(manifest.get("dataset", {}), baseline.facts["dataset"])
    pairs, added, lacking, notes = _pair(now, baseline.outcomes)
    margin = tolerance / 100
    labels = _labels([o.cell for o in (*(new for _, new in pairs), *added, *lacking)])
    verdicts = _judge(
        [(labels[after.cell], after.cell.degradation.label) for _, after in pairs],
        [(before.correct, _on(after, before.index)) for before, after in pairs],
        [1] * len(pairs),
        margin,
        alpha,
    )
    groups: dict[str, list[int]] = defaultdict(list)
    for i, (_, after) in enumerate(pairs):
        groups[labels[after.cell]].append(i)
    means, detectable = _judge_means(groups, pairs, margin, alpha)
    blank = float("nan")
    verdicts += [
        Verdict(
            *(labels[o.cell], o.cell.degradation.label, 0, blank, float(o.correct.mean())),
            *(blank, blank, blank, NOT_COMPARABLE, "not in the baseline"),
        )
        for o in added
    ]
    verdicts += [
        Verdict(
            *(labels[o.cell], o.cell.degradation.label, 0, float(o.correct.mean()), blank),
            *(blank, blank, blank, MISSING, "not in the run"),
        )
        for o in lacking
    ]
    notes += _differences(manifest, baseline.facts)
    return CheckResult(
        *(tuple(means), tuple(verdicts), tolerance, alpha, detectable, tuple(notes), allow_missing)
    )


def _judge_means(
    groups: Mapping[str, Sequence[int]],
    pairs: Sequence[tuple[Outcomes, Outcomes]],
    margin: float,
    alpha: float,
) -> tuple[list[Verdict], float]:
    """A verdict for each method over its cells, and the detectable loss."""
    from scipy import stats

    names, states = [], []
    for label, members in groups.items():
        _, then = image_shares([pairs[i][0] for i in members])
        _, today = image_shares([_restricted(pairs[i][1], pairs[i][0]) for i in members])
        names.append((label, f"mean of {len(members)} cells"))
        states.append((then, today))
    # A cell with few of the images, by design, has noise like that of fewer cells with all.
    sizes = [
        sum(min(len(pairs[i][0].index) / len(then), 1.0) ** 2 for i in members)
        for members, (then, _) in zip(groups.values(), states, strict=True)
    ]
    verdicts = _judge(names, states, sizes, margin, alpha)
    reach = stats.norm.isf(alpha / 2 / max(len(states), 1)) + stats.norm.isf(0.2)
    errors = [paired_loss(_loss(then, today))[1] for then, today in states]
    return verdicts, 100 * (margin + float(reach) * max(errors, default=0.0))


def _judge(
    names: Sequence[tuple[str, str]],
    states: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    cells: Sequence[float],
    margin: float,
    alpha: float,
) -> list[Verdict]:
    """One family of tests at half of alpha: adjusted p-values are doubled."""
    losses = [_loss(then, today) for then, today in states]
    chances = [(loss_exceeds(loss, margin), loss_exceeds(-loss, margin)) for loss in losses]
    intervals = paired_intervals(losses, cells, [f"{method} {what}" for method, what in names])
    lost = np.minimum(1.0, 2 * holm([p for p, _ in chances]))
    gained = np.minimum(1.0, 2 * holm([q for _, q in chances]))
    verdicts = []
    for (method, what), (then, today), loss, interval, p, q in zip(
        names, states, losses, intervals, lost, gained, strict=True
    ):
        outcome = WORSE if p <= alpha else BETTER if q <= alpha else SAME
        large = outcome == SAME and float(loss.mean()) > margin
        verdicts.append(
            Verdict(
                method=method,
                what=what,
                count=len(loss),
                before=float(then.mean()),
                after=float(today.mean()),
                low=interval[0],
                high=interval[1],
                p=float(p),
                outcome=outcome,
                remark="larger than tolerated, but not significant" if large else "",
            )
        )
    return verdicts


def _loss(then: NDArray[Any], today: NDArray[Any]) -> NDArray[np.float64]:
    """Per image 1 where it was right and no longer is, -1 for the reverse; shares in a mean."""
    loss: NDArray[np.float64] = then.astype(np.float64) - today
    return loss


def _on(outcomes: Outcomes, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The outcomes on a subset of the images."""
    if np.array_equal(outcomes.index, index):
        return outcomes.correct
    chosen: NDArray[np.bool_] = outcomes.correct[np.searchsorted(outcomes.index, index)]
    return chosen


def _restricted(after: Outcomes, before: Outcomes) -> Outcomes:
    """A cell of the run on the images of the baseline's."""
    return Outcomes(before.cell, before.index, _on(after, before.index))


def _refuse_other_images(now: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    for what in ("name", "split", "fingerprint"):
        if now.get(what) != before.get(what):
            raise RobobenchError(
                f"not comparable: the run's data set has {what} {_short(now.get(what))}, the "
                f"baseline's {_short(before.get(what))}; run on the same images, or freeze again"
            )


def _short(value: Any) -> str:
    return str(value)[:16]


def _labels(cells: Sequence[Cell]) -> dict[Cell, str]:
    """Labels of methods: with ``@TRAINED_ON`` and the classifier only where there are several."""
    trained: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        trained[cell.method].add(cell.trained_on)
    several = len({cell.backbone for cell in cells}) > 1
    return {
        cell: (cell.label if len(trained[cell.method]) > 1 else cell.method)
        + (f" of {cell.backbone}" if several else "")
        for cell in cells
    }


def _pair(
    now: Sequence[Outcomes], before: Sequence[Outcomes]
) -> tuple[list[tuple[Outcomes, Outcomes]], list[Outcomes], list[Outcomes], list[str]]:
    """Pairs of cells, those that only the run has, that only the baseline has, and notes."""
    changing = ("method_version", "backbone_version", "compiled")
    ignored, notes = ["weights", "sweep", *changing], []
    for name, word in (
        *(("backbone", "classifier"), ("geometry", ""), ("train_seed", "train seed")),
        *(("normalisation", ""), ("layer", "")),
    ):
        theirs = {getattr(o.cell, name) for o in before}
        ours = {getattr(o.cell, name) for o in now}
        if len(theirs) == 1 and len(ours) == 1:
            ignored.append(name)
            if theirs != ours:
                notes.append(f"{word or name} {ours.pop()} now, {theirs.pop()} in the baseline")
    renewed = _renewed(now, before)
    notes += [
        f"corruption seed {ours} of {name} now, {theirs} in the baseline: other noise on the same images"
        for name, (ours, theirs) in renewed.items()
    ]
    table: dict[tuple[Any, ...], Outcomes] = {}
    for outcomes in now:
        key = _key(outcomes.cell, ignored, renewed)
        if key in table:
            raise RobobenchError(
                f"two cells of the run differ only in {' or '.join(ignored)}: "
                f"{outcomes.cell.title}; give each its own run (--out) and check one at a time"
            )
        table[key] = outcomes
    pairs: list[tuple[Outcomes, Outcomes]] = []
    lacking: list[Outcomes] = []
    for old in before:
        new = table.pop(_key(old.cell, ignored, renewed), None)
        if new is None:
            lacking.append(old)
        else:
            pairs.append((old, new))
    for name in changing:
        changed = {
            f"{new.cell.label}: {name.replace('_', ' ')} {getattr(new.cell, name) or 'none'} now, "
            f"{getattr(old.cell, name) or 'none'} in the baseline"
            for old, new in pairs
            if getattr(old.cell, name) != getattr(new.cell, name)
        }
        notes += sorted(changed)
    for old, new in pairs:
        absent = np.setdiff1d(old.index, new.index)
        if len(absent):
            how = "all levels, or more per image" if new.cell.sweep else ""
            raise RobobenchError(
                f"not comparable: {len(absent)} of the baseline's {len(old.index)} images are "
                f"missing from {new.cell.title}; run with {how or f'--limit {len(old.index)} or more'}"
            )
    more = max((len(new.index) - len(old.index) for old, new in pairs), default=0)
    if more:
        notes.append(f"the run has up to {more} images more than the baseline; they are ignored")
    return pairs, list(table.values()), lacking, notes


def _renewed(now: Sequence[Outcomes], before: Sequence[Outcomes]) -> dict[str, tuple[int, int]]:
    """Corruptions that have one seed now and another one in the baseline."""
    seeds: list[dict[str, set[int]]] = [defaultdict(set), defaultdict(set)]
    for side, found in zip(seeds, (now, before), strict=True):
        for outcomes in found:
            side[outcomes.cell.corruption].add(outcomes.cell.seed)
    ours, theirs = seeds
    return {
        name: (min(ours[name]), min(theirs[name]))
        for name in sorted(ours.keys() & theirs.keys())
        if len(ours[name]) == len(theirs[name]) == 1 and ours[name] != theirs[name]
    }


def _key(cell: Cell, ignored: Sequence[str], renewed: Mapping[str, Any]) -> tuple[Any, ...]:
    skipped = {*ignored, "seed"} if cell.corruption in renewed else ignored
    return tuple(value for name, value in asdict(cell).items() if name not in skipped)


def _differences(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """The versions and machine properties that differ."""
    found = []
    for kind, names in (("versions", None), ("machine", _MACHINE)):
        ours, theirs = now.get(kind, {}), before.get(kind, {})
        for name in names or sorted({*ours, *theirs}):
            if name in ours and name in theirs and ours[name] != theirs[name]:
                found.append(f"{name} {ours[name]} now, {theirs[name]} in the baseline")
    return found
