"""pytest's plug-in: the fixture ``no_regression`` and the option ``--robobench-freeze``.

Installing robobench installs it. It loads nothing else of robobench until a test uses the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from robobench.checking.verdict import CheckResult
    from robobench.results.run import Run

_FREEZE = "--robobench-freeze"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--robobench-freeze``."""
    group = parser.getgroup("robobench", "robustness of image classifiers")
    group.addoption(
        _FREEZE,
        action="store_true",
        help="write the baselines of no_regression, and skip the tests",
    )


class NoRegression:
    """Evaluates, or takes a run, and asserts that it is not worse than its baseline.

    Args:
        beside: Folder that a relative baseline is in: that of the test's file.
        scratch: Folder for runs.
        freezes: Whether to write baselines instead.
    """

    def __init__(self, beside: Path, scratch: Path, *, freezes: bool) -> None:
        self._beside = beside
        self._scratch = scratch
        self._freezes = freezes
        self._count = 0

    def __call__(
        self,
        run: Run | str | Path | None = None,
        *,
        baseline: str | Path,
        tolerance: float = 0.5,
        alpha: float = 0.05,
        allow_missing: bool = False,
        unpaired: bool = False,
        **settings: Any,
    ) -> CheckResult:
        """Check a run against a baseline.

        Args:
            run: A run or its folder; None evaluates with the settings.
            baseline: Its file, relative to the folder of the test's file.
            tolerance: Tolerated loss in points.
            alpha: Probability of a false alarm.
            allow_missing: Whether the run may lack cells of the baseline.
            unpaired: Whether to compare images that are not the baseline's, as two accuracies.
            settings: Arguments of `robobench.run`.

        Returns:
            Every comparison that was made.

        Raises:
            AssertionError: It is worse; see `robobench.testing.assert_no_regression`.
            RobobenchError: The baseline is missing, or the two cannot be compared.
        """
        __tracebackhide__ = True
        from robobench.errors import RobobenchError
        from robobench.testing.regression import assert_no_regression, freeze_baseline

        if (run is None) == (not settings):
            raise RobobenchError(
                "no_regression: a run, or the arguments of robobench.run, are expected, got "
                f"{'neither' if run is None else 'both'}"
            )
        file = self._beside / baseline
        if not file.exists() and not self._freezes:
            raise RobobenchError(f"{file}: no such baseline; `pytest {_FREEZE}` writes it")
        made = self._evaluate(settings) if run is None else run
        if self._freezes:
            freeze_baseline(made, file)
            pytest.skip(f"wrote {file}")
        return assert_no_regression(
            *(made, file),
            tolerance=tolerance,
            alpha=alpha,
            allow_missing=allow_missing,
            unpaired=unpaired,
        )

    def _evaluate(self, settings: dict[str, Any]) -> Run:
        import robobench

        self._count += 1
        made: Run = robobench.run(**{"out": self._scratch / str(self._count), **settings})
        return made


@pytest.fixture
def no_regression(request: pytest.FixtureRequest, tmp_path: Path) -> NoRegression:
    """Assert that a classifier has not become less robust: see `NoRegression`."""
    return NoRegression(
        request.path.parent, tmp_path / "robobench", freezes=request.config.getoption(_FREEZE)
    )
