"""`dedrift`: its experts change what they should, its gate sends images to them, clean ones past."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision

from robobench.backbones.backbone import Backbone
from robobench.corruptions import apply, catalogue
from robobench.datasets import open_dataset
from robobench.methods.dedrift import JPEG, Dedrift, kinds_of
from robobench.methods.experts import Expert, expert_names
from robobench.registry import METHODS
from robobench.training.trainer import TrainingRequest, train_one
from robobench.types import Context, Geometry, Weights
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone

CONTEXT = Context()


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("vgg-tiny", dataset="shapes10")


@pytest.fixture(scope="module")
def images(backbone):
    data = open_dataset("shapes10")
    return data.read(np.arange(12), backbone.geometry)


def trained(backbone, folder, **options):
    """Weights of a training of a few steps on noise and JPEG."""
    recipe = next(iter(Dedrift.recipes(backbone).values()))
    short = replace(recipe, steps=60, batch=32, evaluations=1).with_options(**options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dedrift, "recipes", classmethod(lambda *_: {"standard": short}))
        patch.setattr("robobench.training.pools._VALIDATION_IMAGES", 40)
        patch.setenv("ROBOBENCH_WEIGHTS", str(folder))
        request = TrainingRequest(limit=100, precision="fp32", keep_anyway=True)
        made = train_one(request, "dedrift", "noise/jpeg", again=True)
    return storage.load(made.card)


@pytest.fixture(scope="module")
def weights(backbone, tmp_path_factory):
    return trained(backbone, tmp_path_factory.mktemp("weights"))


def test_corruptions_that_are_alike_share_an_expert():
    kinds = kinds_of(catalogue.GROUPS["common"])
    assert set(kinds) == {"noise", "blur", "haze", "weather", JPEG}
    assert kinds["noise"] == ("gaussian_noise", "shot_noise", "impulse_noise")
    assert sum(map(len, kinds.values())) == 15
    assert kinds_of(["webp"]) == {"webp": ("webp",)}


def test_the_card_names_the_network_that_it_changes(weights, backbone):
    assert weights.card.recipe["network"]["start"] == f"org, tensors sha256 {backbone.digest}"


def test_an_expert_is_linear_in_the_logarithm_of_the_level():
    changes = {"a": torch.tensor([[1.0, 1.0], [2.0, -2.0]])}
    expert = Expert(JPEG, changes, (5.0, 45.0))
    state = {"a": torch.tensor([10.0, 20.0]), "b": torch.ones(1)}
    for level, wanted in ((5, [9, 23]), (15, [11, 21]), (45, [13, 19])):
        changed = expert.at(level, state)
        torch.testing.assert_close(changed["a"], torch.tensor(wanted, dtype=torch.float32))
        assert changed["b"] is state["b"]
    assert expert.node(1) == pytest.approx(5)
    assert expert.node(99) == pytest.approx(45)
    step = math.log(9) / 11
    for level in range(5, 46):
        assert abs(math.log(expert.node(level)) - math.log(level)) <= step / 2 + 1e-9


def test_only_the_first_stages_are_tuned():
    backbone = load_backbone("resnet-56", dataset="cifar10")
    few, all_of_them = expert_names(backbone, 1), expert_names(backbone, 4)
    assert all_of_them == [name for name, _ in backbone.module.named_parameters()]
    last = backbone.stage_names[0]
    assert any(name.startswith(last) for name in few)
    assert 0 < len(few) < len(all_of_them) / 2
    assert few == all_of_them[: len(few)]


def test_without_changes_it_is_the_classifier(backbone, images, weights):
    nothing = {
        name: torch.zeros_like(t) if name.startswith("expert") else t
        for name, t in weights.tensors.items()
    }
    method = Dedrift(backbone, Weights(weights.card, nothing))
    for name, level in ((JPEG, 10), ("gaussian_noise", 60)):
        degraded = apply(images, catalogue.at_level(name, level), torch.arange(len(images)), 0)
        assert any(number >= 0 for number, _ in method.routes(degraded))
        torch.testing.assert_close(method.predict(degraded, CONTEXT), backbone(degraded))


def test_the_gate_finds_jpeg_and_its_quality_and_noise_and_lets_clean_images_pass(
    backbone, images, weights
):
    method = Dedrift(backbone, weights)
    names = [expert.name for expert in method.experts]
    keys = torch.arange(len(images))
    for quality in (8, 30):
        compressed = apply(images, catalogue.at_level(JPEG, quality), keys, 0)
        expert = method.experts[names.index(JPEG)]
        assert method.routes(compressed) == [(names.index(JPEG), expert.node(quality))] * 12
    noisy = apply(images, catalogue.at_level("gaussian_noise", 40), keys, 0)
    assert sum(number == names.index("noise") for number, _ in method.routes(noisy)) >= 10
    assert sum(number == -1 for number, _ in method.routes(images)) >= 10
    assert method.columns(images, images, CONTEXT)["repaired"].sum() <= 2
    fresh = images.roll(1, 0)
    torch.testing.assert_close(
        method.predict(fresh, CONTEXT), method.predict(images, CONTEXT).roll(1, 0)
    )


def test_a_batch_of_all_sorts_is_answered_image_by_image(backbone, images, weights):
    method = Dedrift(backbone, weights)
    keys = torch.arange(len(images))
    mixed = torch.cat(
        [
            images[:4],
            apply(images, catalogue.at_level(JPEG, 7), keys, 0)[4:8],
            apply(images, catalogue.at_level("gaussian_noise", 40), keys, 0)[8:],
        ]
    )
    whole = method.predict(mixed, CONTEXT)
    single = torch.cat([method.predict(one[None], CONTEXT) for one in mixed])
    torch.testing.assert_close(whole, single, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(whole[4:], backbone(mixed[4:]), atol=1e-3)


def test_its_cost_is_the_classifiers_with_a_small_detector(backbone, weights):
    method = METHODS["dedrift"](backbone, weights)
    assert backbone.cost().macs < method.cost().macs < 1.5 * backbone.cost().macs
    assert method.cost().parameters > backbone.cost().parameters


def test_experts_with_a_module_answer_in_inference_mode(backbone, images, weights, tmp_path):
    found = trained(backbone, tmp_path, module=True, speed=0.2)
    degraded = apply(images, catalogue.at_level(JPEG, 10), torch.arange(len(images)), 0)
    with torch.inference_mode():
        method = Dedrift(backbone, found)
        answers = method.predict(degraded, CONTEXT)
        assert all(number >= 0 for number, _ in method.routes(degraded))
    number, level = method.routes(degraded)[0]
    expert = method.experts[number]
    network = backbone.with_state(expert.at(level, dict(backbone.module.state_dict())), "test")
    with torch.no_grad():
        features = expert.module(network.stem(degraded), degraded.float() / 255)
        expected = network.rest(features).softmax(1)
    assert torch.allclose(answers, expected, atol=1e-5)
    without = Dedrift(backbone, weights)
    assert method.cost().parameters > without.cost().parameters
    assert method.cost().macs > without.cost().macs


def test_a_library_network_is_split_in_inference_mode():
    network = torchvision.models.resnet18(num_classes=10)
    resnet = Backbone(network, geometry=Geometry(32, 32), name="resnet18")
    module = METHODS["afd"].build(METHODS["afd"].settings(64, rectified=True))
    changes = {"conv1.weight": torch.zeros(1, 64, 3, 7, 7)}
    method = Dedrift(resnet)
    method.experts = [Expert("noise", changes, (1.0, 100.0), module.eval())]
    method._network = method._merged
    batch = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        answers = method._answers(batch, (0, 0.0))
    assert torch.allclose(answers, resnet(batch), atol=1e-5)
