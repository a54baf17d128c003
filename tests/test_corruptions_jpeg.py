"""JPEG is what Pillow makes of it, bit for bit."""

from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from robobench.corruptions import apply, apply_each, catalogue
from robobench.corruptions.compiled import tensor_code
from robobench.corruptions.jpeg import round_trip
from robobench.types import Degradation


def pillow(image, quality):
    """uint8 3 x H x W through Pillow's encoder and decoder."""
    file = BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    with Image.open(file) as back:
        return torch.from_numpy(np.array(back)).permute(2, 0, 1)


def assert_equal_to_pillow(images, qualities):
    ours = round_trip(images, torch.tensor(qualities))
    theirs = torch.stack([pillow(x, q) for x, q in zip(images, qualities, strict=True)])
    assert torch.equal(ours, theirs)
    return theirs


def thumbnails(count, seed=0):
    """CIFAR-like pictures: photographs shrunk to 32 x 32, some noise, some flat colours."""
    rng = np.random.default_rng(seed)
    photos = [data.astronaut(), data.coffee(), data.chelsea()]
    made = []
    for i in range(count):
        photo = Image.fromarray(photos[i % 3])
        side = int(rng.integers(40, 290))
        left = int(rng.integers(0, photo.width - side))
        top = int(rng.integers(0, photo.height - side))
        made.append(np.array(photo.resize((32, 32), box=(left, top, left + side, top + side))))
    made[0] = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    made[1] = rng.integers(0, 2, (32, 32, 3), dtype=np.uint8) * 255
    made[2][:] = rng.integers(0, 256, 3)
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous()


def test_every_quality_at_cifars_size():
    images = thumbnails(8)
    for quality in range(1, 101):
        assert_equal_to_pillow(images, [quality] * len(images))


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_every_size(height, width, quality, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (1, 3, height, width), dtype=np.uint8)
    if seed % 2:  # smooth: other coefficients survive
        image = np.sort(image, axis=3)
    theirs = assert_equal_to_pillow(torch.from_numpy(image), [quality])
    with tensor_code():
        again = round_trip(torch.from_numpy(image), torch.tensor([quality]))
    assert torch.equal(again, theirs)


def test_each_image_at_a_quality_of_its_own():
    images = thumbnails(100)
    qualities = torch.arange(1, 101)
    theirs = assert_equal_to_pillow(images, qualities.tolist())
    assert torch.equal(apply_each(images, "jpeg", qualities.float(), qualities), theirs)
    with tensor_code():
        assert torch.equal(apply_each(images, "jpeg", qualities.float(), qualities), theirs)


def test_saving_at_85_comes_last():
    images, places = thumbnails(4), torch.arange(4)
    plain = catalogue.at_severity("fog", 3, "cifar-c")
    saved = catalogue.at_severity("fog", 3, "cifar-c+jpeg85")
    foggy = apply(images, plain, places)
    assert torch.equal(apply(images, saved, places), round_trip(foggy, torch.full((4,), 85)))
    kept = apply(images, Degradation("clean", 0, "+jpeg85"), places)
    assert torch.equal(kept, torch.stack([pillow(x, 85) for x in images]))


@pytest.mark.slow
def test_every_quality_on_two_thousand_thumbnails():
    images = thumbnails(2000)
    for quality in range(1, 101):
        assert_equal_to_pillow(images, [quality] * len(images))


@pytest.mark.slow
def test_every_quality_on_fifty_photographs_of_odd_sizes():
    rng = np.random.default_rng(0)
    photos = [data.astronaut(), data.coffee(), data.chelsea()]
    for i in range(50):
        photo = photos[i % 3]
        height, width = (int(v) * 2 + 1 for v in rng.integers(60, 145, 2))
        top, left = rng.integers(0, [photo.shape[0] - height, photo.shape[1] - width])
        piece = np.ascontiguousarray(photo[top : top + height, left : left + width])
        image = torch.from_numpy(piece).permute(2, 0, 1)[None].contiguous()
        for quality in range(1, 101):
            assert_equal_to_pillow(image, [quality])
