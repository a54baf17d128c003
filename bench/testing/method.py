"""What a method promises: see `robobench.Method`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor

from robobench.backbones.backbone import Backbone
from robobench.contracts import Method
from robobench.datasets import open_dataset
from robobench.errors import RobobenchError
from robobench.registry import METHODS
from robobench.types import Context
from robobench.weights.classifiers import default_backbone, load_backbone
from robobench.weights.storage import find, load

__all__ = ["PROMISES", "Subject", "subject"]

_COUNT = 6
_DIFFERENT = 3  # the image that stays while all others change


@dataclass(frozen=True)
class Subject:
    """A method to be tested.

    Attributes:
        make: Makes it anew, for a device.
        images: uint8, N x 3 x H x W, of which N is 5 or more, all different.
        others: As many other images.
        context: All that a method may be told; it gets what it declares in `Method.needs`.
    """

    make: Callable[[str], Method]
    images: Tensor
    others: Tensor
    context: Context

    def told(self, method: Method, device: str = "cpu") -> Context:
        """What a run tells this method."""
        told = vars(self.context.told(method.needs))
        placed: dict[str, Any] = {
            k: v.to(device) if isinstance(v, Tensor) else v for k, v in told.items()
        }
        return Context(**placed)

    def answer(self, method: Method, images: Tensor) -> Tensor:
        """Probabilities for images, as a run asks for them: a method that adapts begins anew."""
        return self.ask(method, images.clone())

    def ask(self, method: Method, images: Tensor) -> Tensor:
        """The same for images that the method may spoil."""
        device = str(images.device)
        with torch.inference_mode():
            if method.adapts:
                method.begin(lambda count: self.images[:count].to(device))
            return method.predict(images, self.told(method, device))


def subject(
    name: str, *, dataset: str = "shapes10", backbone: str | None = None, level: float = 30.0
) -> Subject:
    """A registered method, with the classifier of a data set and some of its images.

    Args:
        name: Registered name.
        dataset: Name of a data set.
        backbone: Classifier; that of the data set if None.
        level: The level that a method is told if it needs one.

    Raises:
        RobobenchError: A name is unknown, or the method is trained and has no weights yet.
    """
    kind: type[Method] = METHODS[name]
    architecture = backbone or default_backbone(dataset)

    @cache
    def classifier_on(device: str) -> Backbone:
        return load_backbone(architecture, dataset=dataset, device=device)

    def make(device: str) -> Method:
        classifier = classifier_on(device)
        if kind.weights_of == "none":
            return kind(classifier)
        found = find(
            kind.trained_as or name,
            dataset=dataset,
            backbone_name=classifier.name,
            backbone=classifier,
        )
        if not found:
            raise RobobenchError(
                f"method {name} has no weights for {architecture} on {dataset}: `robobench train "
                f"--method {name} --dataset {dataset}` makes them; contract('trained_method', ...) "
                "tests the training"
            )
        return kind(classifier, load(found[0]))

    geometry = classifier_on("cpu").geometry
    images = open_dataset(dataset).read(np.arange(2 * _COUNT), geometry)
    context = Context(
        corruption="jpeg_compression",
        severity=3,
        level=level,
        header_quality=torch.full((_COUNT,), int(level)),
        indices=torch.arange(_COUNT),
    )
    return Subject(make, images[:_COUNT], images[_COUNT:], context)


def gives_probabilities(it: Subject) -> None:
    """One row per image, one float32 for each class, which sum to one."""
    method = it.make("cpu")
    found = it.answer(method, it.images)
    expected = (len(it.images), method.backbone.num_classes)
    assert isinstance(found, Tensor), f"a tensor is expected, got {type(found).__name__}"
    assert found.shape == expected, f"shape {expected} is expected, got {tuple(found.shape)}"
    assert found.dtype == torch.float32, f"torch.float32 is expected, got {found.dtype}"
    assert torch.isfinite(found).all(), "finite numbers are expected, some are not"
    assert (found >= 0).all(), f"probabilities are expected, the smallest is {float(found.min()):g}"
    sums = found.sum(1)
    assert (sums - 1).abs().max() < 1e-3, (
        f"rows that sum to one are expected, got sums from {float(sums.min()):g} to "
        f"{float(sums.max()):g}: are these logits?"
    )


def leaves_its_input_alone(it: Subject) -> None:
    """The images are the same ones afterwards."""
    batch = it.images.clone()
    it.ask(it.make("cpu"), batch)
    assert torch.equal(batch, it.images), "predict changed the images that it was given"


def says_the_same_again(it: Subject) -> None:
    """Neither earlier calls nor the state of torch's random numbers change an answer."""
    method = it.make("cpu")
    first = it.answer(method, it.images)
    torch.rand(3)
    assert torch.equal(it.answer(method, it.images), first), (
        "the same answer is expected for the same images, a second call differs: draw random "
        "numbers from context.indices, and keep no state between calls unless `adapts` is set"
    )
    anew = it.answer(it.make("cpu"), it.images)
    assert torch.equal(anew, first), "the same answer is expected from a second instance"


