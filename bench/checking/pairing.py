"""Which cells of a run and of its baseline are compared, and which of them image by image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robobench.analysis.outcomes import Outcomes, Tally
from robobench.errors import RobobenchError
from robobench.types import Cell

_CHANGING = ("method_version", "backbone_version", "compiled")  # told where they differ
_IGNORED = ("weights", "sweep", *_CHANGING)
# Fields in which the two may differ where each has one value for a classifier, and their names.
_RENEWED = {
    "geometry": "geometry",
    "train_seed": "train seed",
    "normalisation": "normalisation",
    "layer": "layer",
}


@dataclass(frozen=True)
class Pair:
    """A cell of the baseline and its counterpart in the run.

    Attributes:
        before: That of the baseline.
        after: That of the run.
        on_the_same_images: Whether each image of the baseline's is known, and in the run as well.
    """

    before: Outcomes | Tally
    after: Outcomes
    on_the_same_images: bool


@dataclass(frozen=True)
class Pairing:
    """What is compared with what.

    Attributes:
        pairs: The cells that both have.
        added: Those that only the run has.
        lacking: Those that only the baseline has.
        notes: What differs within pairs besides the predictions, one sentence each.
    """

    pairs: tuple[Pair, ...]
    added: tuple[Outcomes, ...]
    lacking: tuple[Outcomes | Tally, ...]
    notes: tuple[str, ...]


def pair(
    now: Sequence[Outcomes],
    before: Sequence[Outcomes | Tally],
    *,
    untold: Sequence[str] = (),
    other_images: bool = False,
    unpaired: bool = False,
) -> Pairing:
    """Find the counterpart of each cell.

    Args:
        now: The cells of the run.
        before: Those of the baseline.
        untold: Fields of cells that the baseline does not tell.
        other_images: Whether the run's images are others, so that their numbers say nothing.
        unpaired: Whether cells may be compared whose images differ.

    Raises:
        RobobenchError: Two cells of the run have the same counterpart, or images of the baseline are
            missing and `unpaired` is not set.
    """
    alike = _Alike(now, before, untold)
    notes = [*alike.notes]
    where = "" if other_images else " on the same images"
    notes += [
        f"corruption seed {ours} of {name} now, {theirs} in the baseline: other noise{where}"
        for (name, ours), theirs in alike.seeds.items()
    ]
    table: dict[tuple[Any, ...], Outcomes] = {}
    for outcomes in now:
        key = alike.key(outcomes.cell, of_run=True)
        if key in table:
            here, there = asdict(outcomes.cell), asdict(table[key].cell)
            differ = [name for name, value in here.items() if value != there[name]]
            raise RobobenchError(
                f"two cells of the run differ only in {' and '.join(differ)}, which the check does not look "
                f"at: {outcomes.cell.title}; give each its own run (--out) and check one at a time"
            )
        table[key] = outcomes
    pairs: list[Pair] = []
    lacking: list[Outcomes | Tally] = []
    for old in before:
        new = table.pop(alike.key(old.cell), None)
        if new is None:
            lacking.append(old)
        else:
            same = (
                not other_images
                and isinstance(old, Outcomes)
                and _has_images_of(new, old, unpaired=unpaired)
            )
            pairs.append(Pair(old, new, same))
    notes += _versions(pairs, untold)
    notes += _about_images(pairs)
    return Pairing(tuple(pairs), tuple(table.values()), tuple(lacking), tuple(notes))


class _Alike:
    """By which fields cells are counterparts.

    Attributes:
        notes: What differs among fields that are not looked at.
        seeds: For a corruption and a seed of the run: the baseline's seed in whose place it stands.
    """

    def __init__(
        self,
        now: Sequence[Outcomes],
        before: Sequence[Outcomes | Tally],
        untold: Sequence[str],
    ) -> None:
        self._always = {*_IGNORED, *untold}
        self._by_classifier: dict[str, set[str]] = {}
        self.notes: list[str] = []
        sides = [[outcomes.cell for outcomes in side] for side in (now, before)]
        ours, theirs = ({cell.backbone for cell in side} for side in sides)
        if "backbone" not in untold and len(ours) == len(theirs) == 1:
            self._always.add("backbone")
            if ours != theirs:
                (here,), (there,) = ours, theirs
                self.notes.append(f"classifier {here} now, {there} in the baseline")
        if "backbone" in self._always:
            self._compare("", *sides)
        else:
            for name in sorted(ours & theirs):
                of = [[cell for cell in side if cell.backbone == name] for side in sides]
                self._compare(name, *of)
        self.seeds = {} if "seed" in untold else _matched_seeds(now, before)

    def _compare(self, classifier: str, ours: Sequence[Cell], theirs: Sequence[Cell]) -> None:
        """Which fields of one classifier have one value on each side."""
        whose = f" of {classifier}" if classifier else ""
        ignored = self._by_classifier.setdefault(classifier, set())
        for field, word in _RENEWED.items():
            here, there = ({getattr(cell, field) for cell in side} for side in (ours, theirs))
            if len(here) == len(there) == 1 and field not in self._always:
                ignored.add(field)
                if here != there:
                    self.notes.append(
                        f"{word}{whose} {here.pop()} now, {there.pop()} in the baseline"
                    )

    def ignored(self, cell: Cell) -> set[str]:
        """The fields that are not looked at."""
        classifier = "" if "backbone" in self._always else cell.backbone
        return self._always | self._by_classifier.get(classifier, set())

    def key(self, cell: Cell, *, of_run: bool = False) -> tuple[Any, ...]:
        """Equal for counterparts."""
        values = asdict(cell)
        if of_run:
            values["seed"] = self.seeds.get((cell.corruption, cell.seed), cell.seed)
        ignored = self.ignored(cell)
        return tuple(value for name, value in values.items() if name not in ignored)


def _matched_seeds(
    now: Sequence[Outcomes], before: Sequence[Outcomes | Tally]
) -> dict[tuple[str, int], int]:
    """Seeds of corruptions that only the run has, each in the place of one that only the baseline has."""
    seeds: tuple[dict[str, set[int]], ...] = (defaultdict(set), defaultdict(set))
    for side, found in zip(seeds, (now, before), strict=True):
        for outcomes in found:
            side[outcomes.cell.corruption].add(outcomes.cell.seed)
    ours, theirs = seeds
    return {
        (name, here): there
        for name in sorted(ours.keys() & theirs.keys())
        for here, there in zip(
            sorted(ours[name] - theirs[name]), sorted(theirs[name] - ours[name]), strict=False
        )
    }


def _has_images_of(new: Outcomes, old: Outcomes, *, unpaired: bool) -> bool:
    """Whether a cell of the run has all images of the baseline's; refused if it has to and has not."""
    absent = np.setdiff1d(old.index, new.index)
    if len(absent) and not unpaired:
        how = "all levels, or more per image" if new.cell.sweep else ""
        raise RobobenchError(
            f"not comparable: {len(absent)} of the baseline's {len(old.index)} images are missing from "
            f"{new.cell.title}; run with {how or f'--limit {len(old.index)} or more'}, or compare "
            "other images with --unpaired"
        )
    return not len(absent)


