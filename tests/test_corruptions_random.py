"""The random numbers, and the distributions of what is made of them."""

import numpy as np
import pytest
import torch
from scipy import stats
from skimage.filters import gaussian

from robobench.corruptions import apply, catalogue, elastic, random
from robobench.corruptions.random import keys, keys_each, normal, stream, uniform, words
from robobench.types import Degradation

# Each statistical test fails of itself once in ten thousand such tests; seeds are fixed.
ALPHA = 1e-4


def some_keys(count, seed=0):
    return keys(seed, Degradation("fog", 1.0, "cifar-c"), torch.arange(count))


def test_keys_depend_on_seed_corruption_level_and_index_only():
    base = Degradation("gaussian_noise", 20.0)
    place = torch.tensor([3])
    key = keys(0, base, place)
    assert torch.equal(keys(0, base, torch.tensor([9, 3]))[1:], key)
    assert torch.equal(keys(0, Degradation("gaussian_noise", 20.0, "+jpeg85"), place), key)
    others = [
        keys(1, base, place),
        keys(0, Degradation("gaussian_noise", 20.5), place),
        keys(0, Degradation("speckle_noise", 20.0), place),
        keys(0, base, torch.tensor([4])),
        keys(0, base, place, occurrence=1),
        stream(key, 1),
    ]
    assert len({int(k) for k in (key, *others)}) == 7
    levels = torch.tensor([20.0, 20.5])
    both = keys_each(0, "gaussian_noise", levels, torch.tensor([3, 3]))
    assert both.tolist() == [int(key), int(others[1])]


def test_keys_are_the_same_on_every_machine():
    place = torch.tensor([0, 1, 2**40])
    assert keys(0, Degradation("fog", 3.0), place).tolist() == KNOWN_KEYS
    assert words(torch.tensor(KNOWN_KEYS), 3).tolist() == KNOWN_WORDS


def test_words_are_uniform_and_independent():
    drawn = words(some_keys(120), 3000).numpy()
    for shift in (0, 8, 16, 24):
        counts = np.bincount((drawn >> shift & 255).ravel(), minlength=256)
        assert stats.chisquare(counts).pvalue > ALPHA
    bits = (drawn[:, :, None] >> np.arange(32) & 1).astype(np.float64) - 0.5
    assert abs(bits.mean()) < 4 * 0.5 / np.sqrt(bits.size)
    flat = drawn / 2**32 - 0.5
    n = flat[:, :-1].size
    for lag in (1, 2, 3, 224):  # along a row, and down a column of an image
        r = (flat[:, :-lag] * flat[:, lag:]).mean() * 12
        assert abs(r) < 4.5 / np.sqrt(n)
    across = (flat[:-1] * flat[1:]).mean() * 12  # between neighbouring images
    assert abs(across) < 4.5 / np.sqrt(n)
    assert len(np.unique(drawn)) > drawn.size * (1 - 3 * drawn.size / 2**33)


def test_uniform_and_normal_have_their_distributions():
    u = uniform(some_keys(40), 10_000).numpy().ravel()
    assert 0 <= u.min() < u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > ALPHA
    z = normal(some_keys(100, seed=1), 20_000).double().numpy().ravel()
    assert stats.kstest(z, "norm").pvalue > ALPHA
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / z.size)
    for tail in (3.0, 4.0, 4.5):  # beyond it as often as a normal number
        expected = 2 * stats.norm.sf(tail) * z.size
        assert abs((np.abs(z) > tail).sum() - expected) < 4.5 * np.sqrt(expected) + 1


def test_noise_is_white():
    flat = torch.full((64, 3, 32, 32), 128, dtype=torch.uint8)
    noisy = apply(flat, catalogue.at_level("gaussian_noise", 20), torch.arange(64)).double()
    power = torch.fft.fft2(noisy - noisy.mean()).abs().square().mean((0, 1)) / 1024
    # Each of these is the mean of 192 exponentially distributed numbers.
    assert (power / power.mean() - 1).abs().max() < 6 / np.sqrt(192)


