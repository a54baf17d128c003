"""Studies: named lists of trainings that belong together, on several data sets and seeds.

``robobench train --recipe NAME`` trains what is missing of the study of that name, always with the
recipe of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from robobench.errors import RobobenchError, unknown_name
from robobench.registry import METHODS, STUDIES


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes:
        dataset: Registered name of the data set.
        method: Registered name.
        trained_on: ``clean``, a corruption or a group; empty if the method fixes it.
        seed: Training seed.
        start: Data set whose `org` a classifier starts from, except for its last layer.
    """

    dataset: str
    method: str
    trained_on: str = ""
    seed: int = 0
    start: str = ""


def trainings_of(study: str, dataset: str | None = None) -> list[Training]:
    """The trainings of a study, the most valuable first.

    Args:
        study: Registered name.
        dataset: Only trainings on this data set; all if None.

    Raises:
        RobobenchError: It has no training on this data set.
    """
    trainings: list[Training] = STUDIES[study]()
    found = [t for t in trainings if dataset in (None, t.dataset)]
    if not found:
        known = list(dict.fromkeys(t.dataset for t in trainings))
        raise unknown_name(f"data set of {study}", str(dataset), known)
    return [_complete(training) for training in found]


def _complete(training: Training) -> Training:
    own = METHODS[training.method].trained_on
    if not (training.trained_on or own):
        raise RobobenchError(f"{training.method}: the study must say what it is trained on")
    return replace(training, trained_on=training.trained_on or own)
