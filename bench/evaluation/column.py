"""The growing predictions of one cell: from probabilities to what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.results.store import OPTIONAL
from robobench.types import Cell, Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from robobench.evaluation.images import ImageSource


@dataclass
class Column:
    """The growing predictions of one cell, in the fixed order of images.

    Their memory is allocated at once: kept between the large arrays that come and go with each
    chunk, small ones would divide the memory that these leave behind, which then grows with the
    number of images.
    """

    cell: Cell
    method: Method
    start: int
    count: int
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    failure: str | None = None

    def enter(self, position: int, part: Mapping[str, NDArray[Any]]) -> None:
        """Enter the predictions of some images from a position on.

        Raises:
            ValueError: The method left out a column that it had for earlier images.
        """
        if not self.values:
            self.values |= {
                n: np.empty((self.count, *column.shape[1:]), column.dtype)
                for n, column in part.items()
            }
        for name, column in self.values.items():
            if name not in part:
                raise ValueError(f"no column {name.removeprefix('extra.')} for some of the images")
            column[position : position + len(part[name])] = part[name]


def stored_part(stored: Predictions, order: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The stored predictions for these images, in this order."""
    rows = np.searchsorted(stored.index, order)
    part: dict[str, NDArray[Any]] = {
        "predicted": stored.predicted[rows],
        "confidence": stored.confidence[rows],
        "true_probability": stored.true_probability[rows],
    }
    for name in OPTIONAL:
        if (kept := getattr(stored, name)) is not None:
            part[name] = kept[rows]
    part.update({f"extra.{name}": values[rows] for name, values in stored.extra.items()})
    return part


def judge(
    method: Method,
    probabilities: Tensor,
    labels: Tensor,
    extra: Mapping[str, Tensor],
    *,
    logits: bool = False,
) -> dict[str, NDArray[Any]]:
    """The stored columns of one chunk.

    Args:
        method: The method that predicted.
        probabilities: As it returned them, N x classes; rows behind the labels are padding.
        labels: int64, the true classes.
        extra: Its further columns by name.
        logits: Whether the logarithms of the probabilities are stored as well.

    Raises:
        ValueError: The method did not return N x classes.
        TypeError: It returned something else than a tensor.
    """
    real, classes = len(labels), method.backbone.num_classes
    if not isinstance(probabilities, Tensor):
        raise TypeError(
            f"predict returned a {type(probabilities).__name__}, expected a float Tensor, images x "
            f"{classes} classes"
        )
    if probabilities.ndim != 2 or len(probabilities) < real or probabilities.shape[1] != classes:
        raise ValueError(
            f"predict returned {tuple(probabilities.shape)}, expected images x {classes} classes"
        )
    rows = probabilities[:real].float().cpu()
    good = torch.isfinite(rows).all(dim=1)
    confidence, predicted = torch.where(good[:, None], rows, 0.0).max(dim=1)
    nothing = torch.tensor(torch.nan)
    part = {
        "predicted": torch.where(good, predicted, -1).numpy(),
        "confidence": torch.where(good, confidence, nothing).numpy(),
        "true_probability": torch.where(
            good, rows.gather(1, labels[:, None])[:, 0], nothing
        ).numpy(),
        **_runners_up(rows, labels, predicted, good),
    }
    if logits:
        part["logits"] = torch.where(good[:, None], _logits(rows), nothing).half().numpy()
    part.update({f"extra.{n}": v[:real].float().cpu().numpy() for n, v in extra.items()})
    return part


def _runners_up(
    rows: Tensor, labels: Tensor, predicted: Tensor, good: Tensor
) -> dict[str, NDArray[Any]]:
    """The rank of the true class, and the second class with its probability.

    Of equal probabilities the predicted class comes first, then the lower class.
    """
    own, classes = rows.gather(1, labels[:, None]), torch.arange(rows.shape[1])
    ahead = (rows > own) | ((rows == own) & (classes < labels[:, None]))
    ahead.scatter_(1, predicted[:, None], value=True)
    rank = torch.where(predicted == labels, 1, 1 + ahead.sum(dim=1))
    others = rows.scatter(1, predicted[:, None], -torch.inf)
    probability, second = others.max(dim=1)
    there = good & torch.isfinite(probability)  # a classifier may have one class only
    return {
        "true_rank": torch.where(good, rank, 0).int().numpy(),
        "second": torch.where(there, second, -1).int().numpy(),
        "second_probability": torch.where(there, probability, torch.nan).numpy(),
    }


def _logits(rows: Tensor) -> Tensor:
    """The logits up to a constant per image, natural logarithms of the probabilities.

    A probability below float32's smallest normal number counts as that number, as in ``nll``.
    """
    return rows.clamp(min=torch.finfo(torch.float32).tiny).log()


def predictions_of(column: Column, source: ImageSource) -> Predictions:
    """The collected predictions, in data-set order."""
    index = source.order[: len(source)]
    joined = column.values
    rows = np.argsort(index, kind="stable")
    return Predictions(
        index=index[rows],
        label=source.labels[index[rows]],
        predicted=joined["predicted"][rows],
        confidence=joined["confidence"][rows],
        true_probability=joined["true_probability"][rows],
        extra={
            name.removeprefix("extra."): values[rows]
            for name, values in joined.items()
            if name.startswith("extra.")
        },
        **{name: joined[name][rows] for name in OPTIONAL if name in joined},
    )
