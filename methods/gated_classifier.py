"""`dedrift` as one network, which `robobench export` writes as a file."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from robobench.backbones.backbone import Backbone
from robobench.corruptions.quality_network import QualitySearch
from robobench.methods.experts import Expert

_QUALITIES: Final = range(1, 101)


class GatedClassifier(nn.Module):
    """A classifier whose first stages are put together for each image, as the gate says.

    The weights of a tuned layer are the classifier's, plus the change of the expert that the gate
    chooses, plus the slope of JPEG's; both are multiplied by 0 where it chooses none. The operations
    are always the same, so that what is traced on one image is right for all.

    Args:
        backbone: The classifier.
        experts: The experts, all with a module or all without.
        jpeg: Number of JPEG's expert; None if there is none.
        highest: Highest JPEG quality that is repaired.
        detector: Tells the kinds of the other experts apart, in their order; None if there are none.
        caution: Probability of ``clean`` from which on the detector chooses no expert.
    """

    one_image = True  # at a time
    learned: Tensor
    jpeg: Tensor
    by_quality: Tensor

    def __init__(
        self,
        backbone: Backbone,
        experts: Sequence[Expert],
        *,
        jpeg: int | None,
        highest: float,
        detector: nn.Module | None,
        caution: float,
    ) -> None:
        super().__init__()
        self.detector, self.caution = detector, caution
        learned = [number for number in range(len(experts)) if number != jpeg]
        self.register_buffer("learned", torch.tensor(learned))
        self.search: QualitySearch | None = None
        if jpeg is not None:
            self.search = QualitySearch()
            self.register_buffer("jpeg", torch.tensor([jpeg]))
            self.register_buffer("by_quality", _by_quality(experts[jpeg], highest))
        self._route = route = _Route()
        modules = [expert.module for expert in experts if expert.module is not None]
        switch = _Switch(copy.deepcopy(modules[0]), route) if modules else None
        # Batch normalisation stays apart: what is folded cannot be put together anew.
        live = backbone.with_module(backbone.twin(), live=True)
        for name in experts[0].changes:
            changes = [expert.changes[name].cpu() for expert in experts]
            slope = None if jpeg is None else changes[jpeg][1:]
            layer, parameter = _holder(live.module, name)
            tuned = _Tuned(torch.stack([change[0] for change in changes]), slope, route)
            register_parametrization(layer, parameter, tuned)
        for name in dict(modules[0].named_parameters()) if modules else ():
            assert switch is not None
            stored = torch.stack([m.get_parameter(name).detach().cpu() for m in modules])
            layer, parameter = _holder(switch.module, name)
            setattr(layer, parameter, nn.Parameter(_compact(stored), requires_grad=False))
            register_parametrization(layer, parameter, _Selected(route), unsafe=True)
        self.network = live.as_module(switch)

    def forward(self, images: Tensor) -> Tensor:
        """Logits 1 x classes for a float32 image 1 x 3 x H x W on 0..255."""
        self._choose(images.round())
        logits: Tensor = self.network(images)
        return logits

    def _choose(self, image: Tensor) -> None:
        """Fill in the route of an image of whole numbers."""
        number, chosen = image.new_zeros(1, dtype=torch.int64), image.new_zeros(1)
        tilt = chosen
        if self.detector is not None:
            shares: Tensor = self.detector(image / 255).softmax(dim=1)
            number = self.learned.index_select(0, shares[:, 1:].argmax(dim=1))
            chosen = (shares[:, 0] < self.caution).float()
        if self.search is not None:
            # torch's ONNX exporter must see the shapes of weights, but does not see that of what a
            # loop returns unless it changes its type.
            quality = self.search(image[0]).float().reshape(1).to(torch.int64)
            found = self.by_quality.index_select(0, quality)
            repaired, tilt = found[:, 0], found[:, 1]
            number = torch.where(repaired > 0, self.jpeg, number)
            chosen = torch.maximum(chosen, repaired)
        self._route.number, self._route.chosen, self._route.tilt = number, chosen, tilt


@dataclass
class _Route:
    """Where the gate sends the image that is classified now.

    Attributes:
        number: Number of the expert, int64 1; that of any if none is chosen.
        chosen: Whether one is, float32 1.
        tilt: JPEG's level on -1..1, float32 1; 0 for other experts.
    """

    number: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))
    chosen: Tensor = field(default_factory=lambda: torch.zeros(1))
    tilt: Tensor = field(default_factory=lambda: torch.zeros(1))


class _Tuned(nn.Module):
    """A parameter of the classifier, with the change of the chosen expert.

    Args:
        changes: Experts x the parameter's shape.
        slope: 1 x its shape, or 0 x: how JPEG's change depends on the level; None without JPEG.
        route: The route of the image.
    """

    changes: Tensor
    slope: Tensor | None

    def __init__(self, changes: Tensor, slope: Tensor | None, route: _Route) -> None:
        super().__init__()
        self._route = route
        self.register_buffer("changes", _compact(changes))
        self.register_buffer("slope", _compact(slope) if slope is not None and len(slope) else None)

    def forward(self, original: Tensor) -> Tensor:
        route = self._route
        change = self.changes.index_select(0, route.number)[0].float() * route.chosen
        if self.slope is not None:
            change = change + self.slope[0].float() * route.tilt
        return original + change


class _Selected(nn.Module):
    """The chosen expert's of a parameter that all experts have, experts x its shape.

    Args:
        route: The route of the image.
    """

    def __init__(self, route: _Route) -> None:
        super().__init__()
        self._route = route

    def forward(self, stored: Tensor) -> Tensor:
        return stored.index_select(0, self._route.number)[0].float()


class _Switch(nn.Module):
    """The chosen expert's module; leaves features as they are if none is chosen.

    Args:
        module: Maps features and images on 0..1 to repaired features.
        route: The route of the image.
    """

    def __init__(self, module: nn.Module, route: _Route) -> None:
        super().__init__()
        self.module = module
        self._route = route

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        repaired: Tensor = self.module(features, images)
        return torch.where(self._route.chosen > 0, repaired, features)


def _holder(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The layer that has a parameter, and the parameter's name there."""
    layer, _, parameter = name.rpartition(".")
    return network.get_submodule(layer), parameter


def _by_quality(expert: Expert, highest: float) -> Tensor:
    """For qualities 0 (none) to 100 whether it is repaired, and the level's place on -1..1."""
    rows = [(0.0, 0.0)]
    for quality in _QUALITIES:
        level = expert.basis(expert.node(quality))[1]
        rows.append((1.0, level) if quality <= highest else (0.0, 0.0))
    return torch.tensor(rows)


def _compact(values: Tensor) -> Tensor:
    """The same in half precision, if nothing is lost."""
    half = values.half()
    return half if torch.equal(half.float(), values.float()) else values.float()
