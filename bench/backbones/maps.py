"""Outputs of a network's layers read as feature maps, N x C x h x w, and written back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

from torch import Tensor

Order = Literal["NCHW", "NHWC", "NLC"]


@dataclass(frozen=True)
class Layout:
    """Where a layer's output keeps its channels and its places.

    Attributes:
        order: ``NCHW`` of convolutions, ``NHWC`` of Swin, ``NLC`` of other transformers: a row of
            patches.
        prefix: With ``NLC``, how many tokens without a place (class, registers) come first.
    """

    order: Order
    prefix: int = 0

    @classmethod
    def of(cls, output: Any, *, channels_last: bool = False) -> Self | None:
        """The layout of an output for square images; None if it is no feature map.

        Args:
            output: What the layer returned.
            channels_last: Whether four axes that could be either are N x h x w x C.
        """
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return None
        if output.ndim == 3:
            prefix = output.shape[1] - math.isqrt(output.shape[1]) ** 2
            return cls("NLC", prefix)
        if output.ndim != 4:
            return None
        _, second, third, fourth = output.shape
        last = second == third and (third != fourth or channels_last)
        return cls("NHWC" if last else "NCHW")

    def to_map(self, output: Tensor, aspect: float = 1.0) -> Tensor:
        """The output as N x C x h x w, without tokens that have no place.

        Args:
            output: A layer's output.
            aspect: Height of the images by their width.
        """
        if self.order == "NCHW":
            return output
        if self.order == "NHWC":
            return output.permute(0, 3, 1, 2)
        places = output[:, self.prefix :]
        height = max(1, round(math.sqrt(places.shape[1] * aspect)))
        return places.transpose(1, 2).reshape(len(places), places.shape[2], height, -1)

    def area(self, output: Tensor) -> int:
        """Number of places, h x w."""
        return math.prod(self.to_map(output).shape[2:])
