"""Two runs as before and after: each method against itself, on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from robobench.analysis.comparison import Standing, adjust, pair_rows
from robobench.analysis.draws import DRAWS
from robobench.analysis.outcomes import Outcomes
from robobench.analysis.pairwise import ALPHA
from robobench.analysis.series import Series, series_of
from robobench.errors import RobobenchError

if TYPE_CHECKING:
    import pandas as pd

WORSE, SAME, BETTER = "worse", "same", "better"
_ORDER = (WORSE, BETTER, SAME)
_AFTER = " [after]"
_Key = tuple[str, str, str, str, str]  # dataset, split, backbone, method, trained_on


@dataclass(frozen=True)
class BeforeAfter:
    """What changed between two runs.

    Attributes:
        frame: A row per method and corruption (``clean``, each corruption, ``mean``), regressions
            first: outcome (``worse``, ``better`` or ``same``: what the tests say), dataset, split,
            backbone, method, corruption, n, cells, before, after, difference (after minus before)
            with ``_low`` and ``_high`` (95 %), better and worse (images with more, or fewer, cells
            right than before), p, p_holm, of. All fractions.
        notes: What was left out, as sentences.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


def before_after(
    before: Sequence[Outcomes], after: Sequence[Outcomes], draws: int = DRAWS
) -> BeforeAfter:
    """Compare the cells that two runs have in common, image by image.

    One set of tests: the means of all methods are one family of Holm's adjustment, clean images and
    single corruptions of all methods another. Where each run has one classifier and they have other
    names, these two are compared.

    Args:
        before: The outcomes of the first run.
        after: Those of the second, on the same data set.
        draws: Number of bootstrap samples.

    Raises:
        RobobenchError: They have no method, no cell or no image in common.
    """
    import pandas as pd

    notes: list[str] = []
    renamed = [
        replace(one, cell=replace(one.cell, method=one.cell.method + _AFTER)) for one in after
    ]
    first, second = ({one.cell.backbone for one in side} for side in (before, after))
    if len(first) == len(second) == 1 and first != second:
        (old,), (new,) = first, second
        notes.append(f"the classifier was `{old}` before and is `{new}` after")
        renamed = [replace(one, cell=replace(one.cell, backbone=old)) for one in renamed]
    everything = series_of([*before, *renamed], draws=draws)
    old_ones = {_key(s): s for s in everything if not s.method.endswith(_AFTER)}
    new_ones = {_key(s): s for s in everything if s.method.endswith(_AFTER)}
    known: dict[Any, Standing] = {}
    found: list[dict[str, Any]] = []
    names = [key[:4] for key in {**old_ones, **new_ones}]
    for key, one in old_ones.items():
        if key in new_ones:
            rows = pair_rows(one, new_ones[key], known)
            several = names.count(key[:4]) > 1  # trainings under one name
            found += [{**row, "a": one.label if several else one.method} for row in rows]
    if not found:
        raise RobobenchError(
            "the two runs have no cell in common: the same methods, corruptions and levels are needed"
        )
    for side, here, there in (("before", old_ones, new_ones), ("after", new_ones, old_ones)):
        only = sorted({key[3] for key in here if key not in there})
        if only:
            notes.append(f"only {side}: {', '.join(f'`{name}`' for name in only)}")
    notes += dict.fromkeys(note for s in everything for note in s.aligned.notes)
    ordered = sorted(
        map(_row, adjust(found)),
        key=lambda row: (
            _ORDER.index(row["outcome"]),
            row["difference"] if row["outcome"] == WORSE else -row["difference"],
        ),
    )
    return BeforeAfter(pd.DataFrame(ordered), tuple(notes))


def _key(series: Series) -> _Key:
    method = series.method.removesuffix(_AFTER)
    return series.dataset, series.split, series.backbone, method, series.trained_on


def _row(row: dict[str, Any]) -> dict[str, Any]:
    outcome = SAME
    if row["p_holm"] <= ALPHA:
        outcome = BETTER if row["difference"] > 0 else WORSE
    names = {"accuracy_a": "before", "accuracy_b": "after", "a": "method"}
    kept = {names.get(name, name): value for name, value in row.items() if name != "b"}
    return {"outcome": outcome, **kept}
