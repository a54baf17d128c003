"""Intermediate features of a network behind its stem: the ends of up to four stages."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn

from robobench.backbones.layers import Call
from robobench.backbones.maps import Layout, tensor_in
from robobench.backbones.splitting import Split

_MOST: Final = 4
_IDLE: Final = nn.Identity, nn.Dropout, nn.Dropout2d
_FEWEST_BLOCKS: Final = 4  # fewer equal modules in a row are no series of blocks


@dataclass(frozen=True)
class Stage:
    """A stage of the rest of a network.

    Attributes:
        name: Module whose output ends the stage.
        layout: How this output is read as a feature map.
    """

    name: str
    layout: Layout


def find_stages(halves: Split) -> tuple[Stage, ...]:
    """Up to four stages behind the stem, in the order in which they end.

    A stage ends with the outermost layer that is the last at its resolution and that all data pass;
    of more than four resolutions the coarsest four count. Pooling alone makes no stage. Where all
    features have one resolution, as in a vision transformer, the stages are evenly spaced blocks.

    Args:
        halves: The network.
    """
    modules = dict(halves.behind.named_modules())
    behind = [call for call in halves.found.calls if call.end > halves.place_end]
    places = {call.name for call in halves.found.places}
    passed = [c for c in behind if c.name in places and not isinstance(modules[c.name], _IDLE)]
    ends: dict[int, Call] = {}
    weighted = set()  # resolutions with weights so far
    pending = False  # whether weights were used for what is no map, such as attention
    for call in behind:
        pending |= call.weighted
        if pending and call.area > 1:
            weighted.add(call.area)
            pending = False
        if call in passed and call.area in weighted and _may_end(call, passed):
            ends.pop(call.area, None)  # so that the order is that of the ends
            ends[call.area] = call
    chosen = list(ends.values())[-_MOST:]
    if len(chosen) == 1:
        chosen = _spaced(passed, modules) or chosen
    return tuple(Stage(call.name, call.layout) for call in chosen if call.layout)


def run_stages(
    halves: Split, stages: Sequence[Stage], features: Tensor
) -> tuple[list[Tensor], Tensor]:
    """Feature maps at the ends of the stages, and logits, from one pass."""
    found: dict[str, Tensor] = {}
    aspect = features.shape[2] / features.shape[3]
    thread = threading.get_ident()  # others may run the same modules at the same time

    def keep(stage: Stage) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if threading.get_ident() == thread:
                found[stage.name] = stage.layout.to_map(tensor_in(output), aspect)

        return hook

    modules = dict(halves.behind.named_modules())
    handles = [modules[stage.name].register_forward_hook(keep(stage)) for stage in stages]
    try:
        logits = halves.rest(features)
    finally:
        for handle in handles:
            handle.remove()
    return [found[stage.name] for stage in stages], logits


def _may_end(call: Call, passed: Sequence[Call]) -> bool:
    """Whether it holds at most one change of resolution and is not part of a layer that is one."""
    for outer in passed:
        if not f"{call.name}.".startswith(f"{outer.name}."):
            continue
        inner = {c.area for c in passed if c.name.startswith(f"{outer.name}.")}
        count = len(inner | {outer.area})
        if count > 2 if outer is call else count == 2 and outer.area < call.area:
            return False
    return True


def _spaced(passed: Sequence[Call], modules: Mapping[str, nn.Module]) -> list[Call]:
    """Evenly spaced ones of the longest series of equal layers; none if there is no series."""
    series: dict[tuple[str, type[nn.Module]], list[Call]] = {}
    for call in passed:
        if call.area > 1:
            key = call.name.rpartition(".")[0], type(modules[call.name])
            series.setdefault(key, []).append(call)
    longest = max(series.values(), key=len, default=[])
    if len(longest) < _FEWEST_BLOCKS:
        return []
    return [longest[(i + 1) * len(longest) // _MOST - 1] for i in range(_MOST)]
