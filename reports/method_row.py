"""A method as a row of tables and a line in plots, with its marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robobench.types import is_matched

if TYPE_CHECKING:
    import pandas as pd

ORACLE, BANK, ADAPTS = "\N{DAGGER}", "\N{DOUBLE DAGGER}", "\N{SECTION SIGN}"
MARKS = {
    ORACLE: "oracle: knows the true level or corruption, which is unknown in deployment",
    BANK: "a bank: for each corruption the weights trained on it, so it knows the corruption",
    ADAPTS: "adapts to the batch: a prediction depends on the other images in the batch",
}


def unmarked(heading: str) -> str:
    """A heading without the marks after the name."""
    return heading.rstrip("".join(MARKS)).rstrip() if heading.endswith(tuple(MARKS)) else heading


def is_told(oracle: bool, trained_on: str) -> bool:
    """Whether a method knows what no deployment knows: the corruption or its strength."""
    return oracle or is_matched(trained_on)


@dataclass(frozen=True)
class MethodRow:
    """A method of a leaderboard.

    Attributes:
        label: Its name, with ``@TRAINED_ON`` where the leaderboard has it more than once.
        method: As `Cell.method`.
        trained_on: As `Cell.trained_on`.
        oracle: Whether it knows what is unknown in deployment.
        adapts: Whether it adapts to the batch.
        parameters: Number of parameters, or None where the run does not record it.
        macs: Multiply-adds per image, or None.
        milliseconds: Measured time per image, or None.
        timed_on: The machine that it was measured on, in words.
        run: Name of its run among several; in `label` where others have a method of this name that differs.
    """

    label: str
    method: str
    trained_on: str
    oracle: bool = False
    adapts: bool = False
    parameters: float | None = None
    macs: float | None = None
    milliseconds: float | None = None
    timed_on: str = ""
    run: str = ""

    @property
    def told(self) -> bool:
        """See `is_told`."""
        return is_told(self.oracle, self.trained_on)

    @property
    def marks(self) -> str:
        """The marks that are explained under a table."""
        signs = ((self.oracle, ORACLE), (is_matched(self.trained_on), BANK), (self.adapts, ADAPTS))
        return "".join(sign for told, sign in signs if told)

    @property
    def heading(self) -> str:
        """Label and marks: ``jpg-trueqf †``."""
        return f"{self.label} {self.marks}".rstrip()

    @property
    def within_run(self) -> tuple[str, str]:
        """The name of its run, and its heading without that."""
        return self.run or "all", self.heading.replace(f" [{self.run}]", "", 1)

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The method's rows of a long table."""
        mine = (frame["method"] == self.method) & (frame["trained_on"] == self.trained_on)
        return frame[mine]


def headings(rows: Sequence[MethodRow]) -> pd.Index:
    """The row headings of a table of methods, with a column ``run`` where runs differ in some."""
    import pandas as pd

    if any(row.run and row.method.endswith(f" [{row.run}]") for row in rows):
        return pd.MultiIndex.from_tuples([row.within_run for row in rows], names=["run", "method"])
    return pd.Index([row.heading for row in rows], dtype=object)
