"""What becomes of a classifier's probabilities where a data set has other classes than it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Readout"]

_LEAST = 1e-30  # where all classes that count have probability 0, each is as likely as the other


class Readout:
    """Probabilities over the classifier's classes to those over a data set's.

    Args:
        groups: For each class of the data set, in the order of its labels, the classifier's outputs
            that mean it: the class's probability is their mean.
        labels: The column of each class; 0, 1, 2, ... by default.
        outputs: Number of the classifier's outputs.

    Attributes:
        outputs: As above.
    """

    def __init__(
        self, groups: Sequence[Sequence[int]], *, labels: Sequence[int] | None = None, outputs: int
    ) -> None:
        self.outputs = outputs
        self._matrix = torch.zeros(outputs, outputs)
        for column, members in zip(labels or range(len(groups)), groups, strict=True):
            self._matrix[list(members), column] = 1 / len(members)
        self._least = _LEAST * (self._matrix.sum(0) > 0).float()

    @classmethod
    def of_some(cls, indices: Sequence[int], outputs: int) -> Readout:
        """Only some classes count: the softmax of their logits alone, in their usual columns."""
        return cls([[index] for index in indices], labels=indices, outputs=outputs)

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Probabilities N x outputs, of which the columns that mean no class are 0.

        Args:
            probabilities: float, N x outputs; rows sum to one.
        """
        if self._matrix.device != probabilities.device:  # once for a run
            self._matrix = self._matrix.to(probabilities.device)
            self._least = self._least.to(probabilities.device)
        read = probabilities.float() @ self._matrix + self._least
        return read / read.sum(1, keepdim=True)
