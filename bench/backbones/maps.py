"""Outputs of a network's layers read as feature maps, N x C x h x w, and written back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import torch
from torch import Tensor

from robobench.errors import RobobenchError

Order = Literal["NCHW", "NHWC", "NLC"]


class MapsWithTokens(Tensor):
    """Maps of patches that carry the tokens which have no place: class and register tokens.

    What is computed from them is again a map of the same images and carries the same tokens, so
    that a plug-in module sees maps only and the network behind it gets the tokens back. Operations
    after which images and tokens may not belong together (another batch size, indexing, maps of two
    origins) return maps without tokens.

    Attributes:
        tokens: N x tokens x C.
    """

    tokens: Tensor

    @classmethod
    def carrying(cls, maps: Tensor, tokens: Tensor) -> Self:
        """The maps with the tokens of the same images."""
        made = maps.as_subclass(cls)
        made.tokens = tokens
        return made

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation; its result carries tokens if they are still those of its images."""
        result = super().__torch_function__(func, types, args, dict(kwargs or {}))  # type: ignore[no-untyped-call]
        if not isinstance(result, MapsWithTokens) or any(result is one for one in args):
            return result
        given = {id(t): t for t in _tokens_in((*args, *(kwargs or {}).values()))}
        plain = result.as_subclass(Tensor)
        if len(given) != 1 or plain.ndim != 4 or func in _REORDERING:
            return plain
        (tokens,) = (t.detach() if func is Tensor.detach else t for t in given.values())
        return cls.carrying(plain, tokens) if len(tokens) == len(plain) else plain


_REORDERING: Final = (
    *(Tensor.__getitem__, Tensor.flip, torch.flip, Tensor.roll, torch.roll),
    *(Tensor.index_select, torch.index_select, Tensor.sort, torch.sort),
)


def _tokens_in(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, MapsWithTokens) and hasattr(value, "tokens"):
            yield value.tokens
        elif isinstance(value, tuple | list):
            yield from _tokens_in(value)


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
    def of(
        cls, output: Any, *, tokens: int | None = None, channels_last: bool = False
    ) -> Self | None:
        """The layout of an output for square images; None if it is no feature map.

        Args:
            output: What the layer returned.
            tokens: How many tokens without a place the network declares.
            channels_last: Whether four axes that could be either are N x h x w x C.
        """
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return None
        if output.ndim == 3:
            length = output.shape[1]
            if tokens and length > tokens and math.isqrt(length - tokens) ** 2 == length - tokens:
                return cls("NLC", tokens)
            return cls("NLC", length - math.isqrt(length) ** 2)
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
        return places.transpose(1, 2).reshape(places.shape[0], places.shape[2], height, -1)

    def to_features(self, output: Tensor, aspect: float = 1.0) -> Tensor:
        """The same, carrying the tokens that have no place, if there are any."""
        maps = self.to_map(output, aspect)
        return MapsWithTokens.carrying(maps, output[:, : self.prefix]) if self.prefix else maps

    def from_features(self, features: Tensor) -> Tensor:
        """The output that reads as these features: the inverse of `to_features`.

        Raises:
            RobobenchError: The features do not carry the tokens that belong to them.
        """
        tokens = next(_tokens_in([features]), None)
        if self.prefix and tokens is None:
            raise RobobenchError(
                f"features without their {self.prefix} class or register token(s): expected what "
                "the stem returned, or what was computed from it image by image"
            )
        return self._written(features.as_subclass(Tensor), tokens)

    def changed(
        self, output: Tensor, change: Callable[[Tensor], Tensor], aspect: float = 1.0
    ) -> Tensor:
        """The output with its map changed by a function; unlike the two above, it can be traced.

        Args:
            output: A layer's output.
            change: Maps N x C x h x w to the same shape.
            aspect: Height of the images by their width.
        """
        tokens = output[:, : self.prefix] if self.prefix else None
        return self._written(change(self.to_map(output, aspect)), tokens)

    def _written(self, maps: Tensor, tokens: Tensor | None) -> Tensor:
        if self.order == "NCHW":
            return maps
        if self.order == "NHWC":
            return maps.permute(0, 2, 3, 1).contiguous()
        rows = maps.flatten(2).transpose(1, 2)
        return rows.contiguous() if tokens is None else torch.cat([tokens.to(rows.dtype), rows], 1)

    def area(self, output: Tensor) -> int:
        """Number of places, h x w."""
        return math.prod(self.to_map(output).shape[2:])


def tensor_in(output: Any) -> Any:
    """What a layer returned, or the only thing in the tuple or list that it returned."""
    return output[0] if isinstance(output, tuple | list) and len(output) == 1 else output
