"""Which remedy is best: one verdict on those usable as they are, one on those told the corruption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robobench.analysis.comparison import difference_between
from robobench.analysis.statistics import CONFIDENCE, holm
from robobench.reports.blocks import Value
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.method_row import MethodRow
from robobench.types import CLEAN, is_matched

USABLE, TOLD = "Usable as it is", "Told the corruption"
_ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True)
class Verdict:
    """The best of some methods over the mean of all corruptions.

    Attributes:
        kind: `USABLE` or `TOLD`.
        best: The method with the highest accuracy; None if there is none with all cells.
        gain: Its paired gain over the reference, a fraction with its interval.
        p: Of this gain, adjusted for all methods of the kind (Holm).
        ties: Methods that the tests do not separate from it.
        recovered: The share of the loss that it recovers.
        lacking: Methods that are left out because they lack cells.
    """

    kind: str
    best: MethodRow | None = None
    gain: Value | None = None
    p: float = 1.0
    ties: tuple[MethodRow, ...] = ()
    recovered: Value | None = None
    lacking: tuple[MethodRow, ...] = ()

    def sentence(self, reference: str) -> str:
        """The verdict in words."""
        left = ", ".join(f"`{row.label}`" for row in self.lacking)
        left = f" Left out, as cells are missing: {left}." if left else ""
        if self.best is None or self.gain is None:
            return f"{self.kind}: no method beside `{reference}` was evaluated.{left}"
        name, shown = f"`{self.best.label}`", f"{self.gain.text} points {self.gain.interval}"
        p = Value(self.p, unit="p").text
        chance = f"p {p}" if p.startswith("<") else f"p = {p}"
        if self.p > _ALPHA:
            return (
                f"{self.kind}: no method is separated from `{reference}`; the best, {name}, differs by "
                f"{shown} ({chance}).{left}"
            )
        if (self.gain.value or 0) < 0:
            return (
                f"{self.kind}: no method is better than `{reference}`; the best, {name}, differs by "
                f"{shown} ({chance}).{left}"
            )
        said = f"{self.kind}: {name} gains most over `{reference}`, {shown} ({chance})"
        if self.recovered is not None and self.recovered.value is not None:
            said += f", {self.recovered.text} % of the loss"
        if self.ties:
            said += f"; level with {', '.join(f'`{row.label}`' for row in self.ties)}"
        return f"{said}.{left}"


def verdicts(board: Leaderboard) -> list[Verdict]:
    """Both verdicts, where there is a reference and a degraded cell.

    One test decides: the exact sign-flip test over images on the mean over corruptions, adjusted by
    Holm's method for the methods of a kind.
    """
    if board.reference_row is None or not board.corruptions:
        return []
    told = [row for row in board.others if is_told(row)]
    usable = [row for row in board.others if not is_told(row)]
    return [_verdict(board, USABLE, usable), _verdict(board, TOLD, told)]


def is_told(row: MethodRow) -> bool:
    """Whether a method knows what no deployment knows: the corruption or its strength."""
    return row.oracle or is_matched(row.trained_on)


def _verdict(board: Leaderboard, kind: str, rows: Sequence[MethodRow]) -> Verdict:
    reference = board.reference_row
    assert reference is not None
    whole = [row for row in rows if board.summed(row, MEAN, "accuracy").value is not None]
    lacking = tuple(row for row in rows if row not in whole)
    if not whole or board.summed(reference, MEAN, "accuracy").value is None:
        return Verdict(kind, lacking=lacking)
    ranked = sorted(whole, key=lambda row: -(board.summed(row, MEAN, "accuracy").value or 0))
    best = ranked[0]
    gains = [_difference(board, reference, row) for row in ranked]
    adjusted = holm([p for _, p in gains])
    rivals = [_difference(board, row, best)[1] for row in ranked[1:]]
    separate = [p <= _ALPHA for p in holm(rivals)]
    return Verdict(
        kind,
        best,
        gains[0][0],
        float(adjusted[0]),
        tuple(row for row, apart in zip(ranked[1:], separate, strict=True) if not apart),
        board.summed(best, MEAN, "recovered"),
        lacking,
    )


def _difference(board: Leaderboard, a: MethodRow, b: MethodRow) -> tuple[Value, float]:
    """The paired gain of `b` over `a` in the mean over corruptions, and its p."""
    first, second = board.series[a.label], board.series[b.label]
    common = [d for d in first.accuracies if d in second.accuracies and d.corruption != CLEAN]
    parts = [[d for d in common if d.corruption == name] for name in board.corruptions]
    row = difference_between(first, second, MEAN, [part for part in parts if part])
    gain = Value(row["difference"], row["difference_low"], row["difference_high"], "points")
    return gain, float(row["p"])
