"""`dedrift`: first stages of the classifier tuned to each kind of degradation, behind a gate.

Two things are better than either alone: a module behind the stem, as in `afd`, and tuning the stages
that follow, which costs nothing in inference; and one module for all corruptions is spread thin. So
both are trained once for each kind of degradation (the expert), without labels, on a few
photographs, and a gate decides for each image which expert classifies it, if any. Where the gate
finds no degradation the classifier answers as it is.

JPEG is found exactly, by the search for its quantisation tables; the weights of its expert are a
function of the quality. Other kinds are told apart by a `DegradationDetector`.
"""

from __future__ import annotations

import math
import statistics
import weakref
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone, cost_of
from robobench.corruptions.jpeg_quality import search_quality
from robobench.methods.degradation_detector import DegradationDetector, train_detector
from robobench.methods.drift_loss import refuse_if_worse
from robobench.methods.experts import Expert, expert_names, module_settings, train_expert
from robobench.methods.gated_classifier import GatedClassifier
from robobench.methods.repair_recipes import PHOTOGRAPHS, SMALL_IMAGES, SMALL_SIDE, suited
from robobench.training.fitting import Fit
from robobench.training.task import TrainingTask
from robobench.types import Context, Cost, Recipe, Weights
from robobench.weights.coverage import trained_corruptions

_NETWORKS_KEPT: Final = 8
_CHUNK_OF_SMALL, _CHUNK_OF_LARGE = 64, 16
_DETECTOR_STEPS: Final = 600
JPEG: Final = "jpeg_compression"
# Corruptions that do the same to features have one expert.
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": (
        "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur",
        "pixelate", "elastic_transform",
    ),
    "haze": ("fog", "contrast"),
    "weather": ("snow", "frost", "brightness", "spatter", "saturate"),
}  # fmt: skip
_Route = tuple[int, float]  # number of the expert, -1 for none; level


