"""The command ``robobench train``, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from robobench.errors import RobobenchError, unknown_name
from robobench.training.progress import of_training, progress
from robobench.training.trainer import TrainingRequest, requested_trainings, train_one


def train(
    method: str,
    trained_on: str | None = None,
    backbone: str | nn.Module | None = None,
    *,
    images: str | Path | None = None,
    again: bool = False,
    **settings: Any,
) -> list[Path]:
    """Train the weights of a method, and store them where `robobench.run` finds them.

    Args:
        method: ``NAME`` or ``NAME@TRAINED_ON``.
        trained_on: What to train on, as ``--trained-on``; what the method says if None.
        backbone: A name, or an ``nn.Module`` that takes normalised floats and returns logits, which
            is left as it is.
        images: Folder of photographs, unlabelled for plug-in modules; the training split of the data
            set if None.
        again: Train even if the weights exist.
        settings: Any other field of `robobench.training.trainer.TrainingRequest`, such as ``limit``,
            ``mean``, ``std``, ``crop``, ``recipe`` or ``seed``.

    Returns:
        Paths of the cards, one per training.

    Raises:
        RobobenchError: Any mistake that the user can fix.

    >>> [card.name for card in train("afd", "jpeg")]  # for shapes10; trained already, it is left
    ['shapes10-vgg-tiny-afd-jpeg_compression-s0.json']
    """
    known = [f for f in TrainingRequest.__dataclass_fields__ if f not in ("backbone", "images")]
    for name in settings:
        if name not in known:
            raise unknown_name("setting of a training", name, known)
    if isinstance(backbone, nn.Module):
        if images is None and "dataset" not in settings:
            raise RobobenchError(
                "a classifier in memory is trained for on images of a folder: give images=DIR"
            )
        settings |= {"module": backbone, "backbone": type(backbone).__name__}
    elif backbone is not None:
        settings["backbone"] = backbone
    if images is not None:
        settings["images"] = str(images)
    request = TrainingRequest(**settings)
    cards = []
    for name, on in requested_trainings(request, method, trained_on):
        label = f"{name}@{on}"
        with progress(label, total=1.0) as update:
            show = of_training(update, label)
            cards.append(train_one(request, name, on, again=again, progress=show).card)
    return cards
