"""Methods that adapt at test time do what their papers' equations say, on cases computed by hand."""

import math

import numpy as np
import pytest
import torch
from normed_network import COLOURS, LARGE, N, backbone, constant, made
from torch import nn

from robobench.methods import roid
from robobench.methods.online_adaptation import entropy
from robobench.registry import METHODS
from robobench.types import Context

RATE = 2.5e-4


def normalised(values=COLOURS):
    """The colours after batch normalisation by hand, without its scale and shift."""
    x = np.array(values, float)
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def entropies(p):
    return -(p * np.log(p)).sum(1)


def slope(weights, scale, shift):
    """d/d(scale, shift) of sum(weights * H), where dH/dz = -p (log p + H)."""
    x = normalised()
    p = softmax(scale * x + shift)
    h = -p * (np.log(p) + entropies(p)[:, None]) * np.asarray(weights)[:, None]
    return (h * x).sum(0), h.sum(0)


def learned(method):
    return [p.detach().numpy().copy() for p in method.adapted]


def near(actual, wanted, rtol=5e-3):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(wanted), rtol=rtol, atol=1.5e-7)


@pytest.mark.parametrize("prior", [0, 2, 6])
def test_bn_adapt_mixes_the_statistics_by_their_sample_sizes(prior):
    layer = nn.BatchNorm2d(3, eps=0)
    layer.running_mean.copy_(torch.tensor([0.0, 10.0, 20.0]))
    layer.running_var.copy_(torch.tensor([1.0, 4.0, 9.0]))
    kind = METHODS["bn-adapt"].with_argument(f"prior={prior}")[1]
    answers = kind(backbone(layer)).predict(constant([[10, 20, 30], [30, 20, 50]], 4), Context())
    share = prior / (prior + 2)  # N / (N + n)
    mean = share * np.array([0, 10, 20]) + (1 - share) * np.array([20, 20, 40])
    variance = share * np.array([1, 4, 9]) + (1 - share) * np.array([100, 0, 100])
    if prior == 0:  # the second channel does not vary: 0 / 0
        assert not torch.isfinite(answers).all()
        return
    z = (np.array([[10, 20, 30], [30, 20, 50]]) - mean) / np.sqrt(variance)
    near(answers, softmax(z))


def test_bn_adapt_with_a_large_prior_is_the_classifier():
    base = backbone()
    base.module.first.running_mean.fill_(50.0)
    base.module.first.running_var.fill_(900.0)
    kind = METHODS["bn-adapt"].with_argument("prior=10000")[1]
    near(kind(base).predict(constant(COLOURS), Context()), base(constant(COLOURS)), rtol=0.02)
    assert float(base.module.first.running_mean[0]) == 50


def test_tent_takes_one_step_down_the_gradient_of_the_mean_entropy():
    method = made("tent")
    first = method.predict(constant(COLOURS), Context())
    near(first, softmax(normalised()))  # it answers before it learns
    scale, shift = slope([1 / N] * N, 1, 0)
    near(learned(method)[0] - 1, -RATE * scale)
    near(learned(method)[1], -RATE * shift)
    again = method.predict(constant(COLOURS), Context())
    near(again, softmax((1 - RATE * scale) * normalised() - RATE * shift))
    assert entropy(again.log()).mean() < entropy(first.log()).mean()


def test_small_images_are_learned_from_with_adam():
    method = made("tent")
    method.predict(constant(COLOURS, 32), Context())
    _, shift = slope([1 / N] * N, 1, 0)
    near(learned(method)[1], -1e-3 * np.sign(shift))  # Adam's first step


def test_eata_counts_reliable_images_unlike_those_before():
    method = made("eata")
    assert method.most_entropy == pytest.approx(0.4 * math.log(3))
    method.side = LARGE
    p = torch.tensor([[0.98, 0.01, 0.01], [0.5, 0.3, 0.2], [0.01, 0.98, 0.01]])
    h = torch.tensor([0.43, 0.44, 0.1])  # the threshold is .4394
    assert method._counting(p, h).tolist() == [True, False, True]
    near(method.average, [0.495, 0.495, 0.01])
    # Similarities: .707 and .707 to the average; the third class is orthogonal to it.
    other = torch.tensor([[0.98, 0.01, 0.01], [0.0, 0.0, 1.0]])
    assert method._counting(other, torch.tensor([0.1, 0.1])).tolist() == [False, True]
    near(method.average, 0.9 * np.array([0.495, 0.495, 0.01]) + 0.1 * np.array([0, 0, 1.0]))
    method.side = 32  # a wider threshold, .4, for small images
    assert method._counting(torch.tensor([[0.6, 0.0, 0.8]]), torch.tensor([0.1])).tolist() == [
        False
    ]


def test_eata_weighs_entropies_by_their_reliability():
    method = made("eata")
    method.predict(constant(COLOURS), Context())
    h = entropies(softmax(normalised()))
    counts = h < 0.4 * math.log(3)
    assert 0 < counts.sum() < N
    scale, shift = slope(counts * np.exp(0.4 * math.log(3) - h) / counts.sum(), 1, 0)
    near(learned(method)[0] - 1, -RATE * scale)
    near(learned(method)[1], -RATE * shift)


