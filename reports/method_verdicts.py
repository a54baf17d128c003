"""Which remedy is best: one verdict on those usable as they are, one on those told the corruption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robobench.analysis.pairwise import ALPHA, PairwiseTests
from robobench.reports.blocks import Value
from robobench.reports.completeness import is_applicable, lacks_cells, whole_corruptions
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow
from robobench.types import CLEAN

USABLE, TOLD = "Usable as it is", "Told the corruption"


@dataclass(frozen=True)
class Gain:
    """The gain of a method over the reference in the mean over corruptions.

    Attributes:
        row: The method.
        value: The paired gain, a fraction with its interval.
        p: Adjusted for all pairs of methods (Holm).
    """

    row: MethodRow
    value: Value
    p: float

    @property
    def is_better(self) -> bool:
        """Whether the tests separate it from the reference, and it is better."""
        return self.p <= ALPHA and (self.value.value or 0) > 0

    @property
    def said(self) -> str:
        """``+3.4 points [+2.1, +4.7] (p = 0.002)``."""
        p = Value(self.p, unit="p").text
        chance = f"p {p}" if p.startswith("<") else f"p = {p}"
        return f"{self.value.text} points {self.value.interval} ({chance})".replace("  ", " ")


@dataclass(frozen=True)
class Verdict:
    """What the tests say of some methods, in the mean over corruptions.

    Attributes:
        kind: `USABLE` or `TOLD`.
        gains: Of every method that has all cells, the most accurate first.
        best: The most accurate of those that the tests find better than the reference; else the
            most accurate; None if there is none.
        ties: Methods of the kind that the tests do not separate from it.
        recovered: The share of the loss that it recovers.
        lacking: Methods that are left out because they are not applicable to all corruptions.
        missing: What cells are missing, as phrases: then there is no verdict yet.
        over: The corruptions that are compared in this case.
    """

    kind: str
    gains: tuple[Gain, ...] = ()
    best: Gain | None = None
    ties: tuple[MethodRow, ...] = ()
    recovered: Value | None = None
    lacking: tuple[MethodRow, ...] = ()
    missing: tuple[str, ...] = ()
    over: tuple[str, ...] = ()

    def sentence(self, reference: str) -> str:
        """The verdict in words."""
        left = f" Left out, as not applicable to all corruptions: {_names(self.lacking)}."
        left = left if self.lacking else ""
        if not self.missing:
            return f"{self.kind}: {self._claim(reference)}.{left}"
        said = f"{self.kind}: no verdict yet, as cells are missing ({'; '.join(self.missing)})"
        if not self.over:
            return f"{said}; no corruption is whole.{left}"
        over = ", ".join(f"`{name}`" for name in self.over)
        return f"{said}. Over what is whole, {over}: {self._claim(reference)}.{left}"

    def _claim(self, reference: str) -> str:
        best = self.best
        if best is None and self.lacking:
            return f"no method beside `{reference}` is applicable to all corruptions"
        if best is None and self.over:
            return f"nothing can be compared with `{reference}`"
        if best is None:
            return f"no method beside `{reference}` was evaluated"
        name = f"`{best.row.label}`"
        level = f"; level with {_names(self.ties)}" if self.ties else ""
        if not best.is_better:
            if best.p > ALPHA:
                told = f"no method is separated from `{reference}` as better"
            else:
                told = f"no method is better than `{reference}`"
            return f"{told}; the best, {name}, differs by {best.said}{level}"
        said = f"{name} gains most over `{reference}`, {best.said}"
        if self.recovered is not None and self.recovered.value is not None:
            said += f", {self.recovered.text} % of the loss"
        first = self.gains[0]
        if first is not best:
            said += f"; `{first.row.label}`, at {first.said}, is not separated from `{reference}`"
        return f"{said}{level}"


def verdicts(board: Leaderboard) -> list[Verdict]:
    """Both verdicts, where there is a reference and a degraded cell.

    The tests of all pairs of methods decide (`Leaderboard.tests`). Where cells are missing, only
    what is whole is compared.
    """
    if board.reference_row is None or not board.corruptions:
        return []
    missing, over, tests = lacks_cells(board), board.corruptions, board.tests
    if missing:
        over = whole_corruptions(board)
        tests = PairwiseTests(board.series, {c: board.levels[c] for c in (CLEAN, *over)})
    kinds = {
        USABLE: [row for row in board.others if not row.told],
        TOLD: [row for row in board.others if row.told],
    }
    return [
        _verdict(board, kind, rows, tests, missing, over) if rows else Verdict(kind)
        for kind, rows in kinds.items()
    ]


def _verdict(
    board: Leaderboard,
    kind: str,
    rows: Sequence[MethodRow],
    tests: PairwiseTests,
    missing: Sequence[str],
    over: Sequence[str],
) -> Verdict:
    known = {row.label: row for row in rows}
    ranked = [known[label] for label in tests.ranked(MEAN, known)]
    gains = []
    for row in ranked:
        gain = tests.gain(MEAN, board.reference, row.label)
        if gain is not None:
            value = Value(gain.value, gain.low, gain.high, "points")
            gains.append(Gain(row, value, tests.p(MEAN, board.reference, row.label)))
    best = next((gain for gain in gains if gain.is_better), gains[0] if gains else None)
    level = tests.level_with(MEAN, best.row.label, known) if best else []
    return Verdict(
        kind,
        tuple(gains),
        best,
        tuple(known[label] for label in level),
        board.summed(best.row, MEAN, "recovered") if best and not missing else None,
        tuple(row for row in rows if row not in ranked and not is_applicable(board, row)),
        tuple(missing),
        tuple(over) if missing else (),
    )


def _names(rows: Sequence[MethodRow]) -> str:
    return ", ".join(f"`{row.label}`" for row in rows)
