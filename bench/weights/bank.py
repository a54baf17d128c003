"""Several trained modules of one method, selected by the corruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.types import CLEAN, Context, Cost

if TYPE_CHECKING:
    from torch import Tensor

    from robobench.backbones.backbone import Backbone


class Bank(Method):
    """For each corruption the module that was trained on it; the bare backbone on clean images.

    Args:
        backbone: The classifier.
        members: Corruption -> method.
    """

    def __init__(self, backbone: Backbone, members: Mapping[str, Method]) -> None:
        super().__init__(backbone)
        self.members = dict(members)

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities of the member for ``context.corruption``."""
        member, told = self._member(context)
        return self.backbone(images) if member is None else member.predict(images, told)

    def begin(self, clean: Callable[[int], Tensor]) -> None:
        """Begin a condition with every member."""
        for member in self.members.values():
            member.begin(clean)

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """Columns of the member for ``context.corruption``."""
        member, told = self._member(context)
        return {} if member is None else member.columns(images, clean, told)

    def cost(self) -> Cost:
        """Cost of the most expensive member."""
        return max((m.cost() for m in self.members.values()), key=lambda c: c.macs)

    def _member(self, context: Context) -> tuple[Method | None, Context]:
        corruption = context.corruption or CLEAN
        if corruption == CLEAN:
            return None, context
        if corruption not in self.members:
            raise RobobenchError(f"this bank has no module for {corruption}")
        member = self.members[corruption]
        told: Any = {} if "corruption" in member.needs else {"corruption": None}
        return member, replace(context, **told)


class _StemBank(Bank):
    """A bank of plug-in modules, which share the backbone's stem."""

    def from_stem(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        member, told = self._member(context)
        if member is None:
            return self.backbone.rest(features).softmax(dim=1)
        return member.from_stem(features, images, told)


def bank(backbone: Backbone, members: Mapping[str, Method]) -> Bank:
    """A bank that needs to know the corruption, and whatever its members need."""
    needs = frozenset({"corruption"}).union(*(m.needs for m in members.values()))
    shares = all(type(m).from_stem is not Method.from_stem for m in members.values())
    kind: type[Bank] = _StemBank if shares else Bank
    told: dict[str, Any] = {"needs": needs}
    for member in members.values():  # of one method: they adapt alike
        told |= {name: getattr(member, name) for name in ("adapts", "stream", "batch_size")}
    made: type[Bank] = type(kind.__name__, (kind,), told)
    return made(backbone, members)
