"""Arrays of pixels and colour planes, and the box filter on them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from robobench import corrupt
from robobench.corruptions import apply, catalogue, engine
from robobench.corruptions.compiled import tensor_code
from robobench.corruptions.digital import box_windows, shrunk_and_back
from robobench.corruptions.pixels import to_pixels, to_planes
from robobench.errors import RobobenchError


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (1, 1, 1, 3), (3, 5, 7, 3), (2, 64, 129, 3)])
def test_planes_and_back(shape):
    pixels = noise(*shape)
    planes = to_planes(pixels)
    assert planes.is_contiguous()
    assert np.array_equal(planes.numpy(), pixels.transpose(0, 3, 1, 2))
    back = np.empty(shape, np.uint8)
    to_pixels(planes, back)
    assert np.array_equal(back, pixels)


def test_views_are_read_as_they_are_seen():
    pixels = noise(4, 20, 30, 3)
    frozen = pixels.copy()
    frozen.flags.writeable = False
    planar = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    for view in (pixels[::2, ::-1], pixels[:, 3:, :-1], pixels[..., ::-1], planar, frozen):
        seen = np.ascontiguousarray(view)
        assert np.array_equal(to_planes(view).numpy(), seen.transpose(0, 3, 1, 2))
        assert np.array_equal(corrupt(view, "fog", severity=2), corrupt(seen, "fog", severity=2))


def test_parts_of_an_array_give_what_the_whole_gives(monkeypatch):
    pixels, places = noise(7, 33, 40, 3), torch.tensor([5, 3, 8, 0, 1, 9, 4])
    expected = {}
    for name in ("jpeg", "gaussian_noise", "fog"):
        level = catalogue.at_severity(catalogue.expand(name)[0], 3, "cifar-c")
        planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        expected[name] = apply(planes, level, places, 2).permute(0, 2, 3, 1).numpy()
    for part in (1, 2 * 33 * 40 * 3, 1 << 20):
        monkeypatch.setattr(engine, "_PART", part)
        for name, whole in expected.items():
            ours = corrupt(pixels, name, severity=3, seed=2, profile="cifar-c", indices=places)
            assert np.array_equal(ours, whole)
        with pytest.raises(RobobenchError, match=r"indices \(6,\): expected one per image, \(7,\)"):
            corrupt(pixels, "jpeg", severity=3, indices=places[:6])


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 90), st.integers(1, 90), st.data())
def test_the_box_filter_at_every_size(height, width, data):
    small = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    planes = to_planes(noise(2, height, width, 3, seed=height * 100 + width))
    with tensor_code():
        expected = shrunk_and_back(planes, small)
    assert torch.equal(shrunk_and_back(planes, small), expected)


@pytest.mark.parametrize("side", [8, 29, 32, 64, 224, 299])
def test_the_box_filter_is_pillows(side):
    box, image = Image.Resampling.BOX, noise(side, side, 3)
    for small in {max(1, int(side * share)) for share in np.linspace(0.05, 1, 20)}:
        shrunk = Image.fromarray(image).resize((small, small), box)
        theirs = np.array(shrunk.resize((side, side), box))
        ours = shrunk_and_back(to_planes(image[None]), (small, small))[0]
        assert np.array_equal(ours.permute(1, 2, 0).numpy(), theirs)


def test_enlarging_with_the_box_filter_repeats_pixels():
    for after in (1, 2, 7, 32, 63, 224, 299):
        for before in range(1, after + 1):
            first, last, weight = box_windows(before, after)
            assert np.array_equal(last, first + 1), (before, after)
            assert (weight == 2**22).all()
