"""What a check found: a verdict for each cell and for the mean of each method."""

from collections.abc import Sequence
from dataclasses import dataclass

from robobench.errors import CheckFailed

WORSE, BETTER, SAME, NOT_COMPARABLE = "worse", "better", "same", "not comparable"
MISSING = "missing"


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
        baseline_count: Where the comparison is unpaired, the number of the baseline's images; `count`
            is then the run's. None where the same images are compared, one by one.
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
    baseline_count: int | None = None

    @property
    def loss(self) -> float:
        """Before minus after, a fraction."""
        return self.before - self.after

    @property
    def is_unpaired(self) -> bool:
        """Whether accuracies were compared, instead of the same images one by one."""
        return self.baseline_count is not None


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
            f"worse than the baseline by more than {self.tolerance:g} points"
            f"{_unpaired([*lost, *culprits])}: {'; '.join(said)}{more}"
        )


def _unpaired(verdicts: Sequence[Verdict]) -> str:
    return " (unpaired)" if any(v.is_unpaired for v in verdicts) else ""
