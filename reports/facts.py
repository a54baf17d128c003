"""Verdicts as facts for the card at the top of a page."""

from __future__ import annotations

from typing import Literal

from robobench.analysis.pairwise import ALPHA
from robobench.reports.blocks import Fact
from robobench.reports.method_verdicts import Verdict


def fact_of(verdict: Verdict, reference: str) -> Fact:
    """A verdict as a fact; its colour follows from the test of its gain."""
    sentence, best = verdict.sentence(reference), verdict.best
    if best is None or verdict.missing:  # of an incomplete run the sentence alone
        return Fact(verdict.kind, "", None, None, "none", sentence)
    outcome: Literal["better", "worse", "none"] = "none"
    if best.is_better:
        outcome = "better"
    elif best.p <= ALPHA:
        outcome = "worse"
    return Fact(verdict.kind, best.row.label, best.value, verdict.recovered, outcome, sentence)
