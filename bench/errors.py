"""Errors. Each message is one line: what was expected, what came, what would work.

RobobenchError          exit code 2: misuse or bad input
|-- CheckFailed         exit code 1: a regression check found a loss
|-- CellsFailed         exit code 4: some cells failed, the rest are stored
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class RobobenchError(Exception):
    """A mistake that the user can fix; its one-line message is all that the user sees."""

    exit_code = 2


class NotApplicable(RobobenchError):
    """A method does not work with a classifier."""


class MissingWeights(RobobenchError):
    """A method's trained weights are missing; training it would create them.

    Args:
        message: The line for the user, with the command that trains them.
        method: Registered name.
        trainings: What the method has to be trained on.
        train_seed: Seed of the training.
        tag: What its images and recipe have to be, as after ``#`` in ``afd@jpeg#10-cub100``.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        trainings: tuple[str, ...],
        train_seed: int,
        tag: str = "",
    ) -> None:
        super().__init__(message)
        self.method = method
        self.trainings = trainings
        self.train_seed = train_seed
        self.tag = tag


class SeveralTrainings(RobobenchError):
    """Several stored trainings fit a name, and nothing decides.

    Args:
        spec: The name, such as ``afd@jpeg_compression``.
        names: Names that only one training has each.
    """

    def __init__(self, spec: str, names: Iterable[str]) -> None:
        self.spec, self.names = spec, sorted(names)
        super().__init__(self.advising(""))

    def advising(self, option: str) -> str:
        """The line for the user.

        Args:
            option: What to write before a name, if anything: ``--trained``.
        """
        ways = " or ".join(f"{option} {name}".strip() for name in self.names)
        return f"{self.spec} is any of {len(self.names)} trainings: name one, {ways}"


class CheckFailed(RobobenchError):
    """A check ran and found a problem."""

    exit_code = 1


class CellsFailed(RobobenchError):
    """Some cells of a grid could not be computed; the others are stored."""

    exit_code = 4


@contextmanager
def foreign(what: str, module: str = "") -> Iterator[None]:
    """Run code that may not be robobench's: what it raises becomes one line that names it.

    An exit (``sys.exit(0)``) is such an exception too, or else a run without results would look
    like a success. robobench's own exceptions pass.

    Args:
        what: Beginning of the line: whose code it is.
        module: Import name of the code's module, if known.

    Raises:
        RobobenchError: The code raised.
    """
    if module.partition(".")[0] == "robobench":
        yield
        return
    try:
        yield
    except (RobobenchError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise RobobenchError(f"{what} raised {type(error).__name__}: {said}") from error


def unknown_name(kind: str, name: str, known: Iterable[str], advice: str = "") -> RobobenchError:
    """The error for an unknown name, with the closest known ones.

    >>> print(unknown_name("method", "adf", ["afd", "ddp"]))
    unknown method 'adf': did you mean 'afd'? Known: afd, ddp
    """
    names = sorted(known)
    close = get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    guess = f": did you mean {' or '.join(map(repr, close))}?" if close else ";"
    listed = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    end = f" {advice}" if advice else f" Known: {listed}"
    return RobobenchError(f"unknown {kind} {name!r}{guess}{end}")
