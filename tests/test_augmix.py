"""AugMix: each operation, the mix, the divergence and the training are as the paper describes them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_images import random_images
from PIL import Image, ImageOps
from scipy.spatial.distance import jensenshannon
from scipy.stats import beta, entropy, kstest
from torch.nn.functional import cross_entropy

import robobench
from robobench.baselines.augmentation_chains import (
    OPERATIONS,
    Chains,
    autocontrast,
    draw_chains,
    equalize,
    mix,
    posterize,
    rotate,
    shear_x,
    shear_y,
    solarize,
    translate_x,
    translate_y,
    view_keys,
)
from robobench.baselines.augmix import Augmix, augmix_loss, jensen_shannon
from robobench.training.trainer import TrainingRequest, train_one
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone

PAPER = {"width": 3, "depth": 3, "severity": 3.0}


def by_pillow(images, change):
    """The images, each changed as a PIL image."""
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    changed = [torch.from_numpy(np.array(change(picture))) for picture in pictures]
    return torch.stack(changed).permute(0, 3, 1, 2)


def narrow_images():
    """Images whose values do not span 0..255, not square."""
    return (random_images(3, height=28, width=40) // 2 + 30).contiguous()


@pytest.mark.parametrize("strength", [-0.3, -0.07, 0.1, 0.25, 0.3, 1.0])
def test_operations_on_values_are_those_of_pillow(strength):
    images = narrow_images()
    given = torch.full((len(images),), strength)
    bits, threshold = 4 - int(4 * abs(strength)), 256 - int(256 * given.abs()[0])
    posterized = by_pillow(images, lambda i: ImageOps.posterize(i, bits)) if bits else images * 0
    assert torch.equal(posterize(images, given), posterized)
    expected = by_pillow(images, lambda i: ImageOps.solarize(i, threshold))
    assert torch.equal(solarize(images, given), expected)
    assert torch.equal(equalize(images, given), by_pillow(images, ImageOps.equalize))
    # The two round differently.
    off = autocontrast(images, given).int() - by_pillow(images, ImageOps.autocontrast).int()
    assert off.abs().max() <= 1


@pytest.mark.parametrize("strength", [-0.3, 0.01, 0.17, 0.3, 1.0])
@pytest.mark.parametrize(
    ("operation", "change"),
    [
        (rotate, lambda s, w, h: None),
        (shear_x, lambda s, w, h: (1, 0.3 * s, 0, 0, 1, 0)),
        (shear_y, lambda s, w, h: (1, 0, 0, 0.3 * s, 1, 0)),
        (translate_x, lambda s, w, h: (1, 0, int(s * w / 3), 0, 1, 0)),
        (translate_y, lambda s, w, h: (1, 0, 0, 0, 1, int(s * h / 3))),
    ],
)
def test_operations_on_places_are_those_of_pillow(operation, change, strength):
    images = narrow_images()
    height, width = images.shape[2:]
    matrix = change(strength, width, height)

    def moved(picture):
        if matrix is None:
            return picture.rotate(30 * strength, resample=Image.Resampling.BILINEAR)
        return picture.transform(
            picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR
        )

    given = torch.full((len(images),), strength)
    result, expected = operation(images, given), by_pillow(images, moved)
    # The two differ in how they blend the edge with the black outside.
    inside = operation(torch.full_like(images, 255), given) == 255
    assert inside.float().mean() > 0.4
    assert (result.int() - expected.int())[inside].abs().max() <= 1
    assert not torch.equal(result, images) or strength == 0.01


def test_a_lit_pixel_moves_where_it_is_said_to():
    image = torch.zeros(1, 3, 30, 30, dtype=torch.uint8)
    image[:, :, 20, 12] = 255
    for operation, place in (
        (translate_x, (20, 2)),  # by a third of 30 pixels
        (translate_y, (10, 12)),
        (shear_x, (20, 6)),  # 0.3 of 20.5 is 6.15
        (shear_y, (16, 12)),  # 0.3 of 12.5 is 3.75
    ):
        moved = operation(image, torch.ones(1))[0, 0]
        assert divmod(int(moved.argmax()), 30) == place, operation.__name__
        back = operation(moved.expand(1, 3, 30, 30), -torch.ones(1))[0, 0]
        assert divmod(int(back.argmax()), 30) == (20, 12), operation.__name__
    image = torch.zeros(1, 3, 30, 30, dtype=torch.uint8)
    image[:, :, 15, 25] = 255  # (10.5, 0.5) from the centre goes to (9.3, -4.8)
    assert divmod(int(rotate(image, torch.ones(1))[0, 0].argmax()), 30) == (10, 24)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.__name__)
def test_an_operation_takes_each_image_by_itself_and_leaves_the_given_one_alone(operation):
    images = random_images(5)
    before = images.clone()
    strengths = torch.tensor([-0.3, -0.1, 0.05, 0.2, 0.3])
    together = operation(images, strengths)
    apart = [operation(images[i : i + 1], strengths[i : i + 1]) for i in range(5)]
    assert torch.equal(together, torch.cat(apart))
    assert together.dtype == torch.uint8
    assert torch.equal(images, before)


def test_no_operation_resembles_a_test_corruption():
    names = {operation.__name__ for operation in OPERATIONS}
    assert len(names) == 9
    assert not names & {"contrast", "color", "brightness", "sharpness", "noise", "blur", "cutout"}


def chains_of(operations, strengths, depths, weights, kept):
    return Chains(
        torch.tensor([operations]), torch.tensor([strengths]), torch.tensor([depths]),
        torch.tensor([weights]), torch.tensor([kept]),
    )  # fmt: skip


def test_the_mix_is_the_formula_on_a_case_computed_by_hand():
    invert, blacken = OPERATIONS.index(solarize), OPERATIONS.index(posterize)
    image = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)
    # 100 becomes 155 in the first chain and 0 in the second:
    # 0.4 * 100 + 0.6 * (0.25 * 155 + 0.75 * 0) = 63.25.
    one = chains_of([[invert], [blacken]], [[1.0], [1.0]], [1, 1], [0.25, 0.75], 0.4)
    torch.testing.assert_close(mix(image, one), torch.full((1, 3, 8, 8), 63.25))
    # Two inversions cancel where the chain has two operations, not where it has one:
    # 0.4 * 100 + 0.6 * (0.25 * 100 + 0.75 * 155) = 124.75.
    two = chains_of([[invert] * 2] * 2, [[1.0, -1.0]] * 2, [2, 1], [0.25, 0.75], 0.4)
    torch.testing.assert_close(mix(image, two), torch.full((1, 3, 8, 8), 124.75))
    # 155 is posterized to 144 (16 values of 16 steps) when inverted first; 100 to 96, then 159.
    orders = chains_of([[invert, blacken], [blacken, invert]], [[1.0, 0.0], [0.0, 1.0]],
                       [2, 2], [0.5, 0.5], 0.0)  # fmt: skip
    torch.testing.assert_close(mix(image, orders), torch.full((1, 3, 8, 8), (144 + 159) / 2))


def test_chains_are_drawn_from_the_distributions_of_the_paper():
    count = 6000
    drawn = draw_chains(view_keys(3, 7, torch.arange(count), 1), **PAPER)
    assert kstest(drawn.kept, "uniform").pvalue > 0.01  # Beta(1, 1)
    torch.testing.assert_close(drawn.weights.sum(1), torch.ones(count))
    for chain in range(3):  # each weight of Dirichlet(1, 1, 1) is Beta(1, 2)
        assert kstest(drawn.weights[:, chain], beta(1, 2).cdf).pvalue > 0.01
    assert kstest(drawn.strengths.abs().flatten() * 10, "uniform", (0.1, 2.9)).pvalue > 0.01
    assert (drawn.strengths < 0).float().mean() == pytest.approx(0.5, abs=0.01)
    for values, numbers in ((drawn.depths, range(1, 4)), (drawn.operations, range(9))):
        shares = torch.bincount(values.flatten()) / values.numel()
        assert values.unique().tolist() == list(numbers)
        torch.testing.assert_close(
            shares[min(numbers) :], torch.full((len(numbers),), 1 / len(numbers)), atol=0.01, rtol=0
        )


def test_a_mixed_view_depends_on_seed_step_image_and_view_alone():
    images, indices = random_images(6), torch.tensor([7, 3, 900, 12, 5, 44])

    def views(images, indices, seed=0, step=5):
        chains = draw_chains(view_keys(seed, step, indices, 2), **PAPER)
        return mix(images.repeat(2, 1, 1, 1), chains)

    both = views(images, indices)
    assert both.dtype == torch.float32
    assert 0 <= both.min() < both.max() <= 255.001
    assert torch.equal(both, views(images, indices))
    first, second = both.chunk(2)
    assert not torch.isclose(first, second).flatten(1).all(1).any()
    order = torch.tensor([4, 0, 2])
    torch.testing.assert_close(views(images[order], indices[order]), both.unflatten(
        0, (2, 6))[:, order].flatten(0, 1))  # fmt: skip
    for other in (
        views(images, indices, seed=1), views(images, indices, step=6), views(images, indices + 1)
    ):  # fmt: skip
        assert not torch.isclose(other, both).flatten(1).all(1).any()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(both, views(images, indices))


def test_the_divergence_is_that_of_scipy():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 5, 10, generator=generator)
    p = logits.double().softmax(2).numpy()
    pairs = [jensenshannon(a, b) ** 2 for a, b in zip(p[0], p[1], strict=True)]
    assert float(jensen_shannon(logits[:2])) == pytest.approx(np.mean(pairs), rel=1e-5)
    # Of three: the entropy of the mean less the mean entropy.
    three = entropy(p.mean(0), axis=1) - entropy(p, axis=2).mean(0)
    assert float(jensen_shannon(logits)) == pytest.approx(three.mean(), rel=1e-5)


def test_the_divergence_is_zero_for_equal_answers_and_log_3_for_three_that_exclude_each_other():
    same = torch.randn(4, 6).expand(3, 4, 6)
    assert float(jensen_shannon(same)) == pytest.approx(0, abs=1e-6)
    certain = 1000 * torch.eye(3)[:, None]
    certain.requires_grad_()
    divergence = jensen_shannon(certain)
    assert divergence.item() == pytest.approx(math.log(3))
    divergence.backward()
    assert torch.isfinite(certain.grad).all()


def test_labels_are_of_clean_images_and_the_divergence_counts_twelve_times():
    logits, labels = torch.randn(6, 4), torch.tensor([1, 3])
    expected = cross_entropy(logits[:2], labels) + 12 * jensen_shannon(logits.reshape(3, 2, 4))
    torch.testing.assert_close(augmix_loss(logits, labels, 12.0), expected)


def test_the_recipes_have_the_settings_of_the_paper():
    backbone = load_backbone("vgg-tiny", dataset="shapes10")
    for recipe in Augmix.recipes(backbone).values():
        assert {k: recipe.options[k] for k in PAPER} == PAPER
        assert recipe.options["consistency"] == 12
        assert recipe.keep == "last"  # nothing to choose by
    paper = Augmix.recipes(None)["paper"]
    assert paper.steps * paper.batch / 45_000 == pytest.approx(100, rel=0.01)
    assert paper.options["from_scratch"]
    assert (paper.rate, paper.weight_decay, paper.batch) == (0.1, 5e-4, 128)


def train_briefly(monkeypatch, limit=None, **changes):
    recipe = replace(Augmix.recipes(None)["standard"], **changes)
    monkeypatch.setattr(Augmix, "recipes", classmethod(lambda cls, backbone: {"standard": recipe}))
    request = TrainingRequest(limit=limit, precision="fp32")
    return train_one(request, "augmix", "clean", again=True).card


def test_training_twice_gives_the_same_weights_and_changes_the_start(monkeypatch):
    short = {"limit": 40, "steps": 3, "batch": 16, "evaluations": 1}
    first, second = (storage.load(train_briefly(monkeypatch, **short)) for _ in range(2))
    start = load_backbone("vgg-tiny", dataset="shapes10").module.state_dict()
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, second.tensors[name]), name
    name = "stem.0.0.weight"
    moved = first.tensors[name].float() - start[name].half().float()
    assert 0 < moved.norm() < start[name].norm() / 2
    assert first.card.recipe["network"]["start"].startswith("org, tensors sha256 ")
    assert first.card.trained_on == "clean"


@pytest.mark.slow
def test_a_short_training_improves_on_the_common_corruptions(monkeypatch, tmp_path):
    train_briefly(monkeypatch, steps=200, batch=64)
    run = robobench.run(
        "org,augmix", corruptions="common", limit=300, out=tmp_path / "run", precision="fp32"
    )
    gains = run.compare("org", "augmix").set_index("corruption")
    assert gains.loc["mean", "difference_low"] > 0
