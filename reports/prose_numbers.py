r"""The numbers of a run as LaTeX macros, for sentences that stay right when a run is repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from robobench.reports.blocks import Value
from robobench.reports.leaderboard import MEAN, Leaderboard
from robobench.reports.ranking import differences
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.reports.method_row import MethodRow

_PREFIX = "rb"  # short, and the start of no command of LaTeX
_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_WORD = re.compile(r"[A-Za-z]+|[0-9]")


def macros(boards: Sequence[Leaderboard]) -> str:
    r"""A ``\newcommand`` for each number, with a comment for each method.

    Names are ``\rb`` and the words of a method's label and of what is told of it, without anything
    but letters: ``\rbAfdMean`` is the mean accuracy of ``afd``, ``\rbAfdMeanInterval`` its 95 %
    interval. Several leaderboards put data set and classifier in front.
    """
    taken: set[str] = set()
    lines = [
        "% Numbers for prose: percent, points for gains and drops. Where two names would be the same,",
        "% the second ends in B.",
    ]
    for board in boards:
        front = "" if board.alone else letters(f"{board.dataset} {board.split} {board.backbone}")
        lines += ["", f"% {_comment(board.title)}"]
        facts = [("Images", f"{board.images:,}".replace(",", "{,}"))]
        facts += [("Corruptions", str(len(board.corruptions))), ("Methods", str(len(board.rows)))]
        lines += [_macro(front + name, text, taken) for name, text in facts]
        for row in board.rows:
            lines += ["", f"% {_comment(row.heading)}"]
            label = front + letters(row.label)
            lines += [
                _macro(label + name + end, text, taken)
                for name, value in _numbers(board, row)
                for end, text in _texts(value)
            ]
    return "\n".join(lines) + "\n"


def letters(name: str) -> str:
    """A name in letters only, as macros need: each word starts with a capital, digits are words.

    >>> letters("afd@jpeg#10")
    'AfdJpegOneZero'
    """
    words = _WORD.findall(name)
    return "".join(
        _DIGITS[int(word)] if word.isdigit() else word[:1].upper() + word[1:] for word in words
    )


def _macro(name: str, text: str, taken: set[str]) -> str:
    while name in taken:
        name += "B"
    taken.add(name)
    return f"\\newcommand{{\\{_PREFIX}{name}}}{{{text}}}"


def _numbers(board: Leaderboard, row: MethodRow) -> Iterator[tuple[str, Value]]:
    """The name and value of everything that is known of a method."""
    yield "Clean", board.clean(row)
    for condition in board.degraded:
        name = "Mean" if condition == MEAN else letters(condition)
        yield name, board.summed(row, condition, "accuracy")
    whole = MEAN if MEAN in board.degraded else "".join(board.degraded)
    if whole:
        yield "Drop", board.summed(row, whole, "drop")
        yield "CE", board.summed(row, whole, f"CE[{board.reference}]")
        if row.label != board.reference:
            yield "Recovered", board.summed(row, whole, "recovered")
    reference = board.reference_row
    if reference is None or row is reference:
        return
    gains = differences(board, reference, row)
    for condition, name in ((CLEAN, "GainClean"), (whole, "Gain")):
        if condition in gains:
            gain = gains[condition]
            yield name, Value(gain.value, gain.low, gain.high, "points")
            yield f"{name}P", Value(board.tests.p(condition, reference.label, row.label), unit="p")


def _texts(value: Value) -> Iterator[tuple[str, str]]:
    """The number and its interval, each with the end of its macro's name; nothing for a dash."""
    if value.missing:
        return
    sign = r"\ensuremath{=}" if value.unit == "p" and value.text[:1].isdigit() else ""
    yield "", sign + _escaped(value.text)
    if value.ends:
        yield "Interval", _escaped(value.interval)


def _escaped(text: str) -> str:
    """A number that is right in text and in mathematics."""
    plain = text.replace("\N{MINUS SIGN}", "-")
    return re.sub(r"^([<-])\s*", r"\\ensuremath{\1}", plain).replace("[-", r"[\ensuremath{-}").replace(
        ", -", r", \ensuremath{-}"
    )  # fmt: skip


def _comment(text: str) -> str:
    return " ".join(text.replace("`", "").split())
