"""Resizing and cropping give torchvision's pixels, and nothing is padded or stretched in silence."""

import numpy as np
import pytest
from PIL import Image

from robobench.datasets.geometry import FILTERS, fit_batch, fit_geometry
from robobench.errors import RobobenchError
from robobench.types import Geometry


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "geometry", "expected"),
    [
        ((300, 200), Geometry(256, 224), (224, 224)),
        ((200, 333), Geometry(64), (64, 106)),  # 64 * 333 / 200 = 106.56, rounded down
        ((333, 200), Geometry(64), (106, 64)),
        ((40, 50), Geometry(None, 32), (32, 32)),
        ((40, 50), Geometry(), (40, 50)),
    ],
)
def test_sizes(size, geometry, expected):
    assert fit_geometry(noise(*size), geometry).shape == (*expected, 3)


def test_crop_is_central_and_halves_round_to_even():
    image = noise(7, 9)
    # (7 - 4) / 2 = 1.5 becomes 2 and (9 - 4) / 2 = 2.5 becomes 2, as Python's round has it.
    np.testing.assert_array_equal(fit_geometry(image, Geometry(None, 4)), image[2:6, 2:6])


def test_shrinking_smooths_first():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = fit_geometry(stripes, Geometry(16)).astype(int)
    assert np.abs(small - 127).max() < 16  # without smoothing the stripes would alias to 0 or 255


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(300, 200), (201, 333), (224, 224), (257, 256), (500, 230)])
def test_same_pixels_as_torchvision(size, interpolation):
    try:
        from torchvision import transforms
    except (
        ImportError,
        RuntimeError,
    ) as error:  # a torchvision that was built for another torch does not load
        pytest.skip(f"torchvision does not load: {error}")
    image = Image.fromarray(noise(*size))
    for resize, crop in ((256, 224), (232, 224), (224, 224), (None, 199), (235, None)):
        steps = []
        if resize:
            mode = transforms.InterpolationMode(interpolation)
            steps.append(transforms.Resize(resize, mode))
        if crop:
            steps.append(transforms.CenterCrop(crop))
        expected = np.asarray(transforms.Compose(steps)(image))
        geometry = Geometry(resize, crop, interpolation)
        np.testing.assert_array_equal(fit_geometry(image, geometry), expected)
        np.testing.assert_array_equal(fit_geometry(np.asarray(image), geometry), expected)


@pytest.mark.parametrize(
    "geometry", [Geometry(), Geometry(32), Geometry(None, 32), Geometry(32, 32)]
)
def test_what_fits_is_handed_through(geometry):
    images = noise(32, 32)[None]
    assert fit_batch(images, geometry) is images
    assert fit_geometry(images[0], geometry) is not None
    np.testing.assert_array_equal(fit_geometry(images[0], geometry), images[0])


def test_batch_is_its_images():
    images = np.stack([noise(40, 50, seed) for seed in range(3)])
    batch = fit_batch(images, Geometry(20, 16, "bicubic"))
    for image, fitted in zip(images, batch, strict=True):
        np.testing.assert_array_equal(fit_geometry(image, Geometry(20, 16, "bicubic")), fitted)


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (Geometry(None, 64), ["50 x 40", "crop of 64", "--resize 64"]),
        (Geometry(32, 64), ["--crop 64", "--resize 64"]),
        (Geometry(0), ["--resize: ", "got 0"]),
        (Geometry(None, -3), ["--crop: ", "got -3"]),
        (Geometry(32, 32, "bicubik"), ["'bicubik'", "did you mean 'bicubic'"]),
    ],
)
def test_refusals(geometry, words):
    with pytest.raises(RobobenchError) as caught:
        fit_geometry(noise(40, 50), geometry)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_only_rgb_bytes(image):
    with pytest.raises(RobobenchError, match="uint8, height x width x 3"):
        fit_geometry(image, Geometry())