@pytest.mark.parametrize("value", [0, 3, 100, 200, 255])
def test_gaussian_and_speckle_noise_by_value(value):
    sigma = 30.0
    for name, level, scale in (
        ("gaussian_noise", sigma, sigma),
        ("speckle_noise", 0.3, 0.3 * value),
    ):
        if scale == 0:
            continue
        flat = torch.full((8, 3, 64, 64), value, dtype=torch.uint8)
        got = apply(flat, catalogue.at_level(name, level), torch.arange(8)).flatten().numpy()
        edges = np.concatenate([[-np.inf], np.arange(1, 256), [np.inf]])
        expected = np.diff(stats.norm.cdf(edges, value, scale)) * got.size
        agrees(np.bincount(got, minlength=256), expected)


@pytest.mark.parametrize("photons", [3, 25, 60, 500, 1000.5])
def test_shot_noise_is_poisson(photons):
    for value in (0, 1, 90, 255):
        flat = torch.full((8, 3, 64, 64), value, dtype=torch.uint8)
        got = apply(flat, catalogue.at_level("shot_noise", photons), torch.arange(8)).flatten()
        counts = np.arange(4000)
        result = (np.clip(counts / photons, 0, 1) * 255).astype(int)
        chances = stats.poisson.pmf(counts, value / 255 * photons)
        expected = np.bincount(result, chances, minlength=256) * got.numel()
        agrees(np.bincount(got.numpy(), minlength=256), expected)


def test_impulse_noise_is_salt_and_pepper():
    flat = torch.full((8, 3, 64, 64), 77, dtype=torch.uint8)
    got = apply(flat, catalogue.at_level("impulse_noise", 0.2), torch.arange(8)).flatten().numpy()
    counts = np.bincount(got, minlength=256)
    assert counts[[0, 77, 255]].sum() == got.size
    agrees(counts, np.eye(256)[[0, 77, 255]].T @ np.array([0.1, 0.8, 0.1]) * got.size)


def agrees(counts, expected):
    """A chi-square test, rare values taken together."""
    rare = expected < 8
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    if expected[-1] < 3:  # nothing to speak of is left over
        assert counts[-1] < 20
        counts, expected = counts[:-1], expected[:-1]
    if len(counts) > 1:
        scaled = expected * counts.sum() / expected.sum()
        assert stats.chisquare(counts, scaled).pvalue > ALPHA


@pytest.mark.parametrize(("size", "sigma"), [((40, 40), 30.0), ((48, 33), 9.0)])
def test_waves_are_a_filtered_uniform_field(size, sigma):
    """The smooth displacement of elastic transform: its variance and its correlations."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, (600, *size))
    filtered = np.stack([gaussian(n, sigma, mode="reflect", truncate=3) for n in noise])
    drawn = elastic.field(*size, sigma, some_keys(3000)).double().numpy()
    places = [(0, 0), (0, size[1] - 1), (size[0] // 2, size[1] // 2), (5, 20)]
    theirs = np.stack([filtered[:, y, x] for y, x in places])
    ours = np.stack([drawn[:, y, x] for y, x in places])
    a, b = np.cov(theirs), np.cov(ours)
    # A covariance of n normal numbers is off by sqrt((s11 s22 + s12^2) / n).
    spread = np.sqrt((np.outer(np.diag(a), np.diag(a)) + a**2) * (1 / 600 + 1 / 3000))
    assert (np.abs(a - b) < 4.5 * spread).all()
    assert np.abs(ours.mean(1)).max() < 4.5 * np.sqrt(np.diag(b).max() / 3000)


def test_frost_draws_every_photograph_but_the_sixth():
    from robobench.corruptions import frost

    pixels, first, _ = frost.places(32, 32, 0.2, some_keys(3000))
    known = frost.photographs(0.2, 0, 0)[1]
    which = torch.searchsorted(known[:, 0].contiguous(), first, right=True) - 1
    assert stats.chisquare(torch.bincount(which, minlength=5).numpy()).pvalue > ALPHA
    assert len(frost.files()) == 5
    assert pixels.shape[0] == 3


def test_no_state_is_left_behind():
    torch.manual_seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    images = torch.zeros((2, 3, 32, 32), dtype=torch.uint8)
    for name in catalogue.GROUPS["all"]:
        apply(images, catalogue.at_severity(name, 2, "cifar-c"), torch.arange(2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.QUANTILES.dtype == np.float32


KNOWN_KEYS = [-4660244408099274882, 11993234276435940, -3611330965866691132]
KNOWN_WORDS = [
    [4128393578, 2403114659, 2192301566],
    [514112549, 1061631804, 474060614],
    [1575220801, 2285977995, 954178064],
]
