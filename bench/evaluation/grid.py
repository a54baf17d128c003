"""From names to cells: corruption selectors, lists of numbers, and their product."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.evaluation.level_design import LevelDesign, is_native
from robobench.types import CLEAN, Cell, Degradation
from robobench.weights.selection import SelectedMethod

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Numbers of one option, and levels of one sweep: more are a slip of the keyboard.
_MOST_NUMBERS, _MOST_LEVELS = 1000, 10_000
_SWEEP = re.compile(r"(?P<low>\d+(\.\d+)?)(-(?P<high>\d+(\.\d+)?)(/(?P<step>\d+(\.\d+)?))?)?")


def split_list(text: str | Iterable[str]) -> list[str]:
    """``"a, b"`` or ``["a", "b"]`` as a list of names without blanks or repetitions."""
    items = text.split(",") if isinstance(text, str) else [str(t) for t in text]
    return list(dict.fromkeys(t.strip() for t in items if t.strip()))


def parse_whole_numbers(
    text: str | int | Iterable[int], option: str, low: int, high: int
) -> list[int]:
    """``"1-3,5"`` as [1, 2, 3, 5].

    Args:
        text: Numbers and ranges separated by commas, or numbers.
        option: Name of the option, for messages.
        low: Smallest number allowed.
        high: Largest number allowed.

    Raises:
        RobobenchError: The text is not numbers, empty, or out of range.
    """
    if isinstance(text, int):
        text = [text]
    numbers: list[int] = []
    for part in split_list(text if isinstance(text, str) else map(str, text)):
        match = re.fullmatch(r"(-?\d{1,18})(?:-(\d{1,18}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not match or not low <= first <= last <= high:
            raise RobobenchError(
                f"{option}: expected numbers from {low} to {high} like '{low}-{min(high, low + 4)}' "
                f"or '{low},{low + 2}', got {part!r}"
            )
        if len(numbers) + last - first >= _MOST_NUMBERS:
            raise RobobenchError(
                f"{option}: expected at most {_MOST_NUMBERS} numbers, {part!r} makes it "
                f"{len(numbers) + last - first + 1}"
            )
        numbers.extend(range(first, last + 1))
    if not numbers:
        raise RobobenchError(f"{option}: at least one number is expected")
    return list(dict.fromkeys(numbers))


def parse_corruptions(
    selectors: str | Iterable[str], severities: Sequence[int], profile: str
) -> list[Degradation]:
    """The degradations that selectors stand for, except clean.

    A selector is a name, a group, a mixture ``a+b``, or one of the first two with native levels:
    ``jpeg:10``, ``jpeg:1-100``, ``jpeg:10-90/10``.

    Args:
        selectors: Selectors separated by commas, or a list.
        severities: Severities, 1 to 5, for selectors without levels.
        profile: Severity table.

    Returns:
        The degradations, each once, in the order named.

    Raises:
        RobobenchError: A name is unknown, or a level is out of range or not available.
    """
    found: dict[Degradation, None] = {}
    for selector in split_list(selectors):
        name, colon, levels = selector.partition(":")
        if name == CLEAN:
            continue
        if name.replace(".", "", 1).isdigit():
            raise RobobenchError(
                f"--corruptions: a corruption is expected, got {name!r}; several levels of one are "
                f"written 'jpeg:10-50/10', or each with its name: 'jpeg:10,jpeg:{name}'"
            )
        for corruption in catalogue.expand(name):
            if colon:
                new = [
                    catalogue.at_level(corruption, v) for v in _levels(corruption, levels, selector)
                ]
            else:
                new = [catalogue.at_severity(corruption, s, profile) for s in severities]
            found.update(dict.fromkeys(new))
    if not found:
        raise RobobenchError(
            "--corruptions: at least one is expected, for example 'jpeg,noise', 'common' or "
            "'jpeg:10-90/10'; `robobench list corruptions` shows all"
        )
    return list(found)


def _levels(corruption: str, text: str, selector: str) -> list[float]:
    match = _SWEEP.fullmatch(text.strip())
    if match is None:
        raise RobobenchError(
            f"{selector!r}: levels are written like '{corruption}:10', '{corruption}:10-50' or "
            f"'{corruption}:10-50/10'"
        )
    low = float(match["low"])
    high = float(match["high"] or low)
    step = float(match["step"] or 1)
    if high < low or step <= 0:
        raise RobobenchError(f"{selector!r}: expected LOW-HIGH/STEP with LOW <= HIGH and STEP > 0")
    steps = (high - low) / step
    if not steps < _MOST_LEVELS:  # nor infinity or NaN
        raise RobobenchError(
            f"{selector!r}: expected at most {_MOST_LEVELS} levels; a larger STEP gives fewer"
        )
    count = int(steps + 1e-9) + 1
    return [round(low + i * step, 6) for i in range(count)]


def parse_shard(text: str) -> tuple[int, int]:
    """``"3/8"`` as (3, 8).

    Raises:
        RobobenchError: It is not the number of a shard and how many there are.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise RobobenchError(
            f"--shard: expected a number and how many there are, from '1/8' to '8/8', got {text!r}"
        )
    return number, count


