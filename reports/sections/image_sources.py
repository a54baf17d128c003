"""What a method that learned from one source of images is worth on other images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Table, Value, counted, name_in_files
from robobench.reports.leaderboard import MEAN, Leaderboard, leaderboards
from robobench.reports.method_row import MethodRow
from robobench.reports.ranking import bold_notes, judged, marked
from robobench.types import CLEAN, is_matched
from robobench.weights.samples import SHORT

if TYPE_CHECKING:
    from robobench.results.run import Run

_MOST_NAMED: Final = 4


@dataclass(frozen=True)
class _Training:
    """Weights of a module and the images that they learned from.

    Attributes:
        method: Name of the method.
        trained_on: The corruptions.
        backbone: Architecture of the classifier that they belong to.
        classifier: Digest of that classifier.
        source: Folder or data set of the images.
        count: Number of images.
        recipe: Name of the recipe; empty for the default.
        images: Digest of the images; empty for a whole training split.
        weights: Digests of the weights, one per training seed.
    """

    method: str
    trained_on: str
    backbone: str
    classifier: str
    source: str
    count: int
    recipe: str
    images: str
    weights: frozenset[str]

    @property
    def group(self) -> tuple[str, ...]:
        """What trainings have in common that differ in their images."""
        return self.method, self.trained_on, self.backbone, self.classifier

    @property
    def told(self) -> str:
        """What it learned from, in words."""
        return f"{self.source}, {self.recipe}" if self.recipe else self.source


_Rows = dict[_Training, MethodRow]


@section("image-sources", order=47, title="Learned from some images, used on others")
def image_sources(run: Run) -> list[Block]:
    """The share of the loss recovered, by the images that a method learned from."""
    groups: dict[tuple[str, ...], dict[int, _Rows]] = {}
    boards = [board for board in leaderboards(run) if board.degraded]
    for place, board in enumerate(boards):
        for row in board.others:
            training = _training(board, row)
            if training is not None:
                found = groups.setdefault(training.group, {})
                found.setdefault(place, {}).setdefault(training, row)
    blocks: list[Block] = []
    for (method, trained_on, *_), found in groups.items():
        trainings = list(dict.fromkeys(one for rows in found.values() for one in rows))
        if len({(one.source, one.images) for one in trainings}) < 2:
            continue
        name = name_in_files(f"image-sources-{method}-{trained_on}")
        said = f"`{method}`, trained on `{trained_on}`"
        shown = [(boards[place], rows) for place, rows in found.items()]
        if len(shown) > 1:
            blocks.append(_by_dataset(name, said, trainings, shown))
        for board, rows in shown:
            if len(rows) > 1 and (len(shown) == 1 or len(board.corruptions) > 1):
                blocks.append(_by_corruption(name, said, board, rows, folded=len(shown) > 1))
    return blocks


def _training(board: Leaderboard, row: MethodRow) -> _Training | None:
    """The training of a row; None if nothing was, if one for each corruption, or not by images."""
    if not row.trained_on or is_matched(row.trained_on):
        return None
    used = {
        cell.weights
        for cell in board.run.cells
        if (cell.dataset, cell.split, cell.backbone) == (board.dataset, board.split, board.backbone)
        and (cell.method, cell.trained_on) == (row.method, row.trained_on)
    }
    cards = {
        card["digest"]: card
        for entry in board.run.manifest.get("methods", [])
        if (entry["method"], entry["trained_on"]) == (row.method, row.trained_on)
        and not used.isdisjoint(entry.get("weights", {}).values())
        for card in entry.get("cards", [])
        if card["belongs_to"] == "plugin"
    }
    if not cards:
        return None
    first = next(iter(cards.values()))
    kind, colon, folder = first["dataset"].partition(":")
    return _Training(
        method=row.method.removesuffix(f" [{row.run}]"),
        trained_on=first["trained_on"],
        backbone=first["backbone"],
        classifier=first["backbone_digest"],
        source=folder if colon else kind,
        count=first.get("images_count") or int(first["images"].partition(" ")[0]),
        recipe=first.get("recipe_name", ""),
        images=first.get("images_digest", ""),
        weights=frozenset(cards),
    )


def _by_dataset(
    name: str,
    said: str,
    trainings: Sequence[_Training],
    shown: Sequence[tuple[Leaderboard, _Rows]],
) -> Table:
    columns: dict[str, list[Value]] = {}
    for (board, rows), heading in zip(shown, _headings([board for board, _ in shown]), strict=True):
        known = dict(zip(rows, _shares(board, rows, MEAN), strict=True))
        lacking = Value(None, why=f"not evaluated on {heading}")
        columns[heading] = [known.get(one, lacking) for one in trainings]
    frame = pd.DataFrame(columns, index=_learned_from(trainings), dtype=object)
    frame.columns.name = "evaluated on"
    boards = {board.reference for board, _ in shown}
    return Table(
        name,
        f"{said}: share of the loss of `{'`, `'.join(sorted(boards))}` recovered, in percent with 95 % "
        "intervals, by the images that it learned from (rows) and the data set evaluated (columns, mean "
        "over corruptions).",
        frame,
        notes=(*_means(shown, list(columns)), *bold_notes(frame)),
    )


def _means(shown: Sequence[tuple[Leaderboard, _Rows]], headings: Sequence[str]) -> list[str]:
    """What each column is a mean over, where data sets were degraded in different ways."""
    over = [
        ", ".join(f"`{name}`" for name in board.corruptions)
        if len(board.corruptions) <= _MOST_NAMED
        else counted(len(board.corruptions), "corruption")
        for board, _ in shown
    ]
    degraded = [{**board.levels, CLEAN: []} for board, _ in shown]
    if all(one == degraded[0] for one in degraded):
        return []
    told = "; ".join(f"{heading}: {what}" for heading, what in zip(headings, over, strict=True))
    return [f"Columns are means over different degradations, so compare within them. {told}."]


def _by_corruption(name: str, said: str, board: Leaderboard, rows: _Rows, folded: bool) -> Table:
    reference = board.reference
    columns = {CLEAN: [_on_clean(board, row) for row in rows.values()]}
    columns |= {condition: _shares(board, rows, condition) for condition in board.degraded}
    frame = pd.DataFrame(columns, index=_learned_from(list(rows)), dtype=object)
    frame.columns.name = "evaluated on"
    on = "" if board.alone else f", on {board.title}"
    return Table(
        f"{name}{board.suffix}",
        f"{said}{on}: share of the loss of `{reference}` recovered, in percent with 95 % intervals, by "
        "the images that it learned from (rows) and the corruption evaluated (columns). Clean: change of "
        f"accuracy against `{reference}`, in points.",
        frame,
        notes=tuple(bold_notes(frame)),
        folded=folded,
    )


def _shares(board: Leaderboard, rows: _Rows, condition: str) -> list[Value]:
    """The shares recovered; which is best and which are level is decided by the accuracies' tests."""
    bare = [board.summed(row, condition, "recovered") for row in rows.values()]
    decided = marked(board, list(rows.values()), bare, condition)
    return [one if one.missing else two for one, two in zip(bare, decided, strict=True)]


def _on_clean(board: Leaderboard, row: MethodRow) -> Value:
    gain = board.tests.gain(CLEAN, board.reference, row.label)
    if gain is None:
        return Value(None, why="the clean images were not evaluated")
    return judged(board, row, Value(gain.value, gain.low, gain.high, "points"), CLEAN)


def _learned_from(trainings: Sequence[_Training]) -> pd.MultiIndex:
    """Source and number of images, with digits of their digest where that leaves two alike."""
    alike = Counter((one.told, one.count) for one in trainings)
    return pd.MultiIndex.from_tuples(
        [
            (
                f"{one.told} ({one.images[:SHORT]})"
                if alike[one.told, one.count] > 1
                else one.told,
                one.count,
            )
            for one in trainings
        ],
        names=["learned from", "images"],
    )


def _headings(boards: Sequence[Leaderboard]) -> list[str]:
    """The data sets, as far as needed with split and classifier."""
    names = Counter(board.dataset for board in boards)
    parts = Counter((board.dataset, board.split) for board in boards)
    return [
        board.dataset
        + (f" ({board.split})" if names[board.dataset] > 1 else "")
        + (f", {board.backbone}" if parts[board.dataset, board.split] > 1 else "")
        for board in boards
    ]
