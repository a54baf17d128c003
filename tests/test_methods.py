"""Every registered method keeps the contract; the networks have the sizes that are published."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from robobench.backbones.backbone import cost_of
from robobench.backbones.level_network import LevelNetwork
from robobench.backbones.own import own_network
from robobench.baselines.arcnn import Arcnn
from robobench.baselines.image_quality import psnr
from robobench.baselines.restored_classifier import RestoredClassifier
from robobench.baselines.retrained_classifier import RetrainedClassifier
from robobench.baselines.trained_restorer import TrainedRestorer
from robobench.corruptions import apply, catalogue
from robobench.datasets import open_dataset
from robobench.errors import RobobenchError
from robobench.methods.adaptive import LevelEstimators
from robobench.methods.afd import (
    AdaptiveDeDrifting,
    DriftEstimator,
    FeatureEnhancer,
    RepConv,
    dct_filters,
)
from robobench.methods.ddp import Ddp, FeatureDeDrifting
from robobench.methods.degradation_detector import DegradationDetector
from robobench.methods.estimators import PixelwiseEstimator
from robobench.methods.finetune import Finetune
from robobench.registry import METHODS
from robobench.testing import method as method_contract
from robobench.types import Card, Context, Weights
from robobench.weights.classifiers import load_backbone
from robobench.weights.storage import find, load

CONTEXT = Context(
    indices=torch.arange(6),
    corruption="jpeg_compression",
    severity=3,
    level=30.0,
    header_quality=torch.full((6,), 30),
)


def count(module):
    return sum(p.numel() for p in module.parameters())


def images(n=6, side=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("vgg-tiny", dataset="shapes10")


def in_memory(name, tensors, network, belongs_to="classifier"):
    card = Card(
        method=name, belongs_to=belongs_to, dataset="shapes10", backbone="vgg-tiny",
        backbone_digest="", trained_on="", train_seed=0, digest="", file="in memory", command="",
        recipe={"network": network}, images="", accuracy={}, parameters=0, minutes=0.0, versions={},
    )  # fmt: skip
    return Weights(card, tensors)


def dedrift_parts(backbone):
    """Tensors and settings of experts that change something, behind a gate that lets some pass."""
    experts = {"noise": ["gaussian_noise"], "jpeg_compression": ["jpeg_compression"]}
    state = {
        f"expert-{kind}.{parameter}": 0.01 * torch.randn(2 - (kind == "noise"), *tensor.shape)
        for kind in experts
        for parameter, tensor in backbone.module.named_parameters()
    }
    state |= {f"detector.{k}": t for k, t in DegradationDetector(1).state_dict().items()}
    return state, {"experts": experts, "caution": 0.5, "range": [5, 90], "highest": 95.0}


def make(name, backbone):
    """A method with its shipped weights, or with fresh ones where none are shipped."""
    kind = METHODS[name]
    if kind.weights_of == "none":
        method = kind(backbone)
        method.begin(lambda count: images()[:count])
        return method
    found = find(name, dataset="shapes10", backbone_name="vgg-tiny", backbone=backbone)
    if found:
        return kind(backbone, load(found[0]))
    torch.manual_seed(0)
    if issubclass(kind, RestoredClassifier):
        restorer = METHODS[kind.restorer].build()
        state = {f"restorer.{k}": v for k, v in restorer.state_dict().items()}
        state |= {f"classifier.{k}": v for k, v in backbone.module.state_dict().items()}
        return kind(backbone, in_memory(name, state, {"restorer": {}}))
    if issubclass(kind, RetrainedClassifier):
        return kind(backbone, in_memory(name, own_network("vgg-tiny", 10).state_dict(), {}))
    if issubclass(kind, Finetune):
        state = {k: t.clone() for k, t in kind.tuned(backbone.module).items()}
        return kind(backbone, in_memory(name, state, {}, "plugin"))
    if name == "dedrift":
        return kind(backbone, in_memory(name, *dedrift_parts(backbone), "plugin"))
    if issubclass(kind, TrainedRestorer):
        return kind(backbone, in_memory(name, kind.build().state_dict(), {}, "restorer"))
    if name == "adaptive":
        widths = {"jpg-estqf": "blocks", "noisy-estnl": 8}
        network = LevelNetwork(own_network("vgg-tiny", 10), levels=2)
        nn.init.normal_(network.modulation.weight)
        parts = {"classifier.": network, "estimators.": LevelEstimators(widths)}
        state = {f"{p}{k}": t for p, part in parts.items() for k, t in part.state_dict().items()}
        made = {"architecture": "vgg-tiny", "estimators": widths}
        return kind(backbone, in_memory(name, state, made))
    network = LevelNetwork(own_network("vgg-tiny", 10))
    nn.init.normal_(network.modulation.weight)
    state = {f"classifier.{k}": v for k, v in network.state_dict().items()}
    return kind(backbone, in_memory(name, state, {"architecture": "vgg-tiny"}))


NAMES = [n for n in METHODS.names() if METHODS.entry(n).options.get("argument", "[")[0] == "["]


@pytest.mark.parametrize("promise", method_contract.PROMISES, ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_method_keeps_its_promises(name, promise, backbone):
    def on(device):
        if device != "cpu":
            return make(name, load_backbone("vgg-tiny", dataset="shapes10", device=device))
        return make(name, backbone)

    promise(method_contract.Subject(on, images(), images(seed=2), CONTEXT))


def test_a_method_without_from_stem_says_so(backbone):
    with pytest.raises(NotImplementedError):
        make("median", backbone).from_stem(images(), images(), CONTEXT)


def test_org_is_the_backbone(backbone):
    with torch.inference_mode():
        assert torch.equal(METHODS["org"](backbone).predict(images(), CONTEXT), backbone(images()))


def test_the_de_drifting_module_has_the_published_size():
    assert count(FeatureDeDrifting(64, (64, 32, 16))) == 117_472
    assert count(FeatureDeDrifting(64, (64, 32, 16), image=False)) == 115_744
    assert Ddp.settings(64, rectified=True)["widths"] == [64, 32, 16]
    cost = cost_of(
        FeatureDeDrifting(64, (64, 32, 16)),
        torch.zeros(1, 64, 112, 112),
        torch.zeros(1, 3, 224, 224),
    )
    assert cost.macs == pytest.approx(1.47e9, rel=0.01)


def test_afd_has_the_published_size():
    assert count(FeatureEnhancer(64, 16)) == 204_385
    assert count(FeatureEnhancer(64, 16, merged=True)) == 78_561
    assert count(DriftEstimator(64)) == 37_120
    # Published: 119,801, of which 24 belong to colour conversions; ours needs twelve.
    fixed = sum(b.numel() for b in DriftEstimator(64).buffers())
    assert 78_561 + 37_120 + fixed == 119_801 - 24 + 12
    assert cost_of(FeatureEnhancer(64, 16, merged=True), torch.zeros(1, 64, 112, 112)).macs == (
        pytest.approx(0.51e9, rel=0.02)
    )


def test_the_estimator_and_arcnn_have_the_published_sizes():
    assert count(PixelwiseEstimator()) == 187_009
    assert count(Arcnn()) == 117_731
    assert cost_of(PixelwiseEstimator(), torch.zeros(1, 3, 32, 32)).macs == pytest.approx(
        191e6, rel=0.01
    )


def test_an_untrained_arcnn_leaves_images_alone():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 20, 24)
    torch.testing.assert_close(Arcnn()(x), x)


def test_the_estimator_sees_33_pixels():
    network = PixelwiseEstimator(4)
    for parameter in network.parameters():  # no path through the network is switched off
        nn.init.constant_(parameter, 0.1)
    x = torch.rand(1, 3, 65, 65, requires_grad=True)
    network.layers(x)[0, 0, 32, 32].backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert seen.any(0).nonzero().flatten().tolist() == list(range(16, 49))


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 3)])
def test_merging_changes_nothing_even_at_the_border(size):
    torch.manual_seed(0)
    block = RepConv(5, 7)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 5, *size)
    merged = block.merge()
    torch.testing.assert_close(merged(x), block(x), rtol=1e-4, atol=1e-3)
    branches = (
        block.then_square(block.point_first(nn.functional.pad(x, (1, 1, 1, 1)))),
        block.then_point(block.square_first(x)),
        block.point(x),
    )
    torch.testing.assert_close(block(x), sum(branches), rtol=1e-4, atol=1e-3)
    assert count(merged) == 5 * 7 * 9 + 7


@pytest.mark.parametrize("side", [32, 37, 56])
@pytest.mark.parametrize("spatial", [True, False])
def test_merged_afd_is_the_trained_one(side, spatial):
    torch.manual_seed(0)
    module = AdaptiveDeDrifting(6, 8, spatial=spatial)
    for parameter in module.enhancer.blocks[-1].parameters():
        nn.init.normal_(parameter, std=0.1)
    features, x = torch.rand(2, 6, side, side), torch.rand(2, 3, side, side)
    result = module(features, x)
    torch.testing.assert_close(module.merge()(features, x), result, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(result, features)


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("name", ["afd", "ddp"])
def test_plugins_begin_by_leaving_features_alone(name, rectified):
    torch.manual_seed(0)
    features = torch.randn(2, 24, 16, 16)
    features = features.relu() if rectified else features
    kind = METHODS[name]
    module = kind.build(kind.settings(24, rectified=rectified), training=True)
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(module(features, x), features)
    torch.testing.assert_close(kind.deploy(module)(features, x), features)


@pytest.mark.parametrize("size", [(4, 4), (17, 9), (28, 31)])
def test_plugins_take_any_size(size):
    features, x = torch.rand(1, 8, *size), torch.rand(1, 3, 2 * size[0] + 1, 2 * size[1])
    for module in (AdaptiveDeDrifting(8, 8, merged=True), FeatureDeDrifting(8, (8, 8, 8))):
        assert module(features, x).shape == features.shape


def test_the_gate_is_spatial_as_in_the_paper_or_pooled_as_released():
    x = torch.rand(1, 3, 48, 40)
    assert DriftEstimator(6)(x).shape == (1, 6, 6, 5)
    assert DriftEstimator(6, spatial=False)(x).shape == (1, 6, 1, 1)


def test_the_cosine_patterns_are_orthonormal_and_zig_zag():
    filters = dct_filters().reshape(64, 64)
    torch.testing.assert_close(filters @ filters.T, torch.eye(64), atol=1e-6, rtol=0)
    scipy_fft = pytest.importorskip("scipy.fft")
    block = torch.rand(8, 8)
    ours = filters @ block.flatten()
    theirs = torch.tensor(scipy_fft.dctn(block.numpy(), norm="ortho"))
    order = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2)]
    for position, (row, column) in enumerate(order):
        assert float(ours[position]) == pytest.approx(float(theirs[row, column]), abs=1e-5)


def test_psnr():
    clean = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    off = clean.clone()
    off[1] += 5
    values = psnr(off, clean)
    assert values[0] == 100
    assert float(values[1]) == pytest.approx(20 * math.log10(255 / 5))


def test_restorers_tell_psnr_of_what_they_restored(backbone):
    method = make("median", backbone)
    clean = images(side=32)
    noisy = clean.clone()
    noisy[:, :, 5, 5] = 255
    told = method.columns(noisy, clean, CONTEXT)["psnr"]
    method.predict(noisy, CONTEXT)
    assert torch.equal(method.columns(noisy, clean, CONTEXT)["psnr"], told)


def test_estimated_levels_are_near_the_true_ones(backbone):
    """The shipped estimators, over 200 test images."""
    clean = open_dataset("shapes10").read(np.arange(200), backbone.geometry)
    for name, corruption, low, high, tolerance in (
        ("jpg-estqf", "jpeg_compression", 20, 80, 15),
        ("noisy-estnl", "gaussian_noise", 10, 40, 3),
    ):
        method = make(name, backbone)
        for level in (low, high):
            degraded = apply(clean, catalogue.at_level(corruption, level), torch.arange(200))
            guess = method.columns(degraded, clean, Context())["estimated_level"]
            assert float(guess.mean()) == pytest.approx(level, abs=tolerance)


def test_true_levels_must_be_told_and_matter(backbone):
    method = make("jpg-trueqf", backbone)
    assert method.needs == {"level"}
    assert not method.applies_to("gaussian_noise")
    with torch.inference_mode():
        low = method.predict(images(), Context(level=10))
        high = method.predict(images(), Context(level=100))
        untouched = method.predict(images(), Context(level=0))
    assert not torch.allclose(low, high)
    torch.testing.assert_close(untouched, high)
    with pytest.raises(RobobenchError, match="true level"):
        method.predict(images(), Context())


def test_a_network_for_other_classes_does_not_fit(backbone):
    state = own_network("vgg-tiny", 4).state_dict()
    with pytest.raises(RobobenchError, match="does not fit vgg-tiny"):
        METHODS["jpg"](backbone, in_memory("jpg", state, {}))


# What `adaptive` does with the levels that it estimates.


@pytest.fixture
def adaptive(backbone):
    return make("adaptive", backbone)


def told(adaptive, monkeypatch, levels):
    """Its probabilities when its estimators say so."""
    monkeypatch.setattr(adaptive.estimators, "forward", lambda images: torch.tensor(levels))
    return adaptive.predict(images()[: len(levels)], CONTEXT)


def test_only_a_nearly_clean_image_is_shown_to_the_clean_network(adaptive, backbone, monkeypatch):
    levels = [[0.899, 0.0], [0.901, 0.0], [1.0, 0.059], [1.0, 0.061]]
    some = images()[:4]
    mirrored = (backbone(some) + backbone(some.flip(3))) / 2
    answers = told(adaptive, monkeypatch, levels)
    monkeypatch.setattr("robobench.methods.adaptive._NEARLY_CLEAN", (101.0, 0.0))
    alone = told(adaptive, monkeypatch, levels)
    torch.testing.assert_close(answers[[1, 2]], (alone + mirrored)[[1, 2]] / 2)
    assert torch.equal(answers[[0, 3]], alone[[0, 3]])


def test_it_answers_the_same_for_the_mirror_image(adaptive, monkeypatch):
    levels = [[0.5, 0.5]] * 6
    monkeypatch.setattr(adaptive.estimators, "forward", lambda images: torch.tensor(levels))
    answers = [adaptive.predict(some, CONTEXT) for some in (images(), images().flip(3))]
    torch.testing.assert_close(*answers)


def test_the_levels_matter(adaptive, monkeypatch):
    one, other = (told(adaptive, monkeypatch, [[q, 0.5]] * 6) for q in (0.1, 0.9))
    assert not torch.allclose(one, other, atol=1e-3)
