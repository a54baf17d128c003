"""What is promised of shapes10: bytes that never change, balanced classes, natural spectra.

That trained networks lose and win back accuracy as they should is tested with the training.
"""

import numpy as np
import pytest

from robobench.datasets.shapes10 import CLASS_NAMES, SPLIT_SIZES, digest, render

DIGESTS = {
    ("train", 100, 32): "1dbb2bd5d574e92ba4b7c4465d3a803d9eca61f5fb0faa9573368c4ad3b85db3",
    ("validation", 100, 32): "6f5127f861be531fc54c8cfa427e1679322e0993f1fed1651253d69732752646",
    ("test", 100, 32): "8a19a8dd2ef2d09581b36b1b0ce4712b802dc49ec7e1dd38f70338cc5373bf6a",
    ("train", 10, 224): "6af708df3225ba822413400f2bebe9ac76ccf4d4d07254a96c6cb491979c3d29",
    ("validation", 10, 224): "49a564be24c4cd151ba6584059716884fe181116b90434e48000265ad8904418",
    ("test", 10, 224): "9fd5b41fdfbd1b41b6abe068b9ec8ccb45924fa47a95b6ad99ff3e417044c99c",
}


def test_names_and_sizes():
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == 10
    assert SPLIT_SIZES == {"train": 20000, "validation": 2000, "test": 2000}


@pytest.mark.parametrize("size", [8, 32, 33, 224])
def test_shape_and_type(size):
    images, labels = render("test", np.arange(3), size)
    assert images.shape == (3, size, size, 3)
    assert images.dtype == np.uint8
    assert labels.shape == (3,)
    assert labels.dtype == np.int64


def test_no_images():
    images, labels = render("test", np.arange(0))
    assert images.shape == (0, 32, 32, 3)
    assert labels.shape == (0,)


@pytest.mark.parametrize("split", SPLIT_SIZES)
def test_every_ten_hold_each_class_once_in_varying_order(split):
    _, labels = render(split, np.arange(200))
    blocks = labels.reshape(-1, 10)
    assert (np.sort(blocks, axis=1) == np.arange(10)).all()
    assert len({tuple(block) for block in blocks.tolist()}) == len(blocks)


@pytest.mark.parametrize("size", [32, 224])
def test_an_image_does_not_depend_on_the_others_asked_for(size):
    chosen = np.array([7, 3, 19, 3, 0, 11])
    images, labels = render("validation", chosen, size)
    everything, all_labels = render("validation", np.arange(20), size)
    np.testing.assert_array_equal(images, everything[chosen])
    np.testing.assert_array_equal(labels, all_labels[chosen])


def test_a_prefix_stays_when_more_is_asked_for():
    # More than one chunk of the renderer, and not a whole number of them.
    images, labels = render("train", np.arange(150))
    longer, more_labels = render("train", np.arange(333))
    np.testing.assert_array_equal(images, longer[:150])
    np.testing.assert_array_equal(labels, more_labels[:150])


def test_splits_share_no_image():
    seen = [image.tobytes() for split in SPLIT_SIZES for image in render(split, np.arange(500))[0]]
    assert len(set(seen)) == len(seen)


def test_indices_beyond_the_split_are_new_images():
    images, _ = render("test", [0, SPLIT_SIZES["test"], 2**40])
    assert len({image.tobytes() for image in images}) == 3


@pytest.mark.parametrize(("split", "count", "size"), DIGESTS)
def test_bytes_are_pinned(split, count, size):
    assert digest(split, count, size) == DIGESTS[split, count, size]


def test_a_larger_image_shows_the_same_scene():
    small, labels = render("test", np.arange(50), 32)
    large, large_labels = render("test", np.arange(50), 224)
    np.testing.assert_array_equal(labels, large_labels)
    shrunk = large.reshape(50, 32, 7, 32, 7, 3).mean(axis=(2, 4))
    alike = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1]
        for a, b in zip(small.astype(float), shrunk, strict=True)
    ]
    assert np.min(alike) > 0.9


@pytest.mark.parametrize(("size", "count"), [(32, 500), (224, 40)])
def test_amplitude_falls_about_as_one_over_frequency(size, count):
    grey = render("test", np.arange(count), size)[0].mean(axis=3)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    amplitude = np.abs(np.fft.fft2(grey)).mean(axis=0)
    frequency = np.fft.fftfreq(size) * size
    radius = np.rint(np.hypot(frequency[:, None], frequency)).astype(int)
    rings = np.arange(1, size // 2)
    profile = [amplitude[radius == ring].mean() for ring in rings]
    slope = np.polyfit(np.log(rings), np.log(profile), 1)[0]
    assert -1.6 < slope < -0.8


def test_colours_are_correlated_and_use_the_range():
    pixels = render("test", np.arange(200))[0].reshape(-1, 3).astype(float)
    correlation = np.corrcoef(pixels.T)
    assert correlation.min() > 0.4
    assert 90 < pixels.mean() < 165
    assert (pixels.std(axis=0) > 40).all()
    assert ((pixels == 0) | (pixels == 255)).mean() < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("testing", [0], 32), "unknown split 'testing', expected one of train, validation, test"),
        (("test", [0], 7), "size 7 is too small"),
        (("test", [-1], 32), "index -1 is negative"),
    ],
)
def test_misuse_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        render(*arguments)
