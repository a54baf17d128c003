"""Data sets made from arrays in memory."""

import numpy as np
import pytest
import torch
from made_up_images import noise
from refusals import refused

from robobench.datasets import from_arrays
from robobench.types import Geometry


def test_numpy_and_torch_are_the_same_data_set():
    images, labels = noise(5, 8, 9, 3), np.array([0, 1, 2, 1, 0])
    ours = from_arrays(images, labels, ["a", "b", "c"])
    theirs = from_arrays(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))
    assert (ours.name, ours.split, ours.class_names) == ("memory", "test", ("a", "b", "c"))
    assert theirs.class_names == ("0", "1", "2")
    assert ours.fingerprint() == theirs.fingerprint()
    read = ours.read(np.array([3, 0]), Geometry())
    assert read.dtype == torch.uint8
    np.testing.assert_array_equal(read.permute(0, 2, 3, 1).numpy(), images[[3, 0]])
    assert torch.equal(read, theirs.read(np.array([3, 0]), Geometry()))
    assert ours.read(np.array([1, 2]), Geometry(8, 6)).shape == (2, 3, 6, 6)
    np.testing.assert_array_equal(ours.read_native(4), images[4])
    assert ours.header_quality(np.arange(5)).tolist() == [0] * 5


def test_profile_goes_by_size():
    assert from_arrays(noise(2, 36, 30, 3), [0, 1]).profile == "cifar-c"
    assert from_arrays(noise(2, 230, 300, 3), [0, 1]).profile == "imagenet-c"
    assert from_arrays(noise(2, 8, 8, 3), [0, 1], profile="imagenet-c").profile == "imagenet-c"


def test_fingerprint_goes_by_content():
    images, labels = noise(4, 8, 8, 3), np.arange(4)
    same = from_arrays(images.copy(), labels.astype(np.int32), name="other").fingerprint()
    assert from_arrays(images, labels).fingerprint() == same
    assert from_arrays(images, labels[::-1].copy()).fingerprint() != same
    images[2, 3, 3, 1] ^= 1
    assert from_arrays(images, labels).fingerprint() != same


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((2, 8, 8, 3)), [0, 1], ["float64", "(images * 255).round().astype(np.uint8)"]),
        (torch.zeros(2, 3, 8, 8), [0, 1], ["torch.float32", ".round().to(torch.uint8)"]),
        (np.zeros((2, 8, 8, 3), np.int64), [0, 1], ["int64", "convert to uint8"]),
        (noise(2, 3, 8, 8), [0, 1], ["2 x 3 x 8 x 8", "images.transpose(0, 2, 3, 1)"]),
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), [0, 1], ["images.permute(0, 3, 1, 2)"]),
        (noise(2, 8, 8), [0, 1], ["2 x 8 x 8", "repeat a grey channel"]),
        (noise(2, 8, 8, 4), [0, 1], ["drop alpha"]),
        (noise(0, 8, 8, 3), [], ["there are none here"]),
        ([noise(8, 8, 3)], [0], ["not a list", "Dataset or DataLoader"]),
        (noise(2, 8, 8, 3), [0, 1, 1], ["got 2 images and 3 labels"]),
        (noise(2, 8, 8, 3), [0, -1], ["-1 is negative"]),
        (noise(2, 8, 8, 3), [0.0, 1.0], ["2 integers"]),
        (noise(2, 8, 8, 3), np.eye(2, dtype=int), ["argmax"]),
        (noise(2, 8, 8, 3), [0, 3], ["label 3", "2 class names"]),
    ],
)
def test_refused_arrays(images, labels, words):
    refused(words, from_arrays, images, labels, ["a", "b"])


def test_a_torch_data_set_is_no_array():
    pairs = torch.utils.data.TensorDataset(torch.zeros(1), torch.zeros(1))
    refused(["not a TensorDataset", "with their labels"], from_arrays, pairs, [0])
