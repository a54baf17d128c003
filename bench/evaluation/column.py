"""The growing predictions of one cell: from probabilities to what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from robobench.contracts import Method
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
            self.values |= {n: np.empty(self.count, column.dtype) for n, column in part.items()}
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
    part.update({f"extra.{name}": values[rows] for name, values in stored.extra.items()})
    return part


def judge(
    method: Method, probabilities: Tensor, labels: Tensor, extra: Mapping[str, Tensor]
) -> dict[str, NDArray[Any]]:
    """The stored columns of one chunk.

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
    }
    part.update({f"extra.{n}": v[:real].float().cpu().numpy() for n, v in extra.items()})
    return part


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
    )
