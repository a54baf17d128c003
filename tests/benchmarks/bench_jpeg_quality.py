"""How long the search for a JPEG quality takes, beside 100 round trips through Pillow.

Run with ``pytest tests/benchmarks/bench_jpeg_quality.py --benchmark-enable``.
"""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from robobench.corruptions import search_quality
from robobench.corruptions.jpeg import round_trip

IMAGES = {32: 256, 64: 64, 224: 8}


def photographs(side):
    photo = Image.fromarray(data.astronaut()).resize((2 * side, 2 * side), Image.Resampling.LANCZOS)
    rng = np.random.default_rng(0)
    corners = rng.integers(0, side, (IMAGES[side], 2))
    crops = np.stack([np.array(photo)[y : y + side, x : x + side] for y, x in corners])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()


def by_round_trips(image):
    """The plain search: squared error of the image saved once more at every quality."""
    picture, errors = Image.fromarray(image), []
    for quality in range(1, 101):
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality)
        with Image.open(file) as again:
            errors.append(np.square(np.array(again, np.int32) - image).mean())
    return int(np.argmin(errors)) + 1


@pytest.mark.parametrize("side", IMAGES)
@pytest.mark.parametrize("quality", [None, 40, 90])
def test_search(benchmark, side, quality):
    images = photographs(side)
    if quality:
        images = round_trip(images, torch.full((len(images),), quality))
    search_quality(images[:1])
    found = benchmark(search_quality, images)
    benchmark.extra_info["images"] = len(images)
    assert found.isnan().all() if quality is None else (found == quality).float().mean() > 0.95


@pytest.mark.parametrize("side", IMAGES)
def test_pillow_of_one_image(benchmark, side):
    image = photographs(side)[0].permute(1, 2, 0).contiguous().numpy()
    assert benchmark(by_round_trips, image)
