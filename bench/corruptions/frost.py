"""Photographs of frost, taken from the installed imagecorruptions distribution.

The package is not imported (its release cannot be imported everywhere); its files are found through
the installation's metadata.
"""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robobench.corruptions import random
from robobench.errors import RobobenchError

# ImageNet-C draws from the first five of the six.
_NAMES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


def files() -> list[Path]:
    """Paths of the five photographs.

    Raises:
        RobobenchError: imagecorruptions is not installed, or lacks the photographs.
    """
    try:
        listed = distribution("imagecorruptions").files or []
    except PackageNotFoundError:
        listed = []
    found = {Path(str(file)).name: Path(str(file.locate())) for file in listed}
    missing = [name for name in _NAMES if name not in found or not found[name].is_file()]
    if missing:
        raise RobobenchError(
            f"frost needs the photographs {', '.join(missing)} of the package imagecorruptions: "
            "pip install imagecorruptions"
        )
    return [found[name] for name in _NAMES]


@lru_cache(maxsize=4)
def photographs(
    scale: float, height: int, width: int, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """All five photographs at a scale, concatenated.

    Args:
        scale: Scale of the sides; increased where a photograph would not be larger than the image.
        height: Height of the images that crops are made for.
        width: Width of these images.
        device: Device to keep them on.

    Returns:
        uint8, 3 x pixels (RGB), and int64 5 x 3: first pixel, height and width of each.
    """
    pixels, places = [], []
    first = 0
    for file in files():
        try:
            with Image.open(file) as opened:
                photo = np.asarray(opened.convert("RGB"))
        except OSError as error:
            raise RobobenchError(f"{file} cannot be read: reinstall imagecorruptions") from error
        if scale != 1:
            photo = resized(photo, scale)
        need = max((height + 1) / photo.shape[0], (width + 1) / photo.shape[1])
        if need > 1:
            photo = resized(photo, need * 1.1)
        pixels.append(photo.reshape(-1, 3).T)
        places.append((first, photo.shape[0], photo.shape[1]))
        first += pixels[-1].shape[1]
    joined = np.ascontiguousarray(np.concatenate(pixels, axis=1))
    return torch.from_numpy(joined).to(device), torch.tensor(places, device=device)


def resized(photo: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Bilinear interpolation as OpenCV's `resize` computes it, to the bit.

    The published frost was scaled by it: neighbours weighted in 11 bits, no smoothing beforehand.

    Args:
        photo: uint8 H x W x 3.
        scale: Factor of both sides, above 0 and not 0.5, where OpenCV averages instead.

    Returns:
        uint8, the sides multiplied by the factor and rounded.
    """
    up, down, above, below = _neighbours(photo.shape[0], scale)
    left, right, before, after = _neighbours(photo.shape[1], scale)
    rows = photo[:, left] * before[:, None] + photo[:, right] * after[:, None] >> 4
    upper = rows[up] * above[:, None, None] >> 16
    lower = rows[down] * below[:, None, None] >> 16
    return (upper + lower + 2 >> 2).astype(np.uint8)


def _neighbours(
    side: int, scale: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32], NDArray[np.int32]]:
    """The two pixels that each new one lies between, and their weights in 1/2048."""
    at = ((np.arange(round(side * scale)) + 0.5) * (1 / scale) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.intp)
    share = np.rint((at - first.astype(np.float32)) * np.float32(2048)).astype(np.int32)
    return first.clip(0, side - 1), (first + 1).clip(0, side - 1), 2048 - share, share


def places(height: int, width: int, scale: float, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A random crop of a random photograph for each image.

    Returns:
        The pixels of all photographs, uint8 3 x pixels; the first pixel of each crop and the row
        length of its photograph, int64 N.
    """
    pixels, known = photographs(scale, 0, 0, str(keys.device))
    if int(known[:, 1].min()) <= height or int(known[:, 2].min()) <= width:
        # In steps, so that not every image size enlarges all photographs again.
        tall, wide = (-(-side // 128) * 128 for side in (height, width))
        pixels, known = photographs(scale, tall, wide, str(keys.device))
    word = random.words(keys, 3)
    first, rows, columns = known[(word[:, 0] * len(known)) >> 32].unbind(1)
    top = word[:, 1] * (rows - height) >> 32
    left = word[:, 2] * (columns - width) >> 32
    return pixels, first + top * columns + left, columns


def crops(height: int, width: int, scale: float, keys: Tensor) -> Tensor:
    """The crops themselves: uint8 N x 3 x H x W."""
    pixels, first, wide = places(height, width, scale, keys)
    rows = torch.arange(height, device=keys.device)[:, None] * wide[:, None, None]
    index = first[:, None, None] + rows + torch.arange(width, device=keys.device)
    return pixels[:, index].transpose(0, 1)
