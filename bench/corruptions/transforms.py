"""Corruptions as a data loader's transform, for training."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robobench.corruptions import catalogue
from robobench.corruptions.engine import apply
from robobench.errors import RobobenchError

_Kind = TypeVar("_Kind", Tensor, Image.Image)


class Corrupt:
    """A torchvision-style transform that applies a randomly drawn corruption to each image.

    It draws from torch's global generator, so ``torch.manual_seed`` and the seeds of a data
    loader's workers apply, as for torchvision's own. Place it before the conversion to float.

    >>> import torch
    >>> image = torch.full((3, 32, 32), 200, dtype=torch.uint8)
    >>> Corrupt("noise,jpeg", severities=[1, 2, 3])(image).shape
    torch.Size([3, 32, 32])

    Args:
        names: Corruptions, groups or mixtures, comma-separated or in a list; one is drawn.
        severities: Severities, of which one is drawn. Give either these or `levels`.
        levels: Lowest and highest native level, between which one is drawn uniformly.
        profile: Severity table; by default the one nearest in image size.
        probability: Probability that an image is corrupted at all.

    Raises:
        RobobenchError: A name is unknown, a level is out of range, or both severities and levels
            are given.
    """

    def __init__(
        self,
        names: str | Sequence[str],
        *,
        severities: Sequence[int] | None = None,
        levels: tuple[float, float] | None = None,
        profile: str | None = None,
        probability: float = 1.0,
    ) -> None:
        listed = names.split(",") if isinstance(names, str) else list(names)
        found = [name for item in listed for name in catalogue.expand(item.strip())]
        self.names = list(dict.fromkeys(found))
        if severities is not None and levels is not None:
            raise RobobenchError("Corrupt: expected severities or levels, got both")
        if not 0 <= probability <= 1:
            raise RobobenchError(f"Corrupt: probability {probability} is not between 0 and 1")
        self.severities = list(severities or (1, 2, 3, 4, 5))
        self.levels = levels
        self.profile = profile
        self.probability = probability
        for name in self.names:  # fail here, not in the middle of training
            if levels is not None:
                for level in levels:
                    catalogue.at_level(name, level)
            else:
                for severity in self.severities:
                    catalogue.at_severity(name, severity, profile or "imagenet-c")

    def __call__(self, image: _Kind) -> _Kind:
        """Corrupt one image.

        Args:
            image: A PIL image (converted to RGB), or uint8 3 x H x W.

        Returns:
            An image of the same kind; a new one if it was corrupted.

        Raises:
            RobobenchError: The image is neither, or too small.
        """
        if float(torch.rand(())) >= self.probability:
            return image
        if isinstance(image, Tensor):
            if image.ndim != 3:
                raise RobobenchError(
                    f"Corrupt: expected one image 3 x H x W, got {image.ndim} axes"
                )
            return self._drawn(image[None])[0]
        if not isinstance(image, Image.Image):
            raise RobobenchError(
                f"Corrupt: expected a PIL image or a uint8 tensor 3 x H x W, "
                f"got {type(image).__name__}"
            )
        array = np.array(image.convert("RGB"))
        batch = torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()
        return Image.fromarray(self._drawn(batch)[0].permute(1, 2, 0).numpy())

    def _drawn(self, batch: Tensor) -> Tensor:
        name = self.names[_below(len(self.names))]
        if self.levels is not None:
            low, high = self.levels
            unit = catalogue.native(name)
            assert unit is not None  # at_level would have refused
            level = low + (high - low) * float(torch.rand(()))
            if unit.integer:
                level = low + _below(int(high - low) + 1)
            degradation = catalogue.at_level(name, level)
        else:
            table = self.profile or catalogue.nearest_profile(min(batch.shape[2:]))
            severity = self.severities[_below(len(self.severities))]
            degradation = catalogue.at_severity(name, severity, table)
        return apply(batch, degradation, torch.randint(2**62, (1,)))

    def __repr__(self) -> str:
        """The call that creates this transform."""
        given = f"levels={self.levels}" if self.levels else f"severities={self.severities}"
        return f"Corrupt({self.names}, {given}, probability={self.probability})"


def _below(count: int) -> int:
    return int(torch.randint(count, ()))
