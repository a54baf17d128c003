"""The order in which subsets of a data set are chosen."""

import hashlib

import numpy as np

from robobench.datasets import nested_order
from robobench.datasets.order import hold_out


def test_order_is_a_permutation_of_balanced_prefixes():
    labels = np.repeat(np.arange(7), 30)
    order = nested_order(labels)
    assert sorted(order) == list(range(210))
    for count in range(1, 211):
        seen = np.bincount(labels[order[:count]], minlength=7)
        assert seen.max() - seen.min() <= 1


def test_order_takes_small_classes_whole():
    labels = np.array([0] * 100 + [1] * 3 + [2] * 20)
    seen = np.bincount(labels[nested_order(labels)[:30]])
    assert seen.tolist() == [14, 3, 13] or seen.tolist() == [13, 3, 14]


def test_order_is_the_same_for_ever():
    order = nested_order(np.arange(1000) % 10)
    digest = hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "04c69abb238d531f"
    assert not np.array_equal(order, nested_order(np.arange(1000) % 10, seed=1))


def test_order_of_unlabelled_and_of_nothing():
    assert sorted(nested_order(np.full(9, -1))) == list(range(9))
    assert nested_order(np.array([], dtype=np.int64)).shape == (0,)


def test_held_out_images_are_balanced_and_apart():
    labels = np.repeat(np.arange(5), [20, 20, 20, 20, 40])
    train, validation = hold_out(labels, 25)
    assert np.bincount(labels[validation]).tolist() == [5] * 5
    assert sorted([*train, *validation]) == list(range(120))
    assert (np.diff(train) > 0).all()
