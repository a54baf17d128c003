"""Which levels of a sweep each image is evaluated at: balanced, nested, the same everywhere."""

import hashlib

import numpy as np
import pytest

from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.evaluation.level_design import LevelDesign, design_levels

ORDER = np.random.default_rng(0).permutation(600)


def chosen(per_image, levels=10, order=ORDER, seed=0, corruption="jpeg_compression"):
    """Bool, images x levels."""
    design = LevelDesign(corruption, tuple(map(float, range(levels))), per_image)
    found = np.zeros((len(order), levels), np.int64)
    for level in range(levels):
        images = design.images(level, order, seed)
        assert len(set(images.tolist())) == len(images)
        found[images, level] += 1
    return found


@pytest.mark.parametrize(("per_image", "levels"), [(1, 10), (3, 10), (10, 10), (7, 100), (4, 51)])
def test_every_image_has_as_many_levels_and_every_level_as_many_images(per_image, levels):
    images = 612 if levels == 51 else 600
    found = chosen(per_image, levels, np.arange(images))
    assert (found.sum(axis=1) == per_image).all()
    assert (found.sum(axis=0) == images * per_image // levels).all()


def test_a_part_of_a_block_of_images_is_nearly_balanced():
    counts = chosen(3, 10, np.arange(57)).sum(axis=0)
    assert counts.sum() == 3 * 57
    assert counts.min() >= 3 * 5
    assert counts.max() <= 3 * 6


def test_the_levels_of_five_are_among_those_of_ten_and_the_images_come_first():
    few, many = chosen(5, 100), chosen(10, 100)
    assert (few <= many).all()
    for level in (0.0, 37.0, 99.0):
        levels = tuple(map(float, range(100)))
        first = LevelDesign("jpeg_compression", levels, 5).images(level, ORDER)
        more = LevelDesign("jpeg_compression", levels, 10).images(level, ORDER)
        assert first.tolist() == more[: len(first)].tolist()


def test_more_images_leave_the_levels_of_the_others_alone():
    assert (chosen(3, order=np.arange(255)) == chosen(3, order=np.arange(600))[:255]).all()


def test_the_levels_of_an_image_are_spread_evenly():
    """Gaps in the circle of levels: by the three-distance theorem none is far from the mean."""
    for per_image in (5, 10, 20):
        for row in chosen(per_image, 100)[:50]:
            places = np.flatnonzero(row)
            gaps = np.diff(places, append=places[0] + 100)
            assert gaps.max() <= 3 * 100 / per_image
            assert gaps.min() >= 100 / per_image / 3


def test_seed_and_corruption_decide():
    assert (chosen(3) == chosen(3)).all()
    assert (chosen(3) != chosen(3, seed=1)).any()
    assert (chosen(3) != chosen(3, corruption="webp")).any()


def test_the_design_is_the_one_that_stored_cells_have():
    """Changing it makes stored cells hold other images than a run expects."""
    text = ",".join(map(str, np.argwhere(chosen(3, 100)).ravel()))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "4cdc4398930c0e19"


def test_the_mean_over_designs_is_the_mean_over_all_levels():
    """Unbiased whatever the outcomes are, here such that levels and images matter together."""
    rng = np.random.default_rng(3)
    right = rng.random((57, 10)) < np.linspace(0.1, 0.9, 10) * rng.random((57, 1)) * 2
    estimates = [
        (right * chosen(3, order=np.arange(57), seed=seed)).sum(axis=1).mean() / 3
        for seed in range(400)
    ]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - right.mean()) < 4 * error
    assert error < 0.002


def test_only_sweeps_are_divided_and_only_among_enough_images():
    sweep = [catalogue.at_level("jpeg", float(q)) for q in range(10, 101, 10)]
    severities = [catalogue.at_severity("gaussian_noise", s, "cifar-c") for s in range(1, 6)]
    found = design_levels([*sweep, *severities], 3, 600)
    assert list(found) == ["jpeg_compression"]
    assert found["jpeg_compression"].sweep == "10, 20, 30, 40, 50, 60, 70, 80, 90, 100"
    with pytest.raises(RobobenchError, match="such as --corruptions jpeg:1-100"):
        design_levels(severities, 3, 600)
    with pytest.raises(RobobenchError, match="10 images or more are expected for the 10 levels"):
        design_levels(sweep, 3, 9)
