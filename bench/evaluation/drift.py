"""How far features drift under degradation, and how much of that a repair takes back.

The papers on plug-in modules (Wang et al., CVPR 2020; Peng et al., TMM 2024) rest on it: the features
of a degraded image drift from those of the clean one, and a module that moves them back should
recover the class. Here the drift is measured behind the module and at the ends of the stages that
follow, where most of it may come back or be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import torch
from torch import Tensor

from robobench.contracts import Method
from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.evaluation.chunks import chunk_size, context_for
from robobench.files import write_whole
from robobench.results.manifest import DRIFT

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone
    from robobench.evaluation.plan import Plan
    from robobench.types import Degradation
    from robobench.weights.selection import SelectedMethod

IMAGES: Final = 200


def write_drift(
    plans: Sequence[Plan], *, images: int = IMAGES, advance: Callable[[int], None] = lambda n: None
) -> Path:
    """Measure the drift in a run, and write ``drift.csv`` into its folder.

    The first images of the run are taken, with the first of its seeds. A row holds, for a method, a
    condition and a layer, ``drift``: the squared distance between the features with the repair and
    the classifier's own for the clean image, divided by the variance of the latter; and
    ``untreated``: the same without the repair.

    Args:
        plans: Those of the run, one per classifier.
        images: At most how many images.
        advance: Called with the number of images whose features were just computed.

    Raises:
        RobobenchError: As `check_drift`.
    """
    check_drift(plans)
    rows = [row for plan in plans for row in _rows(plan, images, advance)]
    path = Path(plans[0].configuration.folder) / DRIFT
    write_whole(path, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g").encode())
    return path


def check_drift(plans: Sequence[Plan]) -> None:
    """Refuse plans in which there is no drift to measure.

    Raises:
        RobobenchError: No method repairs features, or no image is there undegraded.
    """
    if not any(_repairing(plan) for plan in plans):
        raise RobobenchError(
            "--drift: expected a method that repairs features (afd, ddp, dedrift, finetune), and "
            "images that are there undegraded; leave --drift out"
        )


def _repairing(plan: Plan) -> list[SelectedMethod]:
    """The methods whose features are measured."""
    if not plan.source.has_clean:
        return []
    return [m for m in plan.grid.methods if m.kind.features is not Method.features]


def conditions_of(plan: Plan) -> int:
    """Under how many conditions the drift is measured in a plan."""
    return len(_conditions(plan)) if _repairing(plan) else 0


def _conditions(plan: Plan) -> list[tuple[Degradation, int]]:
    """Every degradation, once, with the first of its seeds."""
    first: dict[Degradation, int] = {}
    for degradation, seed in plan.grid.conditions():
        first.setdefault(degradation, seed)
    return list(first.items())


@dataclass
class _Sums:
    """Sums over images of one layer."""

    error: float = 0.0
    untreated: float = 0.0
    square: float = 0.0
    total: float = 0.0
    count: int = 0

    def add(self, features: Tensor, untreated: Tensor, clean: Tensor) -> None:
        self.error += float((features - clean).square().sum(dtype=torch.float64))
        self.untreated += float((untreated - clean).square().sum(dtype=torch.float64))
        self.square += float(clean.square().sum(dtype=torch.float64))
        self.total += float(clean.sum(dtype=torch.float64))
        self.count += clean.numel()

    @property
    def variance(self) -> float:
        """Of the clean features, times their number."""
        return self.square - self.total**2 / self.count


@dataclass
class _Measured:
    """The sums of a method under one condition, layer by layer."""

    method: SelectedMethod
    layers: list[_Sums] = field(default_factory=list)


def _is_for(method: SelectedMethod, degradation: Degradation) -> bool:
    return degradation.is_clean or not method.refuses(degradation.corruption)


def _add(
    one: _Measured,
    plan: Plan,
    degradation: Degradation,
    begin: int,
    degraded: Tensor,
    untreated: list[Tensor],
    clean: list[Tensor],
) -> None:
    """Add some images, from a position on, to the sums of a method."""
    method = one.method.method
    indices = plan.source.order[begin : begin + len(degraded)]
    context = context_for(method, plan.source, degradation, indices, len(degraded))
    with torch.no_grad():
        maps = method.features(degraded, context) or []
    one.layers = one.layers or [_Sums() for _ in maps]
    for sums, *three in zip(one.layers, maps, untreated, clean, strict=True):
        sums.add(*three)


def _rows(plan: Plan, images: int, advance: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    repairing = _repairing(plan)
    if not repairing:
        return
    told = [
        (degradation, seed, [_Measured(m) for m in repairing if _is_for(m, degradation)])
        for degradation, seed in _conditions(plan)
    ]
    count = min(images, len(plan.source))
    size = chunk_size(plan.source.side)
    for begin in range(0, count, size):
        end = min(begin + size, count)
        own: dict[int, list[Tensor]] = {}  # features of the clean images, by classifier
        for degradation, seed, measured in told:
            clean, degraded = plan.source.batch(begin, end, degradation, seed)
            before: dict[int, list[Tensor]] = {}
            for one in measured:
                backbone = one.method.backbone
                if id(backbone) not in own:
                    own[id(backbone)] = _maps(backbone, clean)
                if id(backbone) not in before:
                    before[id(backbone)] = _maps(backbone, degraded)
                _add(
                    one, plan, degradation, begin, degraded, before[id(backbone)], own[id(backbone)]
                )
            advance(end - begin)
    for degradation, _, measured in told:
        for one in measured:
            backbone = one.method.backbone
            for layer, sums in zip(
                (backbone.layer, *backbone.stage_names), one.layers, strict=True
            ):
                yield {
                    "backbone": backbone.label,
                    "method": one.method.name,
                    "trained_on": one.method.trained_on,
                    "train_seed": one.method.train_seed,
                    "weights": one.method.digest(degradation.corruption),
                    "corruption": degradation.corruption,
                    "severity": catalogue.severity_of(
                        degradation, degradation.profile or plan.profile
                    ),
                    "level": degradation.level,
                    "layer": layer,
                    "drift": sums.error / sums.variance,
                    "untreated": sums.untreated / sums.variance,
                    "images": count,
                }


@torch.no_grad()
def _maps(backbone: Backbone, images: Tensor) -> list[Tensor]:
    return backbone.maps(backbone.stem(images))
