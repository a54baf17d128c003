"""The views of training images that a recipe asks for, before they are degraded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from robobench.training.augmentation import move, rescaled_crops, warp
from robobench.training.pools import ImagePool
from robobench.training.variety import collage, recolour, scenes

_SCENES: Final = 128
_PHOTOGRAPHS: Final = 256  # that scenes are made of, at most


class Views:
    """Takes random views of images of a pool.

    Args:
        pool: The images.
        options: Those of the recipe: ``crop``, ``smallest`` (see `rescaled_crops`), ``shift`` (see
            `move`), ``warping`` (see `warp`); ``scenes``, the fraction of a batch that is replaced by
            `scenes` of the images; ``collage`` and ``recolour``, the fractions that are changed so.
        seed: Seed of the scenes.
    """

    def __init__(self, pool: ImagePool, options: Mapping[str, Any], seed: int) -> None:
        self.pool = pool
        self.options = options
        self.seed = seed
        crop = options.get("crop")
        self.crop: int | None = crop if crop and crop < pool.side else None
        """Side of the crops; None for whole images."""

    def __call__(self, images: Tensor, generator: np.random.Generator) -> Tensor:
        """Random views, uint8 N x 3 x side x side.

        Args:
            images: uint8, N x 3 x H x W, of the pool.
            generator: Source of random numbers.
        """
        options = self.options
        if warping := options.get("warping"):
            images = warp(images, warping, generator)
        if share := options.get("scenes"):
            replaced = torch.from_numpy(np.flatnonzero(generator.random(len(images)) < share))
            which = generator.integers(0, _SCENES, len(images))
            images = images.clone()
            images[replaced] = self._scenes[torch.from_numpy(which)[replaced]]
        if self.crop and (smallest := options.get("smallest")):
            images = rescaled_crops(images, self.crop, smallest, generator)
        else:
            images = move(images, options.get("shift", 0), generator, self.crop)
        if share := options.get("collage"):
            images = collage(images, share, generator)
        if share := options.get("recolour"):
            images = recolour(images, share, generator)
        return images

    @cached_property
    def _scenes(self) -> Tensor:
        generator = np.random.default_rng([self.seed, _SCENES])
        chosen = generator.permutation(len(self.pool))[:_PHOTOGRAPHS]
        return scenes(self.pool.batch(np.sort(chosen)), _SCENES, generator)