@dataclass(frozen=True)
class Grid:
    """The dimensions of a run, whose product is `cells`.

    Attributes:
        dataset: Name of the data set, without a path.
        split: Split of the data set.
        geometry: `Geometry.key`.
        corrupt_at: ``crop`` or ``native``.
        degradations: The degradations except clean, which is always added.
        methods: The methods, in the order of the tables.
        seeds: Seeds of the corruptions.
        dataset_version: As `Cell.dataset_version`.
        only: The conditions that this part of a grid has; None for all.
        shard: Number of the part that this is, and of how many: a part has every so many of the
            conditions.
        keep_logits: Whether cells have to hold logits: those without them count as missing.
        designs: By corruption, which images are evaluated at which level, where not all are.
    """

    dataset: str
    split: str
    geometry: str
    corrupt_at: str
    degradations: tuple[Degradation, ...]
    methods: tuple[SelectedMethod, ...]
    seeds: tuple[int, ...] = (0,)
    dataset_version: str = ""
    only: frozenset[tuple[Degradation, int]] | None = None
    shard: tuple[int, int] = (1, 1)
    keep_logits: bool = False
    designs: Mapping[str, LevelDesign] = field(default_factory=dict)

    def part(self, shard: str | None) -> Grid:
        """The part that a shard, such as ``3/8``, has of this grid; all of it without one.

        Raises:
            RobobenchError: See `parse_shard`.
        """
        return self if shard is None else replace(self, shard=parse_shard(shard))

    def conditions(self) -> list[tuple[Degradation, int]]:
        """Degradation and seed, clean first; deterministic corruptions run once, with seed 0."""
        number, count = self.shard
        part = self._all_conditions()[number - 1 :: count]
        return part if self.only is None else [c for c in part if c in self.only]

    def _all_conditions(self) -> list[tuple[Degradation, int]]:
        pairs = [(Degradation(CLEAN), 0)]
        for degradation in self.degradations:
            random = catalogue.is_random(degradation.corruption)
            pairs += [(degradation, seed) for seed in (self.seeds if random else (0,))]
        return pairs

    def design(self, degradation: Degradation) -> LevelDesign | None:
        """Which images are evaluated under a degradation; None for all."""
        found = self.designs.get(degradation.corruption)
        return found if found is not None and is_native(degradation) else None

    def cell(self, method: SelectedMethod, degradation: Degradation, seed: int) -> Cell | None:
        """The cell of a method under a condition; None where it is not applicable."""
        if not degradation.is_clean and method.refuses(degradation.corruption):
            return None
        design = self.design(degradation)
        return Cell(
            dataset=self.dataset,
            split=self.split,
            geometry=self.geometry,
            corrupt_at=self.corrupt_at,
            profile=degradation.profile,
            corruption=degradation.corruption,
            level=degradation.level,
            seed=seed,
            method=method.name,
            backbone=method.backbone.label,
            weights=method.digest(degradation.corruption),
            trained_on=method.trained_on,
            train_seed=method.train_seed,
            normalisation=method.backbone.geometry.normalisation,
            layer=method.layer,
            method_version=method.version,
            corruption_version=catalogue.version_of(degradation),
            dataset_version=self.dataset_version,
            backbone_version=method.backbone.version,
            compiled=method.compiled,
            sweep="" if design is None else design.sweep,
        )

    def sizes(self, order: NDArray[np.int64]) -> dict[Cell, int]:
        """The number of images of each cell that does not have all of an order."""
        found: dict[Cell, int] = {}
        for degradation, seed in self.conditions():
            design = self.design(degradation)
            if design is None:
                continue
            images = len(design.images(degradation.level, order, seed))
            cells = (self.cell(method, degradation, seed) for method in self.methods)
            found |= {cell: images for cell in cells if cell is not None}
        return found

    def cells(self) -> list[Cell]:
        """All cells, clean first."""
        return [
            cell
            for degradation, seed in self.conditions()
            for method in self.methods
            if (cell := self.cell(method, degradation, seed)) is not None
        ]


def saved_as_jpeg85(degradations: Iterable[Degradation]) -> list[Degradation]:
    """The same degradations, each followed by JPEG of quality 85, as ImageNet-C was saved."""
    return [replace(d, profile=f"{d.profile}+jpeg85") for d in degradations]