@robobench.method("dedrift", trainings=("common",), worth=16)
class Dedrift(robobench.Method):
    """First stages tuned to the degradation that a gate finds; untouched where it finds none."""

    weights_of = "plugin"

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        if weights is None:
            return
        self.settings: Mapping[str, Any] = weights.card.recipe["network"]
        self.experts = [
            Expert.loaded(name, self.settings, weights, backbone.device)
            for name in self.settings["experts"]
        ]
        self.learned = [e for e in self.experts if e.name != JPEG]
        self.detector: DegradationDetector | None = None
        if self.learned:
            self.detector = DegradationDetector(len(self.learned))
            self.detector.load_state_dict(weights.part("detector."))
            self.detector.to(backbone.device).eval().requires_grad_(False)
        self._network = lru_cache(_NETWORKS_KEPT)(self._merged)
        self._routed: tuple[weakref.ref[Tensor], list[_Route]] | None = None

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities, each image's from the network that its route says."""
        routes = self.routes(images)
        self._routed = weakref.ref(images), routes
        result = torch.empty(len(images), self.backbone.num_classes, device=images.device)
        size = _CHUNK_OF_SMALL if images.shape[-1] <= SMALL_SIDE else _CHUNK_OF_LARGE
        for route in dict.fromkeys(routes):
            rows = torch.tensor([n for n, r in enumerate(routes) if r == route])
            for part in torch.split(rows, size):
                # Always as many images, so that an answer does not depend on the others' routes.
                padded = part[torch.arange(size).clamp(max=len(part) - 1)].to(images.device)
                answers = self._answers(images[padded], route)
                result[part.to(images.device)] = answers[: len(part)]
        return result

    def routes(self, images: Tensor) -> list[_Route]:
        """For each image the number of its expert, -1 for none, and the level it is tuned to."""
        found: list[_Route] = [(-1, 0.0)] * len(images)
        if self.detector is not None:
            with torch.inference_mode():
                shares = self.detector(images.float() / 255).softmax(dim=1)
            sure = (shares[:, 0] < self.settings["caution"]).tolist()
            best = (shares[:, 1:].argmax(dim=1)).tolist()
            numbers = [self.experts.index(e) for e in self.learned]
            found = [(numbers[b], 0.0) if s else (-1, 0.0) for s, b in zip(sure, best, strict=True)]
        for number, expert in enumerate(self.experts):
            if expert.name == JPEG:
                qualities = search_quality(images).tolist()
                for place, quality in enumerate(qualities):
                    if not math.isnan(quality) and quality <= self.settings["highest"]:
                        found[place] = number, expert.node(quality)
        return found

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """``repaired``: 1 where an expert answers, 0 where the classifier itself does."""
        seen, routes = self._routed or (None, [])
        if seen is None or seen() is not images:
            routes = self.routes(images)
        return {"repaired": torch.tensor([float(n >= 0) for n, _ in routes])}

    def as_module(self) -> nn.Module:
        """The classifier with gate and experts in it, for one image at a time."""
        names = [expert.name for expert in self.experts]
        return GatedClassifier(
            self.backbone,
            self.experts,
            jpeg=names.index(JPEG) if JPEG in names else None,
            highest=self.settings["highest"],
            detector=self.detector,
            caution=self.settings["caution"],
        )

    def _answers(self, images: Tensor, route: _Route) -> Tensor:
        """Probabilities of the network of one route."""
        network, module = self._network(route), self._module(route)
        if module is None:
            return network(images)
        return network.rest(_repaired(network, module, images)).softmax(dim=1)

    def features(self, images: Tensor, context: Context) -> list[Tensor]:
        """Those of the network that each image's route says."""
        routes = self.routes(images)
        result: list[Tensor] = []
        for route in dict.fromkeys(routes):
            rows = torch.tensor([n for n, r in enumerate(routes) if r == route])
            rows = rows.to(images.device)
            network = self._network(route)
            maps = network.maps(_repaired(network, self._module(route), images[rows]))
            result = result or [m.new_empty(len(images), *m.shape[1:]) for m in maps]
            for whole, part in zip(result, maps, strict=True):
                whole[rows] = part
        return result

    def _module(self, route: _Route) -> nn.Module | None:
        return self.experts[route[0]].module if route[0] >= 0 else None

    def _merged(self, route: _Route) -> Backbone:
        number, level = route
        if number < 0:
            return self.backbone
        expert = self.experts[number]
        # Outside of inference mode, whose tensors cannot follow the image along which a split is found.
        with torch.inference_mode(False), torch.no_grad():
            state = dict(self.backbone.module.state_dict())
            network = self.backbone.with_state(expert.at(level, state), "dedrift")
            if expert.module is not None:
                _ = network.split
        return network

    def cost(self) -> Cost:
        """Parameters of all that is stored; operations of the dearest way through it."""
        around = self.backbone.cost()
        parameters = around.parameters + sum(expert.parameters for expert in self.experts)
        macs = around.macs
        images = self.backbone.example.float() / 255
        if self.detector is not None:
            own = cost_of(self.detector, images)
            parameters, macs = parameters + own.parameters, macs + own.macs
        modules = [expert.module for expert in self.experts if expert.module is not None]
        if modules:
            with torch.no_grad():
                features = self.backbone.stem(self.backbone.example)
            macs += max(cost_of(module, features, images).macs for module in modules)
        return Cost(parameters, macs)

    @classmethod
    def recipes(cls, backbone: Backbone | None) -> dict[str, Recipe]:
        """Settings of each expert, for many small images or for crops of a few photographs."""
        # Lower cautions leave more clean images alone, and more mild degradations: the largest, on
        # images held out, that hardly costs any clean ones.
        common = {"logarithmic": True, "stored_as": "float16", "caution": 0.05}
        small = Recipe(
            steps=600,
            batch=64,
            rate=5e-4,
            minutes=4,
            clip=1.0,
            evaluations=2,
            options={
                **SMALL_IMAGES,
                **common,
                "depth": 4,
                "module": False,
                "speed": 1.0,
                "stages": 4.0,
                "distillation": 1.0,
            },
        )
        large = Recipe(
            steps=1600,
            batch=8,
            rate=5e-4,
            minutes=7,
            clip=1.0,
            warmup=0.05,
            evaluations=2,
            options={
                **PHOTOGRAPHS,
                **common,
                "depth": 2,
                "module": True,
                "speed": 0.2,
                "stages": 4.0,
                "distillation": 0.1,
            },
        )
        return suited(backbone, small, large).in_lengths()

    @classmethod
    def fit(cls, task: TrainingTask) -> None:
        """Train the experts and the detector; labels are not used."""
        kinds = kinds_of(trained_corruptions(task.trained_on))
        names = expert_names(task.frozen, task.recipe.options["depth"])
        tensors: dict[str, Tensor] = {}
        fits: list[Fit] = []
        minutes = 0.0
        for kind, corruptions in kinds.items():
            levelled = kind == JPEG and task.recipe.options.get("levelled", True)
            expert, fit = train_expert(task, kind, corruptions, names, levelled=levelled)
            tensors |= {f"expert-{kind}.{name}": t for name, t in expert.changes.items()}
            if expert.module is not None:
                stored = expert.module.state_dict()
                tensors |= {f"module-{kind}.{name}": t for name, t in stored.items()}
            fits.append(fit)
        settings: dict[str, Any] = {
            "experts": {kind: list(corruptions) for kind, corruptions in kinds.items()},
            "caution": task.recipe.options["caution"],
            "range": list(task.ranges.get(JPEG, (1, 100))),
            "highest": _highest(task),
            "start": task.start_of_arm,
        }
        if task.recipe.options["module"]:
            settings["module"] = module_settings(task.frozen)
        learned = [corruptions for kind, corruptions in kinds.items() if kind != JPEG]
        if learned:
            recipe = Recipe(
                steps=min(_DETECTOR_STEPS, task.recipe.steps),
                batch=64,
                rate=2e-3,
                minutes=1,
                options={**task.recipe.options, "clean_share": 0.3},
            )
            detector, minutes = train_detector(task, learned, recipe)
            tensors |= {f"detector.{name}": t for name, t in detector.state_dict().items()}
        whole = _joined(fits)
        refuse_if_worse(task, whole.figures)
        task.save(tensors, whole, settings, minutes=minutes)


