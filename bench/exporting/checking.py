"""Whether an exported file says the same as the method, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.exporting.network import Input, Output
from robobench.types import Context

# Probabilities of correct exports differ by some 1e-6. A pixel that a restorer's rounding puts on
# the other side of a half makes it some 1e-4.
TOLERANCE: Final = 1e-3
_BATCH: Final = 32
_TIMED: Final = 10
_WARM_UP: Final = 3


@dataclass(frozen=True)
class Agreement:
    """How far a file agrees with the method that it was made from.

    Attributes:
        images: How many images were compared.
        largest: Largest difference of a probability, over all images and classes.
        same: Number of images that get the same class.
        milliseconds: Time per image when images come one at a time, the median.
        threads: On how many threads.
    """

    images: int
    largest: float
    same: int
    milliseconds: float
    threads: int


def compared(
    run: Callable[[Tensor], Tensor],
    method: Method,
    images: Tensor,
    *,
    takes: Input,
    returns: Output,
) -> Agreement:
    """Compare a file with its method, in batches of several sizes.

    Args:
        run: What the file computes.
        method: The method.
        images: uint8 N x 3 x H x W.
        takes: What the file takes.
        returns: What it returns.

    Raises:
        RobobenchError: It returns something else than probabilities or logits of the classes.
    """

    def answers(batch: Tensor) -> Tensor:
        output = run(batch if takes == "uint8" else batch.float() / 255)
        return output.softmax(1) if returns == "logits" else output

    largest, same = 0.0, 0
    first, *others = (images[:1], *torch.split(images[1:], _BATCH))
    for batch in (first, *(other for other in others if len(other))):
        with torch.inference_mode():
            expected = method.predict(batch, Context())
        got = answers(batch)
        if got.shape != expected.shape:
            raise RobobenchError(
                f"the file returns {' x '.join(map(str, got.shape))} for {len(batch)} images, "
                f"expected {' x '.join(map(str, expected.shape))}; it is not kept"
            )
        difference = (got - expected).abs().max().nan_to_num(torch.inf)
        largest = max(largest, float(difference))
        same += int((got.argmax(1) == expected.argmax(1)).sum())
    took = _milliseconds(answers, images[:1])
    return Agreement(len(images), largest, same, took, torch.get_num_threads())


def check(agreement: Agreement, what: str) -> None:
    """Refuse a file that says something else than its method.

    Args:
        agreement: What was found.
        what: What the file is, for the message.

    Raises:
        RobobenchError: A probability differs by more than `TOLERANCE`.
    """
    if agreement.largest > TOLERANCE:
        raise RobobenchError(
            f"the {what} file says something else than the method: a probability differs by "
            f"{agreement.largest:.2g} (at most {TOLERANCE:g} is rounding), top-1 is equal on "
            f"{agreement.same} of {agreement.images} images; it is not kept"
        )


def _milliseconds(run: Callable[[Tensor], Tensor], image: Tensor) -> float:
    durations = []
    for _ in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        run(image)
        durations.append(time.perf_counter() - start)
    return 1000 * median(durations[_WARM_UP:])
