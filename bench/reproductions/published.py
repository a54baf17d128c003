"""A table or figure of a paper as data: its rows, columns and published numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from robobench.errors import RobobenchError
from robobench.evaluation.grid import parse_corruptions
from robobench.registry import REPRODUCTIONS
from robobench.types import CLEAN, Degradation

Statistic = Literal["accuracy", "level mean", "level sd"]
_SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Column:
    """A column of a table: the unweighted mean over some degradations.

    Attributes:
        name: Name in files: ``Acc(1,20)``.
        corruptions: Selector in the syntax of ``robobench run --corruptions`` (``jpeg:1-20``;
            severities 1 to 5 if it has no levels), or ``clean``.
        short: Heading where space is limited; the name if empty.
    """

    name: str
    corruptions: str
    short: str = ""

    @property
    def heading(self) -> str:
        """Heading on a terminal."""
        return self.short or self.name

    def degradations(self, profile: str) -> list[Degradation]:
        """The degradations that it is the mean over.

        Args:
            profile: Severity table, for selectors without levels.

        Raises:
            RobobenchError: The selector cannot be parsed.
        """
        if self.corruptions == CLEAN:
            return [Degradation(CLEAN)]
        return parse_corruptions(self.corruptions, _SEVERITIES, profile)


@dataclass(frozen=True)
class Row:
    """A row of a table: one statistic of one method.

    Attributes:
        method: Registered name, or ``NAME@TRAINED_ON``.
        heading: The paper's name for it; the name of the method if empty.
        published: One number per column: accuracies as fractions, levels in native units. Empty if
            the paper has none.
        statistic: ``accuracy``, or the mean or standard deviation over images of the column
            ``estimated_level`` that the method returns.
    """

    method: str
    heading: str = ""
    published: tuple[float, ...] = ()
    statistic: Statistic = "accuracy"

    @property
    def name(self) -> str:
        """Name in files: ``jpg`` or ``jpg-estqf mean``."""
        if self.statistic == "accuracy":
            return self.method
        return f"{self.method} {self.statistic.removeprefix('level ')}"

    @property
    def label(self) -> str:
        """Name in tables and figures."""
        return self.heading or self.name


@dataclass(frozen=True)
class Gain:
    """The gain of one method over another that a paper reports, and its control.

    Attributes:
        method: The better method, such as one that takes the image and the estimated level.
        over: The method it is compared with, such as one that takes the image only.
        shuffled: The control: the better method with the levels shuffled between images. Empty if
            there is none.
        what: What the gain is attributed to, for sentences: ``the estimated level``.
    """

    method: str
    over: str
    shuffled: str = ""
    what: str = ""

    @property
    def name(self) -> str:
        """Name of its row in files; other differences are named alike."""
        return difference_name(self.method, self.over)


def difference_name(one: str, other: str) -> str:
    """Name in files of the row of a difference: ``jpg-estqf - jpg``."""
    return f"{one} - {other}"


@dataclass(frozen=True)
class Reproduction:
    """One table or figure of a paper.

    Attributes:
        title: Its number in the paper, and what it shows.
        dataset: Registered name.
        run_folder: Name of the folder of its run. Reproductions that need the same cells share it.
        columns: In the paper's order; in a figure, one per level.
        rows: Rows of the paper; their methods must have weights.
        further: Rows of our own, without published numbers; omitted if weights are missing.
        on_demand: More rows of our own, added by `with_all_rows`. Each takes as long to evaluate as
            a row of the paper.
        whole: Name of one more column, the mean over the degradations of all columns. Its published
            numbers follow from those of the columns.
        gain: The gain that the paper reports, to be tested.
        backbone: Name of the classifier; that of the data set if None.
        recipe: Recipe of ``robobench train`` that follows the paper.
        figure: Whether it is a figure, drawn over the level, and not a table.
        beside: For a figure, the table whose published numbers are drawn as well.
        notes: What a reader must know, one sentence each.
        elsewhere: What its published numbers were measured on (``ResNet-50 on ImageNet``), if it may
            be measured for any classifier and data set; else empty.
        moved: Whether it is measured elsewhere than in the paper.
        weights: File of the classifier's weights.
        classes: File that maps folder names to classes, or ``sorted``.
    """

    title: str
    dataset: str
    run_folder: str
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
    elsewhere: str = ""
    moved: bool = False
    weights: str | None = None
    classes: str | None = None

    def __post_init__(self) -> None:
        """Check that every published number has a column.

        Raises:
            RobobenchError: There are no columns or rows, or a row has too many or too few numbers.
        """
        if not self.columns or not self.rows:
            raise RobobenchError(f"{self.title}: expected at least one column and one row")
        for row in self.rows + self.further + self.on_demand:
            if len(row.published) not in (0, len(self.columns)):
                raise RobobenchError(
                    f"{self.title}, row {row.label}: expected {len(self.columns)} published "
                    f"numbers, one per column, got {len(row.published)}"
                )

    @property
    def needed(self) -> tuple[str, ...]:
        """Methods of the paper's rows, which are required."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    @property
    def optional(self) -> tuple[str, ...]:
        """Further methods, which are evaluated if they have weights."""
        names = [row.method for row in self.further]
        if self.gain and self.gain.shuffled:
            names.append(self.gain.shuffled)
        return tuple(n for n in dict.fromkeys(names) if n not in self.needed)

    @property
    def of_levels(self) -> bool:
        """Whether its numbers are levels, in native units, and not accuracies."""
        return self.rows[0].statistic != "accuracy"

    def measured_on(
        self,
        dataset: str | None = None,
        backbone: str | None = None,
        weights: str | None = None,
        classes: str | None = None,
        preparation: Mapping[str, str] = MappingProxyType({}),
    ) -> Reproduction:
        """The same for another data set or classifier, with a folder and a note of its own.

        Args:
            dataset: Registered name or ``folder:PATH``; that of the paper if None.
            backbone: Name of the classifier; likewise.
            weights: File of its weights.
            classes: File that maps folder names to classes, or ``sorted``.
            preparation: Other options that change what the classifier sees or where it is split, with
                their values: ``--crop`` -> ``32``.

        Raises:
            RobobenchError: The table means something only where the paper measured it.
        """
        named = {
            "--dataset": dataset,
            "--backbone": backbone,
            "--weights": weights,
            "--classes": classes,
        }
        given = [option for option, value in {**named, **preparation}.items() if value is not None]
        if not given:
            return self
        if not self.elsewhere:
            raise RobobenchError(
                f"{self.title}: it is measured on {self.dataset} with the networks trained for it; "
                f"leave out {', '.join(given)}"
            )
        dataset, backbone = dataset or self.dataset, backbone or self.backbone
        kind, colon, path = dataset.partition(":")
        where = f"{kind}-{Path(path).resolve().name}" if colon else kind
        folder = "-".join(
            "".join(c if c.isalnum() or c in ".-_" else "-" for c in part)
            for part in (self.run_folder, where, backbone or "")
            if part
        )
        words = " ".join(f"{option} {value}" for option, value in preparation.items())
        how = f" (`{words}`)" if words else ""
        note = (
            f"The published numbers are of {self.elsewhere}, ours of {backbone or 'its classifier'} "
            f"on {where}{how}: compare what methods gain, not accuracies."
        )
        return replace(
            self, dataset=dataset, backbone=backbone, weights=weights, classes=classes,
            run_folder=folder, notes=(note, *self.notes), moved=True,
        )  # fmt: skip

    def with_methods(self, written: Callable[[str], str]) -> Reproduction:
        """The same with other specifications of its methods.

        Args:
            written: From a specification (``afd@jpeg``) to the one in its place (``afd@jpeg#10``).
        """

        def replaced(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(replace(row, method=written(row.method)) for row in rows)

        gain = self.gain and replace(
            self.gain,
            method=written(self.gain.method),
            over=written(self.gain.over),
            shuffled=self.gain.shuffled and written(self.gain.shuffled),
        )
        return replace(
            self,
            rows=replaced(self.rows),
            further=replaced(self.further),
            on_demand=replaced(self.on_demand),
            gain=gain,
            beside=self.beside and self.beside.with_methods(written),
        )

    def without_further(self) -> Reproduction:
        """The same with the paper's rows only."""
        gain = self.gain and replace(self.gain, shuffled="")
        return replace(self, further=(), on_demand=(), gain=gain)

    def with_all_rows(self) -> Reproduction:
        """The same with the rows on demand among the further ones."""
        return replace(self, further=self.further + self.on_demand, on_demand=())

    def parts(self, profile: str) -> dict[str, list[Degradation]]:
        """Column name -> the degradations it is the mean over; the column `whole` comes last."""
        parts = {column.name: column.degradations(profile) for column in self.columns}
        if self.whole:
            parts[self.whole] = list(dict.fromkeys(d for part in parts.values() for d in part))
        return parts

    def published(self, row: Row, profile: str) -> dict[str, float]:
        """Column name -> the published number of a row; empty if the paper has none.

        The column `whole` is the mean over all levels that the means of the columns imply (equation
        1 of Endo et al. 2020 is linear), to the precision at which these were published.
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


def find_reproduction(name: str) -> Reproduction:
    """The reproduction that is registered under a name.

    Raises:
        RobobenchError: There is none of that name, or its function returned something else.
    """
    made = REPRODUCTIONS[name]()
    if not isinstance(made, Reproduction):
        raise RobobenchError(
            f"reproduction {name!r}: expected a robobench.reproductions.Reproduction, got a "
            f"{type(made).__name__}"
        )
    return made
