"""What a corruption promises: see `robobench.corruption`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor

from robobench.corruptions import apply, apply_each, catalogue
from robobench.errors import RobobenchError
from robobench.registry import CORRUPTIONS
from robobench.types import Degradation

__all__ = ["PROMISES", "Subject", "subject"]

_PLACES = (4, 0, 9, 2**40, 7, 1, 3)


@dataclass(frozen=True)
class Subject:
    """A corruption to be tested.

    Attributes:
        name: Registered name, or a mixture.
        images: uint8, 7 x 3 x H x W.
        strengths: At least one strength, from the weakest to the strongest.
    """

    name: str
    images: Tensor
    strengths: tuple[Degradation, ...]

    @property
    def middle(self) -> Degradation:
        """The strength that most promises are tested at."""
        return self.strengths[len(self.strengths) // 2]

    @property
    def places(self) -> Tensor:
        """Indices of the images in their data set, in no order."""
        return torch.tensor(_PLACES)

    def at(self, images: Tensor, places: Tensor, seed: int = 0) -> Tensor:
        """The images, corrupted at the middle strength."""
        return apply(images, self.middle, places, seed)


def subject(
    name: str, *, images: Tensor | None = None, side: int = 32, profile: str = "cifar-c"
) -> Subject:
    """A registered corruption, with images of smooth shapes and some noise.

    Args:
        name: Registered name.
        images: uint8, 7 x 3 x H x W, to test it on instead.
        side: Side of the images in pixels, if none are given.
        profile: Severity table.

    Raises:
        RobobenchError: The name is unknown, or the images are not seven.
    """
    name = CORRUPTIONS.canonical(name)
    if images is None:
        images = _scenes(max(side, catalogue.minimum(name)))
    if len(images) != len(_PLACES):
        raise RobobenchError(f"images: {len(_PLACES)} are expected, got {len(images)}")
    try:
        strengths = [catalogue.at_severity(name, severity, profile) for severity in range(1, 6)]
    except RobobenchError:
        unit = catalogue.native(name)
        if unit is None:
            raise
        ends = np.linspace(unit.low, unit.high, 5)
        levels = np.unique(ends.round() if unit.integer else ends)
        strengths = [catalogue.at_level(name, float(level)) for level in levels]
    return Subject(name, images, tuple(strengths))


def _scenes(side: int) -> Tensor:
    """Seven smooth waves of colour, with a little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    waves = rng.uniform(1, 9, (len(_PLACES), 3, 2, 1, 1))
    scenes = 128 + 90 * np.sin(waves[:, :, 0] * x + waves[:, :, 1] * y)
    noisy = scenes + rng.normal(0, 6, scenes.shape)
    return torch.from_numpy(noisy.round().clip(0, 255).astype(np.uint8))


def keeps_shape_and_type(it: Subject) -> None:
    """uint8 of the same shape, at every strength."""
    for strength in it.strengths:
        found = apply(it.images, strength, it.places)  # which refuses another shape or type
        assert found.shape == it.images.shape
        assert found.dtype == torch.uint8


def leaves_its_input_alone(it: Subject) -> None:
    """The images are the same ones afterwards, and share no memory with the result."""
    before = it.images.clone()
    for strength in it.strengths:
        found = apply(it.images, strength, it.places)
        assert torch.equal(it.images, before), f"{strength.label} changed the images it was given"
        assert found.data_ptr() != it.images.data_ptr(), f"{strength.label} returned its own input"


def depends_on_seed_and_index_alone(it: Subject) -> None:
    """The same keys give the same image; no other random numbers are used or used up."""
    torch.manual_seed(1)
    np.random.seed(1)
    first = it.at(it.images, it.places)
    torch.manual_seed(2)
    np.random.seed(2)
    before, numbers = torch.get_rng_state(), np.random.get_state(legacy=False)
    assert torch.equal(it.at(it.images, it.places), first), (
        "the same image is expected for the same seed and index: draw every random number from "
        "`keys` (robobench.corruptions.random)"
    )
    unchanged = torch.equal(torch.get_rng_state(), before)
    assert unchanged, "torch's own random numbers were used"
    assert _same_numbers(np.random.get_state(legacy=False), numbers), "numpy's own were used"


def _same_numbers(one: Any, other: Any) -> bool:
    """Whether numpy's global generator is where it was."""
    (a, b) = (state["state"] for state in (one, other))
    return bool(np.array_equal(a["key"], b["key"])) and a["pos"] == b["pos"]


