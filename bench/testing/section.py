"""What a section of the report promises: see `robobench.section`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from robobench.evaluation.run import run
from robobench.registry import SECTIONS
from robobench.reports.blocks import Text
from robobench.reports.builder import FORMATS, build, compose
from robobench.results.run import Run, load

__all__ = ["PROMISES", "Subject", "subject"]


@dataclass(frozen=True)
class Subject:
    """A section to be tested.

    Attributes:
        name: Registered name.
        folders: Folders of runs to report on, by what is special about them.
    """

    name: str
    folders: dict[str, Path]

    def runs(self) -> Iterator[tuple[str, Run]]:
        """The runs, read anew: a section may have spoilt what was read before."""
        for said, folder in self.folders.items():
            yield said, load(folder)


def subject(name: str, *, folder: str | Path | None = None) -> Subject:
    """A registered section, with small runs on ``shapes10``.

    Args:
        name: Registered name.
        folder: Folder of another run to report on.

    Raises:
        RobobenchError: The name is unknown, or the folder holds no run.
    """
    name = SECTIONS.canonical(name)
    return Subject(name, {"the run": Path(folder)} if folder else _folders())


@cache
def _folders() -> dict[str, Path]:
    """The classifier alone, and with a filter and an oracle."""
    place = TemporaryDirectory(prefix="robobench-")
    sweep = "jpeg:10-30/20,gaussian_noise:10-30/20"
    made = {
        "one method": run("org", sweep, limit=20, out=f"{place.name}/one"),
        "three methods": run("median,afd@matched", sweep, limit=20, out=f"{place.name}/three"),
    }
    _KEPT.append(place)
    return {said: one.folder for said, one in made.items()}


_KEPT: list[TemporaryDirectory[str]] = []  # removed when Python ends


def returns_blocks(it: Subject) -> None:
    """A list of texts, tables and plots, which may be empty."""
    for _, made in it.runs():
        compose([made], [it.name])  # which refuses anything else


def is_written_in_every_format(it: Subject) -> None:
    """HTML, LaTeX, Markdown and CSV can be made of it."""
    for _, made in it.runs():
        with TemporaryDirectory() as out:
            build(made, out, FORMATS, [it.name])


def says_the_same_again(it: Subject) -> None:
    """A second call gives the same tables and texts, and the run's table is left alone."""
    for said, made in it.runs():
        before = made.frame.copy()
        one, other = (compose([made], [it.name]).parts[0].blocks for _ in range(2))
        assert made.frame.equals(before), f"{said}: the section changed run.frame"
        assert [b for b in one if isinstance(b, Text)] == [b for b in other if isinstance(b, Text)]
        names = [[getattr(b, "name", "") for b in blocks] for blocks in (one, other)]
        assert names[0] == names[1], f"{said}: {names[0]} at first, then {names[1]}"


PROMISES: tuple[Callable[[Subject], None], ...] = (
    returns_blocks,
    is_written_in_every_format,
    says_the_same_again,
)
