"""AugMix's augmentation (Hendrycks et al., ICLR 2020): chains of operations, mixed into the image.

The nine operations are those of AutoAugment (Cubuk et al. 2019) that no corruption of ImageNet-C
resembles: contrast, colour, brightness and sharpness are left out, as are noise and blur. A strength
is a fraction of an operation's largest effect; the sign is the direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample
from torchvision.transforms.v2 import functional

from robobench.corruptions.random import keys_each, stream, uniform

_DEGREES: Final = 30.0
_SHEAR: Final = 0.3
_SHIFT: Final = 1 / 3  # of the side
_BITS: Final = 4
_LEAST_SEVERITY: Final = 0.1
_SEVERITIES: Final = 10.0  # the severity at which an operation has its largest effect
_HALF_STEP: Final = 2.0**-25  # moves uniform numbers off zero, whose logarithm is infinite


def autocontrast(images: Tensor, strengths: Tensor) -> Tensor:
    """Stretch each channel to 0..255."""
    stretched: Tensor = functional.autocontrast(images)
    return stretched


def equalize(images: Tensor, strengths: Tensor) -> Tensor:
    """Flatten the histogram of each channel."""
    flat: Tensor = functional.equalize(images)
    return flat


def posterize(images: Tensor, strengths: Tensor) -> Tensor:
    """Keep the 4 highest bits of each value at strength 0, none at strength 1."""
    dropped = 8 - _BITS + (_BITS * strengths.abs()).int()
    mask = (0xFF << dropped).bitwise_and(0xFF).to(torch.uint8)
    return images & mask[:, None, None, None]


def solarize(images: Tensor, strengths: Tensor) -> Tensor:
    """Invert the values above a threshold: none at strength 0, all at strength 1."""
    threshold = 256 - (256 * strengths.abs()).int()
    return torch.where(images.int() >= threshold[:, None, None, None], 255 - images, images)


def rotate(images: Tensor, strengths: Tensor) -> Tensor:
    """Rotate about the centre, anticlockwise by 30 degrees at strength 1."""
    height, width = images.shape[2:]
    angle = torch.deg2rad(_DEGREES * strengths)
    cosine, sine = angle.cos(), angle.sin()
    x, y = width / 2, height / 2
    return _sampled(
        images,
        (cosine, -sine, x - cosine * x + sine * y),
        (sine, cosine, y - sine * x - cosine * y),
    )


def shear_x(images: Tensor, strengths: Tensor) -> Tensor:
    """Shift each row to the left, by 0.3 of its distance from the top edge at strength 1."""
    one, zero = torch.ones_like(strengths), torch.zeros_like(strengths)
    return _sampled(images, (one, _SHEAR * strengths, zero), (zero, one, zero))


def shear_y(images: Tensor, strengths: Tensor) -> Tensor:
    """Shift each column upwards, by 0.3 of its distance from the left edge at strength 1."""
    one, zero = torch.ones_like(strengths), torch.zeros_like(strengths)
    return _sampled(images, (one, zero, zero), (_SHEAR * strengths, one, zero))


def translate_x(images: Tensor, strengths: Tensor) -> Tensor:
    """Shift to the left by whole pixels, by a third of the width at strength 1."""
    one, zero = torch.ones_like(strengths), torch.zeros_like(strengths)
    pixels = (strengths * images.shape[3] * _SHIFT).trunc()
    return _sampled(images, (one, zero, pixels), (zero, one, zero))


def translate_y(images: Tensor, strengths: Tensor) -> Tensor:
    """Shift upwards by whole pixels, by a third of the height at strength 1."""
    one, zero = torch.ones_like(strengths), torch.zeros_like(strengths)
    pixels = (strengths * images.shape[2] * _SHIFT).trunc()
    return _sampled(images, (one, zero, zero), (zero, one, pixels))


Operation = Callable[[Tensor, Tensor], Tensor]
OPERATIONS: Final[tuple[Operation, ...]] = (
    autocontrast, equalize, posterize, solarize, rotate, shear_x, shear_y, translate_x, translate_y,
)  # fmt: skip
"""What a chain is made of: uint8 N x 3 x H x W and strengths, float N on -1..1, to uint8 images."""

_Row = tuple[Tensor, Tensor, Tensor]


def _sampled(images: Tensor, x: _Row, y: _Row) -> Tensor:
    """The image whose pixel (i, j) shows the place x = (a, b, c): ai + bj + c, y likewise, of the given.

    Coordinates are in pixels from the upper left corner; places outside are black.
    """
    height, width = images.shape[2:]
    slant = height / width
    a, b, c = x
    d, e, f = y
    # In torch's coordinates the image reaches from -1 to 1.
    across = torch.stack([a, b * slant, a + b * slant + 2 * c / width - 1], 1)
    down = torch.stack([d / slant, e, d / slant + e + 2 * f / height - 1], 1)
    grid = affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    moved = grid_sample(images.float(), grid, mode="bilinear", align_corners=False)
    return moved.round().to(torch.uint8)


@dataclass(frozen=True)
class Chains:
    """How each image of a batch is augmented, on the CPU.

    Attributes:
        operations: int64 N x width x depth, numbers of operations.
        strengths: float32 of the same shape, on -1..1.
        depths: int64 N x width, how many operations of each chain are applied.
        weights: float32 N x width, of the chains in their mix; rows sum to one.
        kept: float32 N, the share of the unchanged image.
    """

    operations: Tensor
    strengths: Tensor
    depths: Tensor
    weights: Tensor
    kept: Tensor


def draw_chains(keys: Tensor, *, width: int, depth: int, severity: float) -> Chains:
    """Draw the chains of images; those of one image depend on its key alone.

    Weights are Dirichlet(1, ..., 1), the share of the image is Beta(1, 1): the paper's, with alpha 1.

    Args:
        keys: int64 N, on the CPU; see `view_keys`.
        width: Number of chains per image.
        depth: Most operations in a chain; 1 to so many are equally likely.
        severity: Sizes of strengths are drawn uniformly between 0.01 and a tenth of it.
    """
    sizes = [1, width, width, *[width * depth] * 3]
    draws = torch.split(uniform(keys, sum(sizes)), sizes, dim=1)
    kept, weights, depths = draws[0][:, 0], draws[1], draws[2]
    which, levels, signs = (part.reshape(-1, width, depth) for part in draws[3:])
    exponential = -(weights + _HALF_STEP).log()  # normalised, these are Dirichlet(1, ..., 1)
    strengths = (_LEAST_SEVERITY + (severity - _LEAST_SEVERITY) * levels) / _SEVERITIES
    return Chains(
        operations=(which * len(OPERATIONS)).long(),
        strengths=torch.where(signs < 0.5, -strengths, strengths),
        depths=1 + (depths * depth).long(),
        weights=exponential / exponential.sum(1, keepdim=True),
        kept=kept,
    )


def view_keys(seed: int, step: int, indices: Tensor, views: int) -> Tensor:
    """Keys of several views of the images of a training step, int64 views * N, view by view.

    Args:
        seed: Training seed.
        step: Number of the step.
        indices: int64 N, the images' indices in their data set.
        views: How many views of each image.
    """
    steps = torch.full(indices.shape, float(step))
    keys = keys_each(seed, "augmix", steps, indices)
    return torch.cat([stream(keys, view) for view in range(views)])


def mix(images: Tensor, chains: Chains) -> Tensor:
    """Mix each image with a mix of augmented copies: m x + (1 - m) sum_i w_i chain_i(x).

    Operations are applied to 8-bit images, as published; the mix is not rounded.

    Args:
        images: uint8, N x 3 x H x W.
        chains: How each of them is augmented.

    Returns:
        float32, N x 3 x H x W on 0..255.
    """
    count, width, depth = chains.operations.shape
    copies = images.repeat_interleave(width, 0)
    operations, strengths = chains.operations.flatten(0, 1), chains.strengths.flatten(0, 1)
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 misplaces pixels
        for place in range(depth):
            applied = chains.depths.flatten() > place
            for number, operation in enumerate(OPERATIONS):
                rows = (applied & (operations[:, place] == number)).nonzero()[:, 0]
                if len(rows):
                    strength = strengths[rows, place].to(images.device)
                    rows = rows.to(images.device)
                    copies[rows] = operation(copies[rows], strength)
        weights = chains.weights.to(images.device)[:, :, None, None, None]
        each = copies.reshape(count, width, *images.shape[1:])
        augmented = (weights * each).sum(1)
        kept = chains.kept.to(images.device)[:, None, None, None]
        return kept * images + (1 - kept) * augmented
