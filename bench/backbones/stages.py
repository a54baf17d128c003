"""Intermediate features of a network behind its stem: the ends of up to four stages."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from robobench.backbones.maps import Layout

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


@dataclass(frozen=True)
class _Record:
    name: str
    layout: Layout
    area: int
    weighted: bool


def find_stages(rest: nn.Module, features: Tensor) -> tuple[Stage, ...]:
    """Up to four stages, in the order in which they end.

    A stage ends with the outermost module that is the last at its resolution; of more than four
    resolutions the coarsest four count. Pooling alone makes no stage. Where all features have one
    resolution, as in a vision transformer, the stages are evenly spaced blocks.

    Args:
        rest: Maps the stem's features to logits.
        features: The stem's features of a square image, N x C x h x w.
    """
    records = _recorded(rest, features)
    weighted = {record.area for record in records if record.weighted and record.area > 1}
    ends: dict[int, _Record] = {}
    for record in records:
        if record.area in weighted and _may_end(record, records):
            ends.pop(record.area, None)  # so that the order is that of the ends
            ends[record.area] = record
    chosen = list(ends.values())[-_MOST:]
    if len(chosen) == 1:
        chosen = _spaced(records, rest) or chosen
    return tuple(Stage(record.name, record.layout) for record in chosen)


def run_stages(
    rest: nn.Module, stages: Sequence[Stage], features: Tensor
) -> tuple[list[Tensor], Tensor]:
    """Feature maps at the ends of the stages, and what the rest returns, from one pass."""
    found: dict[str, Tensor] = {}
    aspect = features.shape[2] / features.shape[3]
    thread = threading.get_ident()  # others may run the same modules at the same time

    def keep(stage: Stage) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if threading.get_ident() == thread:
                found[stage.name] = stage.layout.to_map(_tensor_in(output), aspect)

        return hook

    modules = dict(rest.named_modules())
    handles = [modules[stage.name].register_forward_hook(keep(stage)) for stage in stages]
    try:
        logits: Tensor = rest(features)
    finally:
        for handle in handles:
            handle.remove()
    return [found[stage.name] for stage in stages], logits


def _recorded(rest: nn.Module, features: Tensor) -> list[_Record]:
    """What modules return that run once and make a feature map, in the order of returning.

    Those that change nothing, such as dropout, are left out.
    """
    records: list[_Record] = []
    calls: Counter[str] = Counter()
    channels_last = getattr(rest, "output_fmt", "") == "NHWC"

    def note(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            calls[name] += 1
            layout = Layout.of(_tensor_in(output), channels_last=channels_last)
            if layout is not None and not isinstance(module, _IDLE):
                own = (parameter.ndim > 1 for parameter in module.parameters(recurse=False))
                area = layout.area(_tensor_in(output))
                records.append(_Record(name, layout, area, any(own)))

        return hook

    handles = [m.register_forward_hook(note(n)) for n, m in rest.named_modules() if n]
    try:
        with torch.no_grad():
            rest(features)
    finally:
        for handle in handles:
            handle.remove()
    return [record for record in records if calls[record.name] == 1]


def _may_end(record: _Record, records: Sequence[_Record]) -> bool:
    """Whether it holds at most one change of resolution and is not part of a module that is one."""
    for outer in records:
        if not f"{record.name}.".startswith(f"{outer.name}."):
            continue
        inner = {r.area for r in records if r.name.startswith(f"{outer.name}.") and r.area > 1}
        count = len(inner | {outer.area})
        if count > 2 if outer is record else count == 2 and outer.area < record.area:
            return False
    return True


def _spaced(records: Sequence[_Record], rest: nn.Module) -> list[_Record]:
    """Evenly spaced ones of the longest series of equal modules; none if there is no series."""
    modules = dict(rest.named_modules())
    series: dict[tuple[str, type[nn.Module]], list[_Record]] = {}
    for record in records:
        key = record.name.rpartition(".")[0], type(modules[record.name])
        if record.area > 1:
            series.setdefault(key, []).append(record)
    longest = max(series.values(), key=len, default=[])
    if len(longest) < _FEWEST_BLOCKS:
        return []
    return [longest[(i + 1) * len(longest) // _MOST - 1] for i in range(_MOST)]


def _tensor_in(output: Any) -> Any:
    """The output, or the first of several."""
    return output[0] if isinstance(output, tuple | list) and output else output
