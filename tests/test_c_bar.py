"""The corruptions of ImageNet-C-bar and of pipelines: against their formulas, and against Pillow."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from robobench.corruptions import apply, c_bar_light, catalogue, random
from robobench.corruptions.c_bar_noise import drawn
from robobench.corruptions.pipelines import resampled

C_BAR, GEOMETRY = catalogue.expand("c-bar"), catalogue.expand("geometry")
# imagenet_c_bar.csv and cifar10_c_bar.csv of facebookresearch/augmentation-corruption
PUBLISHED = """
caustic_refraction,2.35,3.2,4.9,6.6,9.15
inverse_sparkles,1.0,2.0,4.0,9.0,10.0
sparkles,1.0,2.0,3.0,5.0,6.0
perlin_noise,4.6,5.2,5.8,7.6,8.8
blue_noise_sample,0.8,1.6,2.4,4.0,5.6
plasma_noise,4.75,7.0,8.5,9.25,10.0
checkerboard_cutout,2.0,3.0,4.0,5.0,6.0
cocentric_sine_waves,3.0,5.0,8.0,9.0,10.0
single_frequency_greyscale,1.0,1.5,2.0,4.5,5.0
brownish_noise,1.0,2.0,3.0,4.0,5.0
"""
PUBLISHED_CIFAR = """
blue_noise_sample,0.7,1.4,2.1,3.5,4.2
checkerboard_cutout,1.0,2.0,3.0,4.0,5.0
inverse_sparkles,1.0,1.5,2.5,4.5,5.0
brownish_noise,2.5,4.0,5.5,6.5,7.0
sparkles,0.7,3.5,5.6,6.3,7.0
"""


def photograph(height=40, width=40):
    image = Image.fromarray(data.astronaut()).resize((width, height))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].contiguous()


@pytest.mark.parametrize(("table", "profile"), [(PUBLISHED, "imagenet-c"), (PUBLISHED_CIFAR, "cifar-c")])  # fmt: skip
def test_the_severities_are_the_published_ones(table, profile):
    for line in table.split():
        name, *levels = line.split(",")
        assert catalogue.severity_table(name, profile) == tuple(map(float, levels))


@pytest.mark.parametrize("name", [*C_BAR, *GEOMETRY])
@pytest.mark.parametrize("size", [(40, 40), (33, 41), (17, 12)])
def test_an_image_does_not_depend_on_its_batch(name, size):
    images = torch.cat([photograph(*size), photograph(*size).flip(3), photograph(*size)])
    places = torch.tensor([4, 0, 2**40])
    before, degradation = images.clone(), catalogue.at_severity(name, 4, "imagenet-c")
    whole = apply(images, degradation, places)
    assert (whole.shape, whole.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before)
    for k in range(3):
        assert torch.equal(apply(images[k : k + 1], degradation, places[k : k + 1])[0], whole[k])
    assert torch.equal(apply(images, degradation, places), whole)
    if catalogue.is_random(name):
        many = apply(images[:1].expand(12, -1, -1, -1), degradation, torch.arange(12))
        assert len({image.numpy().tobytes() for image in many}) > 1
    else:
        assert torch.equal(apply(images, degradation, places, seed=1), whole)


@pytest.mark.parametrize("name", [n for n in C_BAR if n not in ("plasma_noise", "cocentric_sine_waves")])  # fmt: skip
def test_more_strength_is_more_damage(name):
    images, places = photograph(64, 64).expand(8, -1, -1, -1), torch.arange(8)
    errors = []
    for severity in (1, 3, 5):
        made = apply(images, catalogue.at_severity(name, severity, "imagenet-c"), places)
        errors.append((made.float() - images).abs().mean().item())
    assert errors == sorted(errors)


def keys_of(name, level, index=3):
    return random.keys(0, catalogue.at_level(name, level), torch.tensor([index]))


def test_plasma_is_the_published_recursion():
    level, side = 7.0, 20
    image = photograph(side, side)
    made = apply(image, catalogue.at_level("plasma_noise", level), torch.tensor([3]))
    time, rounds, sharp, scale = (v.item() for v in drawn(keys_of("plasma_noise", level), 4))
    time, rounds = 6 * math.pi * time, 4 + int(3 * rounds)
    sharp, scale = 0.5 + 0.5 * sharp, (0.075 + 0.125 * scale) * side
    wanted = np.empty((3, side, side))
    for row in range(side):
        for column in range(side):
            x, y, i = column / scale, row / scale, [1.0, 1.0, 1.0]
            for _ in range(rounds):
                r = [
                    math.cos(y * i[0] + time / i[1]) / i[2],
                    math.sin(x * i[0] + time / i[1]) / i[2],
                ]
                x, y = x + r[0] - 0.3 * r[1], y + r[1] + 0.3 * r[0]
                i = [i[0] * 1.93, i[1] * 1.15, i[2] * (2.25 - sharp)]
            wanted[:, row, column] = (
                math.sin(x - time), math.sin((x + y + math.sin(time)) / 2), math.sin(y + time),
            )  # fmt: skip
    strength = 64 * level / 10
    wanted = (1 - strength / 255) * image[0].numpy() + strength * wanted
    away = np.abs(made[0].numpy() - np.floor(np.clip(wanted, 0, 255)))
    assert away.max() <= 1
    assert (away > 0).mean() < 0.02


def test_water_bends_light_by_snells_law():
    """The vector form of the law: for each pixel the direction behind the surface."""
    level, side = 9.15, 24
    image = photograph(side, side)
    made = apply(image, catalogue.at_level("caustic_refraction", level), torch.tensor([3]))
    time, size = drawn(keys_of("caustic_refraction", level), 2)
    y = torch.arange(side).float().view(1, -1, 1)
    light = c_bar_light._caustics(y, y.mT, 0.5 + 1.5 * time, (0.75 + 0.5 * size) * side)
    light = np.pad(c_bar_light.gaussian(light[:, None].float(), 1.0)[0, 0].numpy(), 1)
    pixels = np.pad(image[0].numpy() / 255, ((0, 0), (side, side), (side, side)))
    wanted = np.empty((3, side, side))
    for i in range(side):
        for j in range(side):
            slope = light[i + 2, j + 1] - light[i, j + 1], light[i + 1, j + 2] - light[i + 1, j]
            normal = np.array([*slope, 1.0]) / math.sqrt(slope[0] ** 2 + slope[1] ** 2 + 1)
            ray, cosine = np.array([0.0, 0.0, 1.0]), normal[2]
            if cosine < 1 - 1e-3:  # eta is 4: the angle to the normal shrinks
                sine = (ray - cosine * normal) / 4
                ray = sine + normal * math.sqrt(1 - sine @ sine)
            a, b = np.round(ray[:2] * 0.5 * side * level / 10, 3) + np.array([i, j])
            p, q = math.floor(a), math.floor(b)
            u, v = a - p, b - q
            block = pixels[:, side + p : side + p + 2, side + q : side + q + 2]
            weights = np.outer([1 - u, u], [1 - v, v])
            lit = 2 * level / 10 * (slope[0] - slope[1])
            wanted[:, i, j] = (block * weights).sum((1, 2)) + lit
    wanted = np.floor(np.clip(wanted, 0, 1) * 255)
    away = np.abs(made[0].numpy() - wanted)
    assert away.mean() < 0.2
    assert (away > 1).mean() < 0.01


def test_a_star_is_brightest_in_its_middle():
    image = torch.zeros(1, 3, 60, 60, dtype=torch.uint8)
    made = apply(image, catalogue.at_level("sparkles", 3), torch.tensor([3]))[0, 0]
    keys = keys_of("sparkles", 3)
    for star in range(5):
        top, left, _ = (int(v * 60) for v in drawn(keys, 3, 2 * star))
        near = made[max(top - 1, 0) : top + 2, max(left - 1, 0) : left + 2]
        assert near.max() > 180
    assert made.float().mean() < 60


def test_squares_are_grey_and_the_rest_is_untouched():
    image = photograph(64, 64)
    made = apply(image, catalogue.at_level("checkerboard_cutout", 10), torch.tensor([0]))
    grey = (made == 128).all(1)
    assert 0.4 < grey.float().mean() < 0.6  # all of one colour of the board
    assert torch.equal(made[0, :, ~grey[0]], image[0, :, ~grey[0]])


@pytest.mark.parametrize(("name", "share"), [("blue_noise_sample", 0.02), ("brownish_noise", 0.9)])
def test_noise_has_its_colour(name, share):
    flat = torch.full((4, 3, 64, 64), 128, dtype=torch.uint8)
    level = 8.3 if name == "blue_noise_sample" else 3
    made = apply(flat, catalogue.at_level(name, level), torch.arange(4)).float()
    power = torch.fft.fft2(made - made.mean((2, 3), keepdim=True)).abs().square().mean((0, 1))
    low = power[:5, :5].sum() + power[-4:, :5].sum() + power[:5, -4:].sum() + power[-4:, -4:].sum()
    assert (low / power.sum() > share) == (name == "brownish_noise")


FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("size", [(20, 28), (17, 23), (91, 83), (40, 9)])
def test_resampling_is_pillows_bit_for_bit(name, size):
    image = photograph(40, 56)
    theirs = Image.fromarray(image[0].permute(1, 2, 0).numpy()).resize(size[::-1], FILTERS[name])
    assert torch.equal(resampled(image, size, name)[0].permute(1, 2, 0), torch.from_numpy(np.array(theirs)))  # fmt: skip


def test_photographs_are_turned_moved_and_zoomed():
    image, place = photograph(41, 41), torch.tensor([0])
    turned = apply(image, catalogue.at_level("rotate", 90), place)
    assert any(torch.equal(turned, image.rot90(k, (2, 3))) for k in (1, 3))
    moved = apply(image, catalogue.at_level("shift", 0.1), place)
    wanted = [torch.nn.functional.pad(image, (a, -a, b, -b)) for a in (4, -4) for b in (4, -4)]
    assert any(torch.equal(moved, one) for one in wanted)
    small = apply(image, catalogue.at_level("scale", 0.5), place)
    assert not small[..., :10].any()
    assert torch.equal(small[..., 10:30, 10:30], resampled(image, (20, 20), "bilinear"))
    assert apply(image, catalogue.at_level("scale", 2), place).shape == image.shape
    for name in ("rotate", "shift"):
        assert torch.equal(apply(image, catalogue.at_level(name, 0), place), image)
    for name in ("scale", "aspect_ratio", "resample_box"):
        assert torch.equal(apply(image, catalogue.at_level(name, 1), place), image)
