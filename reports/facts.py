"""Verdicts as facts for the card at the top of a page."""

from __future__ import annotations

from typing import Literal

from robobench.analysis.statistics import CONFIDENCE
from robobench.reports.blocks import Fact
from robobench.reports.method_verdicts import Verdict


def fact_of(verdict: Verdict, reference: str) -> Fact:
    """A verdict as a fact; its colour follows from the test of its gain."""
    sentence = verdict.sentence(reference)
    if verdict.best is None or verdict.gain is None:
        return Fact(verdict.kind, "", None, None, "none", sentence)
    separate = verdict.p <= 1 - CONFIDENCE
    better = (verdict.gain.value or 0.0) > 0
    outcome: Literal["better", "worse", "none"] = "none"
    if separate:
        outcome = "better" if better else "worse"
    return Fact(
        verdict.kind, verdict.best.label, verdict.gain, verdict.recovered, outcome, sentence
    )