def differs_where_it_is_random(it: Subject) -> None:
    """A random corruption differs by image and by seed, any other does not."""
    if catalogue.is_random(it.name):
        same = it.images[:1].expand(len(it.images), -1, -1, -1)
        first, *others = it.at(same, it.places)
        assert any(not torch.equal(first, other) for other in others), (
            "registered as random, but images with different indices get the same noise: declare "
            "random=False, or use `keys`"
        )
        seeded = [it.at(it.images, it.places, seed) for seed in range(4)]
        changed = any(not torch.equal(seeded[0], one) for one in seeded[1:])
        assert changed, "registered as random, but the seed changes nothing"
    else:
        found, again = it.at(it.images, it.places), it.at(it.images, it.places + 1, 1)
        assert torch.equal(found, again), "registered as random=False, but seed or index matter"


def looks_at_one_image_at_a_time(it: Subject) -> None:
    """Neither the rest of the batch, nor its order or memory layout, change an image."""
    whole = it.at(it.images, it.places)
    for part in (slice(0, 1), slice(2, 6)):
        alone = it.at(it.images[part], it.places[part])
        assert torch.equal(alone, whole[part]), "an image differs with the batch that it is in"
    turned = it.at(it.images.flip(0), it.places.flip(0))
    assert torch.equal(turned.flip(0), whole), "the order of the images matters"
    strided = it.images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert torch.equal(it.at(strided, it.places), whole), "the memory layout matters"
    assert it.at(it.images[:0], it.places[:0]).shape == (0, *it.images.shape[1:])


def serves_its_smallest_size(it: Subject) -> None:
    """Images of the smallest declared side, and of another height than width, are served.

    Where the strength asks for larger ones, a `RobobenchError` says how large ("at least").
    """
    least = catalogue.minimum(it.name)
    for height, width in ((least, least + 5), (least + 13, least + 2)):
        images = torch.arange(2 * 3 * height * width).remainder(251).to(torch.uint8)
        images = images.reshape(2, 3, height, width)
        try:
            found = apply(images, it.middle, it.places[:2])
        except RobobenchError as error:
            if "at least" in str(error):
                continue
            raise
        assert found.shape == images.shape


def changes_something(it: Subject) -> None:
    """At its greatest strength images are not what they were; strengths differ from each other."""
    found = [apply(it.images, strength, it.places) for strength in it.strengths]
    assert not torch.equal(found[-1], it.images), "the strongest corruption changes nothing"
    for (weaker, one), (stronger, other) in pairwise(zip(it.strengths, found, strict=True)):
        assert not torch.equal(one, other), f"{weaker.label} and {stronger.label} are the same"


def takes_a_level_for_each_image(it: Subject) -> None:
    """With ``per_image``, a batch of several levels is each image at its level."""
    if not catalogue.option(it.name, "per_image", False) or catalogue.native(it.name) is None:
        raise SkipTest("it takes one level per batch")
    count = min(len(it.strengths), len(it.images))
    levels = torch.tensor([strength.level for strength in it.strengths[:count]])
    images, places = it.images[:count], it.places[:count]
    together = apply_each(images, it.name, levels, places)
    for i, strength in enumerate(it.strengths[:count]):
        alone = apply(images[i : i + 1], strength, places[i : i + 1])
        assert torch.equal(together[i : i + 1], alone), f"{strength.label} differs in a batch"


def stays_on_its_device(it: Subject) -> None:
    """On a GPU the images stay there, and are those of the CPU but for rounding."""
    if not torch.cuda.is_available():
        raise SkipTest("no CUDA device")
    found = it.at(it.images.to("cuda"), it.places.to("cuda"))
    assert found.device.type == "cuda", f"images on the GPU are expected, got {found.device}"
    off = (found.cpu().int() - it.at(it.images, it.places).int()).abs().float()
    assert off.mean() <= 0.05, f"the images of the CPU are expected, they differ by {off.mean():g}"


PROMISES: tuple[Callable[[Subject], None], ...] = (
    keeps_shape_and_type,
    leaves_its_input_alone,
    depends_on_seed_and_index_alone,
    differs_where_it_is_random,
    looks_at_one_image_at_a_time,
    serves_its_smallest_size,
    changes_something,
    takes_a_level_for_each_image,
    stays_on_its_device,
)
