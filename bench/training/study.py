"""Studies: named lists of trainings that belong together, over several data sets and seeds.

``robobench train --recipe NAME`` makes what is missing of the study of that name, each training
with the recipe of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from robobench.errors import RobobenchError, unknown_name
from robobench.registry import METHODS, STUDIES


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes:
        dataset: What it is for.
        method: Registered name.
        trained_on: ``clean``, a corruption or a group; "" where the method itself says it.
        seed: Of the training.
        start: Data set whose `org` a classifier starts from, all but its last layer.
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
        dataset: Only those for this data set; all if None.

    Raises:
        RobobenchError: It has none for this data set.
    """
    everything: list[Training] = STUDIES[study]()
    found = [t for t in everything if dataset in (None, t.dataset)]
    if not found:
        known = list(dict.fromkeys(t.dataset for t in everything))
        raise unknown_name(f"data set of {study}", str(dataset), known)
    return [_complete(training) for training in found]


def _complete(training: Training) -> Training:
    own = METHODS[training.method].trained_on
    if not (training.trained_on or own):
        raise RobobenchError(f"{training.method}: the study must say what it is trained on")
    return replace(training, trained_on=training.trained_on or own)