def _versions(pairs: Sequence[Pair], untold: Sequence[str]) -> list[str]:
    """The versions of methods and classifiers that differ, and what compiled them."""
    notes: list[str] = []
    for name in _CHANGING:
        changed = {
            f"{pair.after.cell.label}: {name.replace('_', ' ')} "
            f"{getattr(pair.after.cell, name) or 'none'} now, "
            f"{getattr(pair.before.cell, name) or 'none'} in the baseline"
            for pair in pairs
            if getattr(pair.before.cell, name) != getattr(pair.after.cell, name)
            and name not in untold
        }
        notes += sorted(changed)
    return notes


def _about_images(pairs: Sequence[Pair]) -> list[str]:
    """Images that are not compared one by one."""
    notes = []
    more = max(
        (
            len(pair.after.index) - len(pair.before.index)
            for pair in pairs
            if pair.on_the_same_images and isinstance(pair.before, Outcomes)
        ),
        default=0,
    )
    if more:
        notes.append(f"the run has up to {more} images more than the baseline; they are ignored")
    for unknown, why in (
        (True, "the baseline has numbers of right images only"),
        (False, "their images are not those of the baseline"),
    ):
        count = sum(
            not pair.on_the_same_images and isinstance(pair.before, Tally) == unknown
            for pair in pairs
        )
        if count:
            notes.append(f"{count} of {len(pairs)} cells are compared unpaired: {why}")
    return notes


def labels(cells: Sequence[Cell]) -> dict[Cell, str]:
    """Labels of methods: with ``@TRAINED_ON`` and the classifier only where there are several."""
    trained: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        trained[cell.method].add(cell.trained_on)
    several = len({cell.backbone for cell in cells} - {""}) > 1
    return {
        cell: (cell.label if len(trained[cell.method]) > 1 else cell.method)
        + (f" of {cell.backbone}" if several and cell.backbone else "")
        for cell in cells
    }


def by_label(cells: Sequence[Cell], label_of: Mapping[Cell, str]) -> dict[str, list[int]]:
    """The places of the cells of each label: what a mean is over."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, cell in enumerate(cells):
        groups[label_of[cell]].append(place)
    return dict(groups)