def _repaired(network: Backbone, module: nn.Module | None, images: Tensor) -> Tensor:
    """Features of a network's stem, repaired if there is a module."""
    features = network.stem(images)
    if module is None:
        return features
    with network.autocast():
        repaired: Tensor = module(features, images.float() / 255)
    return repaired.float()


def kinds_of(corruptions: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The experts that corruptions need: name -> those that it is trained on.

    JPEG has one of its own, and so has each corruption that no kind lists.
    """
    found: dict[str, tuple[str, ...]] = {}
    for corruption in corruptions:
        kind = next((k for k, names in KINDS.items() if corruption in names), corruption)
        found[kind] = (*found.get(kind, ()), corruption)
    return found


def _joined(fits: Sequence[Fit]) -> Fit:
    """The outcome of several trainings: figures of single conditions kept, all others averaged."""
    shared = set.intersection(*(set(fit.figures) for fit in fits))
    figures = {
        name: statistics.fmean(f.figures[name] for f in fits)
        for name in fits[0].figures
        if name in shared
    }
    for fit in fits:
        figures |= {name: value for name, value in fit.figures.items() if name not in shared}
    return Fit(figures, sum(fit.minutes for fit in fits), fits[0].precision)


def _highest(task: TrainingTask) -> float:
    """The highest JPEG quality that is repaired: a little above those seen in training."""
    return min(95.0, 1.5 * float(task.ranges.get(JPEG, (1, 100))[1]))