def test_eata_anchors_the_parameters_by_their_fisher_information():
    method = METHODS["eata"](backbone())
    method.begin(lambda count: constant(COLOURS)[:count])
    x = normalised()
    p = softmax(x)
    error = p - np.eye(3)[p.argmax(1)]  # of the cross-entropy against its own answers
    near(method.importance[0], (error * x).mean(0) ** 2)
    near(method.importance[1], error.mean(0) ** 2)
    method.side = LARGE
    with torch.no_grad():
        method.adapted[1].add_(torch.tensor([0.1, 0.2, 0.0]))
    wanted = 2000 * (error.mean(0) ** 2 * np.array([0.01, 0.04, 0])).sum()
    assert method._distance().item() == pytest.approx(wanted, rel=1e-3)
    method.side = 32
    assert method._distance().item() == pytest.approx(wanted / 2000, rel=1e-3)


def test_sar_follows_the_gradient_where_the_loss_is_sharpest():
    method = made("sar")
    method.predict(constant(COLOURS), Context())
    most = 0.4 * math.log(3)
    counts = entropies(softmax(normalised())) < most
    g = slope(counts / counts.sum(), 1, 0)
    length = np.sqrt((g[0] ** 2).sum() + (g[1] ** 2).sum())
    moved = 1 + 0.05 * g[0] / length, 0.05 * g[1] / length
    there = entropies(softmax(moved[0] * normalised() + moved[1]))
    still = counts & (there < most)
    scale, shift = slope(still / still.sum(), *moved)
    near(learned(method)[0] - 1, -RATE * scale)
    near(learned(method)[1], -RATE * shift)
    assert method.average == pytest.approx(there[still].mean(), rel=1e-3)


def test_sar_goes_back_when_the_moving_average_of_its_loss_collapses():
    method = made("sar")
    for loss, average in ((0.5, 0.5), (0.1, 0.46)):
        method._recover(loss)
        assert method.average == pytest.approx(average)
    with torch.no_grad():
        method.adapted[0].add_(1.0)
    for _ in range(30):
        if method.average is not None:
            method._recover(0.0)
    assert method.average is None
    assert torch.equal(method.adapted[0], torch.ones(3))


@pytest.mark.parametrize(
    ("names", "last"),
    [
        (("layer1.0.bn1", "layer4.0.bn1"), ("layer4.0.bn1",)),
        (("blocks.8.norm1", "blocks.11.norm1", "norm"), ("blocks.11.norm1", "norm")),
        (("stem.1", "stages.0.1.body.1", "stages.2.1.body.1"), ("stages.2.1.body.1",)),
    ],
)
def test_sar_leaves_the_last_stage_alone(names, last):
    module = nn.Module()
    for name in names:
        here = module
        *path, end = name.split(".")
        for part in path:
            if not hasattr(here, part):
                here.add_module(part, nn.Module())
            here = getattr(here, part)
        here.add_module(end, nn.BatchNorm2d(3))
    skipped = made("sar").skips(module)
    assert tuple(name for name in names if skipped(name)) == last


def test_roid_weighs_certain_and_diverse_images():
    p = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.5, 0.25, 0.25]])
    average = torch.tensor([0.8, 0.1, 0.1])
    # Diversities: 0, 1 - .25 and 1 - .45 / sqrt(.66 * .375), scaled to 0, 1 and .1272; the
    # first and the third are below their mean. Certainty of the second: the highest, 1.
    weights = roid.importance(p, torch.tensor([0.639, 0.639, 1.04]), average)
    near(weights, [0, math.exp(3), 0])
    less = roid.importance(p[:2], torch.tensor([0.6, 0.7]), average)
    near(less, [0, 1])  # the most diverse is the least certain: exp(1 * 0)


def test_the_losses_of_roid():
    p = np.array([[0.5, 0.3, 0.2]])
    near(
        roid.likelihood_ratio(torch.tensor(p).log()),
        [-(0.5 * math.log(1) + 0.3 * math.log(3 / 7) + 0.2 * math.log(1 / 4))],
    )
    sure = roid.likelihood_ratio(torch.tensor([[30.0, 0.0, 0.0]]))  # bounded: p is clipped
    near(sure, [-0.99 * math.log(99)])
    q = np.array([[0.2, 0.2, 0.6]])
    there, back = -(q * np.log(p)).sum(), -(p * np.log(q)).sum()
    near(
        roid.symmetric_cross_entropy(torch.tensor(p).log(), torch.tensor(q).log()),
        [(there + back) / 2],
    )


def test_roid_corrects_the_prior():
    p = torch.tensor([[0.7, 0.3], [0.9, 0.1]])
    smoothing = 0.5 / 0.8  # max(1/2, 1/2) over the largest class's mean
    prior = (np.array([0.8, 0.2]) + smoothing) / (1 + 2 * smoothing)
    wanted = p.numpy() * prior
    near(roid.corrected(p), wanted / wanted.sum(1, keepdims=True))


def test_roid_draws_the_parameters_back_to_the_given_ones(monkeypatch):
    method = made("roid")
    with torch.no_grad():
        method.adapted[0].fill_(3.0)
    monkeypatch.setattr(method, "step", lambda loss: None)
    method.side = LARGE
    method.predict(constant(COLOURS), Context(indices=torch.arange(N)))
    near(learned(method)[0], [0.99 * 3 + 0.01] * 3)


def test_an_image_is_always_augmented_alike():
    generator = torch.Generator().manual_seed(0)
    some = torch.randint(0, 256, (6, 3, 32, 32), generator=generator, dtype=torch.uint8)
    whole = roid.augmented(some, torch.arange(6))
    torch.testing.assert_close(roid.augmented(some[3:], torch.arange(3, 6)), whole[3:])
    assert 0 <= whole.min() <= whole.max() <= 255
    assert not torch.allclose(whole, roid.augmented(some, torch.arange(6) + 6), atol=5)
