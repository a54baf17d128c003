"""imagecorruptions behind its adapter: it works here, it is seeded, and ours is close to it."""

import sys

import numpy as np
import pytest
import torch
from skimage import data

from robobench.corruptions import apply, catalogue, corrupt
from robobench.errors import RobobenchError

# Where imagecorruptions does what ImageNet-C did, ours is the same but for rounding.
SAME = ("defocus_blur", "zoom_blur", "brightness", "contrast", "jpeg_compression", "gaussian_blur",
        "saturate")  # fmt: skip


def photos(count=2, size=96):
    corners = np.random.default_rng(1).integers(0, 512 - size, (count, 2))
    made = np.stack([data.astronaut()[y : y + size, x : x + size] for y, x in corners])
    return torch.from_numpy(made).permute(0, 3, 1, 2).contiguous()


def both(name, severity, images):
    places = torch.arange(len(images))
    theirs = apply(images, catalogue.at_severity(name, severity, "imagecorruptions"), places)
    ours = apply(images, catalogue.at_severity(name, severity, "imagenet-c"), places)
    return ours, theirs


@pytest.mark.parametrize("name", SAME)
def test_deterministic_ones_are_at_most_one_grey_level_off(name):
    for severity in range(1, 6):
        ours, theirs = both(name, severity, photos())
        off = (ours.int() - theirs.int()).abs()
        if name == "zoom_blur":  # theirs is not trimmed at its middle: half a pixel at the edge
            assert (off > 1).float().mean() < 0.25
        else:
            assert off.max() <= 1


@pytest.mark.parametrize("name", sorted(set(catalogue.GROUPS["all"]) - {"glass_blur"}))
def test_every_corruption_runs_and_is_seeded(name):
    images, places = photos(3, 40), torch.tensor([5, 1, 9])
    degradation = catalogue.at_severity(name, 3, "imagecorruptions")
    before = np.random.get_state()[1].copy()
    whole = apply(images, degradation, places)
    assert (np.random.get_state()[1] == before).all()
    assert whole.shape == images.shape
    assert torch.equal(apply(images[1:2], degradation, places[1:2]), whole[1:2])
    if catalogue.is_random(name):
        assert not torch.equal(apply(images, degradation, places, seed=1), whole)


# Whose mean brightness or contrast over many draws shows whether the distributions agree.
RANDOM = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "fog", "snow", "spatter",
          "motion_blur")  # fmt: skip


@pytest.mark.parametrize("name", RANDOM)
def test_random_ones_have_the_same_moments(name):
    """Mean, spread and roughness of many draws of one image, each a Welch test at 1e-4."""
    from scipy import stats

    images = photos(1, 48).expand(80, -1, -1, -1).contiguous()
    severity = 4 if name == "spatter" else 3
    for measure in (mean, spread, roughness):
        ours, theirs = (measure(x) for x in both(name, severity, images))
        if ours.std() + theirs.std() < 1e-6:
            continue
        p = stats.ttest_ind(ours, theirs, equal_var=False).pvalue
        close = abs(ours.mean() - theirs.mean()) < 0.005 * abs(theirs.mean())
        assert p > 1e-4 or close, (measure.__name__, ours.mean(), theirs.mean())


def mean(x):
    return x.double().mean((1, 2, 3)).numpy()


def spread(x):
    return x.double().flatten(1).std(1).numpy()


def roughness(x):
    return x.double().diff(dim=3).abs().mean((1, 2, 3)).numpy()


def test_modules_put_in_for_the_import_are_gone():
    corrupt(photos(1), "contrast", severity=1, profile="imagecorruptions")
    stand_in = sys.modules.get("pkg_resources")
    assert stand_in is None or hasattr(stand_in, "working_set")


def test_mixture_and_refusals():
    images = photos(2, 40)
    assert corrupt(images, "fog+jpeg", severity=1, profile="imagecorruptions").shape == images.shape
    saved = corrupt(images, "contrast", severity=1, profile="imagecorruptions+jpeg85")
    plain = corrupt(images, "contrast", severity=1, profile="imagecorruptions")
    assert torch.equal(saved, corrupt(plain, "jpeg", level=85))
    with pytest.raises(RobobenchError, match="unknown corruption of imagecorruptions 'multi_jpeg'"):
        corrupt(images, "multi_jpeg", severity=1, profile="imagecorruptions")
