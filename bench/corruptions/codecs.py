"""Other codecs: repeated JPEG, WebP and AVIF."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image, features
from torch import Tensor

from robobench.corruptions import jpeg, random
from robobench.errors import RobobenchError
from robobench.registry import corruption

# Another release of an encoder makes other pixels: its version is part of a cell's identity.
_LIBWEBP = f"1 (libwebp {features.version('webp')})"
_LIBAVIF = f"1 (libavif {features.version('avif')})"

_QUALITIES = (25, 18, 15, 10, 7)


@corruption(
    "multi_jpeg",
    group="codecs",
    native={"unit": "compressions", "low": 1, "high": 5, "integer": True},
    severities=(1, 2, 3, 4, 5),
)
def multi_jpeg(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """JPEG applied one to five times, each at a quality drawn from 25, 18, 15, 10 and 7."""
    word = random.words(keys, round(level))
    qualities = torch.tensor(_QUALITIES, device=images.device)[(word * len(_QUALITIES)) >> 32]
    for step in range(round(level)):
        images = jpeg.round_trip(images, qualities[:, step])
    return images


@corruption(
    "webp",
    group="codecs",
    random=False,
    native={"unit": "WebP quality", "low": 1, "high": 100, "integer": True},
    severities=(),
    version=_LIBWEBP,
)
def webp(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Saved as lossy WebP at a quality and loaded again, with Pillow's encoder."""
    return _through_file(images, "WEBP", round(level))


@corruption(
    "avif",
    group="codecs",
    random=False,
    native={"unit": "AVIF quality", "low": 1, "high": 100, "integer": True},
    severities=(),
    version=_LIBAVIF,
)
def avif(images: Tensor, level: float, keys: Tensor) -> Tensor:
    """Saved as AVIF at a quality and loaded again, with Pillow's encoder."""
    return _through_file(images, "AVIF", round(level))


def _through_file(images: Tensor, form: str, quality: int) -> Tensor:
    """Pass each image through an encoder and a decoder, on the CPU.

    Raises:
        RobobenchError: This Pillow was built without the codec.
    """
    if not features.check(form.lower()):
        raise RobobenchError(
            f"this Pillow ({PIL.__version__}) was built without {form}: "
            "the wheel of Pillow 11.3 or later has it (pip install -U pillow)"
        )
    # One encoder thread: the result must not depend on the number of cores.
    options = {"max_threads": 1} if form == "AVIF" else {}

    def through(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = BytesIO()
        Image.fromarray(image).save(file, form, quality=quality, **options)
        with Image.open(file) as back:
            return np.asarray(back.convert("RGB"))

    arrays = images.cpu().permute(0, 2, 3, 1).contiguous().numpy()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        done = np.stack(list(pool.map(through, arrays)))
    return torch.from_numpy(done).permute(0, 3, 1, 2).contiguous().to(images.device)
