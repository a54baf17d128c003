"""What a paper published, as data: rows, columns, numbers, and what measures them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from robobench.errors import RobobenchError
from robobench.evaluation.grid import parse_corruptions
from robobench.registry import REPRODUCTIONS
from robobench.types import CLEAN, Degradation

Statistic = Literal["accuracy", "level mean", "level sd"]
_SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Column:
    """A column: the plain mean over some degradations.

    Attributes:
        name: As files have it: ``Acc(1,20)``.
        corruptions: Selector as ``robobench run --corruptions`` takes it (``jpeg:1-20``; without
            levels severities 1 to 5), or ``clean``.
        short: Heading where room is scarce; the name if empty.
    """

    name: str
    corruptions: str
    short: str = ""

    @property
    def heading(self) -> str:
        """For a terminal."""
        return self.short or self.name

    def degradations(self, profile: str) -> list[Degradation]:
        """What it is the mean of.

        Args:
            profile: Severity table, for selectors without levels.

        Raises:
            RobobenchError: The selector is none.
        """
        if self.corruptions == CLEAN:
            return [Degradation(CLEAN)]
        return parse_corruptions(self.corruptions, _SEVERITIES, profile)


@dataclass(frozen=True)
class Row:
    """A row: one statistic of one method.

    Attributes:
        method: Registered name, or ``NAME@TRAINED_ON``.
        heading: What the paper calls it; the method's name if empty.
        published: One number a column: fractions for accuracies, native units for levels. Empty
            where the paper has none.
        statistic: ``accuracy``, or mean or standard deviation over the images of the method's
            column ``estimated_level``.
    """

    method: str
    heading: str = ""
    published: tuple[float, ...] = ()
    statistic: Statistic = "accuracy"

    @property
    def name(self) -> str:
        """As files have it: ``jpg`` or ``jpg-estqf mean``."""
        if self.statistic == "accuracy":
            return self.method
        return f"{self.method} {self.statistic.removeprefix('level ')}"

    @property
    def label(self) -> str:
        """For people."""
        return self.heading or self.name


@dataclass(frozen=True)
class Gain:
    """A claim that one method is better than another, and a control of what makes it so.

    Attributes:
        method: The better one, such as image and estimated level.
        over: The one it is measured against, such as image only.
        shuffled: The better one robbed of what it is said to owe its gain to: the level is shuffled
            between images. Empty where there is none.
        what: What the better one has more, for sentences: ``the estimated level``.
    """

    method: str
    over: str
    shuffled: str = ""
    what: str = ""

    @property
    def name(self) -> str:
        """Row of the gain in files; the other rows follow the same pattern."""
        return difference_name(self.method, self.over)


def difference_name(one: str, other: str) -> str:
    """Row of a difference in files: ``jpg-estqf - jpg``."""
    return f"{one} - {other}"


@dataclass(frozen=True)
class Reproduction:
    """One table or figure of a paper.

    Attributes:
        title: The paper's own number and what it shows.
        dataset: Registered name.
        run: Name of the run's folder; what measures the same cells shares it.
        columns: In the paper's order; for a figure one for each level.
        rows: Those of the paper; their methods must have weights.
        further: Ours, without published numbers; left out where weights are missing.
        on_demand: More of ours, which `with_all_rows` adds: each takes as long as one of the rows.
        whole: Name of one more column over the degradations of all others. Its published numbers
            follow from those of the columns.
        gain: What the paper claims, to be tested.
        backbone: Classifier; the data set's own if None.
        recipe: Settings of ``robobench train`` that follow the paper.
        figure: Whether it is drawn, over the level, instead of set as a table.
        beside: For a figure: the table whose published numbers are drawn too.
        notes: What a reader must know, a sentence each.
    """

    title: str
    dataset: str
    run: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    further: tuple[Row, ...] = ()
    on_demand: tuple[Row, ...] = ()
    whole: str = ""
    gain: Gain | None = None
    backbone: str | None = None
    recipe: str | None = None
    figure: bool = False
    beside: Reproduction | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that fit no column.

        Raises:
            RobobenchError: There are no columns or rows, or a row has too many or too few numbers.
        """
        if not self.columns or not self.rows:
            raise RobobenchError(f"{self.title}: at least one column and one row are expected")
        for row in self.rows + self.further + self.on_demand:
            if len(row.published) not in (0, len(self.columns)):
                raise RobobenchError(
                    f"{self.title}, row {row.label}: {len(self.columns)} published numbers are "
                    f"expected, one a column, got {len(row.published)}"
                )

    @property
    def needed(self) -> tuple[str, ...]:
        """Methods without which there is nothing to compare."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    @property
    def optional(self) -> tuple[str, ...]:
        """Methods that are evaluated where weights are there."""
        names = [row.method for row in self.further]
        if self.gain and self.gain.shuffled:
            names.append(self.gain.shuffled)
        return tuple(n for n in dict.fromkeys(names) if n not in self.needed)

    @property
    def of_levels(self) -> bool:
        """Whether its numbers are levels, in native units, instead of accuracies."""
        return self.rows[0].statistic != "accuracy"

    def without_further(self) -> Reproduction:
        """The paper's rows alone."""
        gain = self.gain and replace(self.gain, shuffled="")
        return replace(self, further=(), on_demand=(), gain=gain)

    def with_all_rows(self) -> Reproduction:
        """Those on demand among the further ones."""
        return replace(self, further=self.further + self.on_demand, on_demand=())

    def parts(self, profile: str) -> dict[str, list[Degradation]]:
        """Column name -> what it is the mean of, the whole last."""
        parts = {column.name: column.degradations(profile) for column in self.columns}
        if self.whole:
            parts[self.whole] = list(dict.fromkeys(d for part in parts.values() for d in part))
        return parts

    def published(self, row: Row, profile: str) -> dict[str, float]:
        """Column name -> what the paper has in a row; empty where it has nothing.

        The whole is the mean over all levels that the columns' means imply (equation 1 of Endo et
        al. 2020 is linear), known as well as the columns are rounded.
        """
        if not row.published:
            return {}
        found = {c.name: p for c, p in zip(self.columns, row.published, strict=True)}
        if self.whole and row.statistic == "accuracy":
            sizes = [len(column.degradations(profile)) for column in self.columns]
            found[self.whole] = _mean(row.published, sizes)
        return found


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


def named(name: str) -> Reproduction:
    """The reproduction of a name.

    Raises:
        RobobenchError: Nothing has that name, or its function returned something else.
    """
    made = REPRODUCTIONS[name]()
    if not isinstance(made, Reproduction):
        raise RobobenchError(
            f"reproduction {name!r} returned a {type(made).__name__}: a Reproduction of "
            "robobench.reproductions is expected"
        )
    return made