def looks_at_one_image_at_a_time(it: Subject) -> None:
    """An answer does not depend on the other images, unless the method says that it adapts."""
    method = it.make("cpu")
    if method.adapts:
        raise SkipTest("its answers depend on the batch, and it says so (adapts)")
    others = it.others.clone()
    others[_DIFFERENT] = it.images[_DIFFERENT]
    one, other = (it.answer(method, batch)[_DIFFERENT] for batch in (it.images, others))
    assert torch.equal(one, other), (
        "the same answer is expected for an image among other images, it differs by "
        f"{float((one - other).abs().max()):g}: set adapts = True if that is intended"
    )


def answers_from_the_stem_alike(it: Subject) -> None:
    """`from_stem`, where there is one, gives what `predict` gives."""
    method = it.make("cpu")
    if type(method).from_stem is Method.from_stem:
        raise SkipTest("it has no from_stem")
    with torch.inference_mode():
        features = method.backbone.stem(it.images)
        found = method.from_stem(features, it.images, it.told(method))
    torch.testing.assert_close(found, it.answer(method, it.images), rtol=1e-4, atol=1e-5)


def tells_its_cost(it: Subject) -> None:
    """At least the classifier's parameters and multiply-adds."""
    method = it.make("cpu")
    cost, least = method.cost(), method.backbone.cost()
    assert cost.parameters >= least.parameters, f"{least.parameters} or more are expected"
    assert cost.macs >= least.macs, f"{least.macs} multiply-adds or more are expected"


def adds_numbers_for_each_image(it: Subject) -> None:
    """Extra columns have one finite number for each image."""
    method = it.make("cpu")
    it.answer(method, it.images)
    with torch.inference_mode():
        columns = method.columns(it.images, it.images, it.told(method))
    for name, values in columns.items():
        assert values.shape == (len(it.images),), f"column {name}: one number per image is expected"
        assert torch.isfinite(values).all(), f"column {name}: finite numbers are expected"


def declares_itself(it: Subject) -> None:
    """What it needs are fields of the context; what can be trained has recipes, and only that."""
    method = it.make("cpu")
    known = {"corruption", "severity", "level", "header_quality"}
    assert set(method.needs) <= known, f"needs: any of {sorted(known)} is expected"
    recipes = type(method).recipes(method.backbone)
    trained = type(method).fit.__func__ is not Method.fit.__func__  # type: ignore[attr-defined]
    assert bool(recipes) == trained, "fit and recipes are expected together"
    assert all(recipe.minutes > 0 for recipe in recipes.values()), "recipes tell their minutes"
    assert all(isinstance(note, str) for note in method.notes), "notes are sentences"


def stays_on_its_device(it: Subject) -> None:
    """On a GPU the answers stay there, and are those of the CPU but for rounding."""
    if not torch.cuda.is_available():
        raise SkipTest("no CUDA device")
    expected = it.answer(it.make("cpu"), it.images)
    found = it.answer(it.make("cuda"), it.images.to("cuda"))
    assert found.device.type == "cuda", f"an answer on the GPU is expected, got {found.device}"
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-2, atol=1e-2)


def answers_a_single_image(it: Subject) -> None:
    """A batch of one is a batch; its answer differs by rounding only."""
    method = it.make("cpu")
    if method.adapts:
        raise SkipTest("its answers depend on the batch, and it says so (adapts)")
    whole = it.answer(method, it.images)
    told = it.told(method)
    single: dict[str, Any] = {
        name: value[:1] for name, value in vars(told).items() if isinstance(value, Tensor)
    }
    with torch.inference_mode():
        alone = method.predict(it.images[:1], replace(told, **single))
    torch.testing.assert_close(alone, whole[:1], rtol=1e-3, atol=1e-4)


PROMISES: tuple[Callable[[Subject], None], ...] = (
    gives_probabilities,
    leaves_its_input_alone,
    says_the_same_again,
    looks_at_one_image_at_a_time,
    answers_a_single_image,
    answers_from_the_stem_alike,
    tells_its_cost,
    adds_numbers_for_each_image,
    declares_itself,
    stays_on_its_device,
)
