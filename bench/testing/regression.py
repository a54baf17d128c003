"""A run that must not be worse than its baseline, as an assertion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from robobench.errors import CheckFailed

if TYPE_CHECKING:
    from robobench.checking.verdict import CheckResult
    from robobench.results.run import Run


def assert_no_regression(
    run: Run | str | os.PathLike[str],
    baseline: str | os.PathLike[str],
    *,
    tolerance: float = 0.5,
    alpha: float = 0.05,
    allow_missing: bool = False,
    unpaired: bool = False,
) -> CheckResult:
    """Assert that a run is not significantly worse than a baseline, as ``robobench check`` does.

    Args:
        run: A run, or its folder.
        baseline: File made by ``robobench freeze`` or `freeze_baseline`.
        tolerance: Tolerated loss in points.
        alpha: Probability of a false alarm.
        allow_missing: Whether the run may lack cells of the baseline.
        unpaired: Whether to compare images that are not the baseline's, as two accuracies.

    Returns:
        Every comparison that was made.

    Raises:
        AssertionError: A method's mean or a cell lost more than the tolerance beyond chance, or a
            cell is missing; the message holds the table that ``robobench check`` prints.
        RobobenchError: The two cannot be compared, or the run is damaged.
    """
    __tracebackhide__ = True
    from robobench.checking.baseline import read_baseline
    from robobench.checking.check import check
    from robobench.checking.verify import whole_outcomes
    from robobench.reports.verdicts import as_text

    frozen = read_baseline(os.fspath(baseline))
    loaded = _loaded(run)
    result = check(
        *(whole_outcomes(loaded.folder, missing=True), loaded.manifest, frozen),
        tolerance=tolerance,
        alpha=alpha,
        allow_missing=allow_missing,
        unpaired=unpaired,
    )
    try:
        result.raise_if_failed()
    except CheckFailed as error:
        raise AssertionError(f"{error}\n\n{as_text(result)}") from None
    return result


def freeze_baseline(run: Run | str | os.PathLike[str], baseline: str | os.PathLike[str]) -> None:
    """Write the baseline file of a run, as ``robobench freeze`` does.

    Raises:
        RobobenchError: The run is not whole, or the file cannot be written.
    """
    from pathlib import Path

    from robobench.checking.baseline import freeze
    from robobench.checking.verify import whole_outcomes
    from robobench.files import write_aside

    loaded = _loaded(run)
    write_aside(Path(baseline), freeze(whole_outcomes(loaded.folder), loaded.manifest))


def _loaded(run: Any) -> Run:
    from robobench.results.run import load

    loaded: Run = load(os.fspath(run)) if isinstance(run, str | os.PathLike) else run
    return loaded
