"""The classifier tuned without labels on the images that plug-in modules learn from."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from normed_network import Normed
from torch import nn

from robobench.backbones.backbone import Backbone
from robobench.errors import RobobenchError
from robobench.methods.finetune import Finetune, FinetuneBn
from robobench.registry import METHODS
from robobench.training.trainer import TrainingRequest, train_one
from robobench.types import Context, Geometry
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone
from robobench.weights.selection import check_applicable


@pytest.fixture
def backbone():
    return load_backbone("vgg-tiny", dataset="shapes10")


@pytest.fixture
def few_steps(monkeypatch):
    use(monkeypatch, replace(Finetune.recipes(None)["standard"], steps=12, evaluations=2))


def use(monkeypatch, recipe):
    """Have no other recipe."""
    monkeypatch.setattr(
        Finetune, "recipes", classmethod(lambda cls, backbone: {"standard": recipe})
    )


def trained(name):
    request = TrainingRequest(limit=100, precision="fp32", keep_anyway=True)
    return storage.load(train_one(request, name, "gaussian_noise").card)


def test_tuning_everything_brings_noisy_answers_closer_to_the_clean_ones(few_steps, backbone):
    weights = trained("finetune")
    assert set(weights.tensors) == set(backbone.module.state_dict())
    figures = weights.card.accuracy
    assert figures["fidelity"] > figures["untreated fidelity"]
    assert weights.card.backbone_digest == backbone.digest
    assert all(t.dtype == torch.float16 for t in weights.tensors.values() if t.ndim > 1)
    method = METHODS["finetune"](backbone, weights)
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    answers = method.predict(images, Context())
    assert not torch.allclose(answers, backbone(images), atol=1e-3)
    assert method.cost() == backbone.cost()


def test_of_batch_normalisation_alone_only_its_tensors_change(few_steps, backbone):
    weights = trained("finetune-bn")
    state = backbone.module.state_dict()
    layers = {n for n, m in backbone.module.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {name.rpartition(".")[0] for name in weights.tensors} == layers
    changed = {
        n for n, t in weights.tensors.items() if not torch.equal(t.float(), state[n].float())
    }
    assert {name.rpartition(".")[2] for name in changed} >= {"weight", "bias", "running_mean"}
    tuned = METHODS["finetune-bn"](backbone, weights).classifier.module.state_dict()
    for name, tensor in tuned.items():
        if name not in weights.tensors:
            assert torch.equal(tensor, state[name]), name


def statistics_of(state):
    return {n: t.float() for n, t in state.items() if "running_" in n}


@pytest.mark.parametrize("given", [True, False])
def test_statistics_of_batches_of_eight_crops_are_not_learned(monkeypatch, backbone, given):
    recipe = replace(Finetune.recipes(None)["standard"], steps=6, evaluations=1)
    if given:
        recipe = recipe.with_options(statistics="given")
    use(monkeypatch, recipe)
    before = statistics_of(backbone.module.state_dict())
    after = statistics_of(trained("finetune").tensors)
    assert before
    assert given == all(torch.allclose(before[n], after[n], rtol=1e-3) for n in before)


def test_photographs_are_tuned_with_the_given_statistics():
    large = Backbone(Normed(nn.GroupNorm(1, 3)), name="large", geometry=Geometry(crop=224))
    for method, wanted in ((Finetune, "given"), (FinetuneBn, "of each batch")):
        assert method.recipes(large)["standard"].options["statistics"] == wanted


def test_folded_batch_normalisation_is_left_alone(monkeypatch):
    # Means 0, variances 1: as where it was folded, and the layers were kept.
    folded = Backbone(Normed(nn.BatchNorm2d(3)), name="folded", geometry=Geometry(crop=32))
    kept = []

    def fit(network, objective, validate):
        network.train()
        kept.extend(m.training for m in network.modules() if isinstance(m, nn.BatchNorm2d))
        raise KeyboardInterrupt

    task = SimpleNamespace(
        frozen=folded, train_seed=0, fit=fit, recipe=Finetune.recipes(None)["standard"]
    )
    monkeypatch.setattr("robobench.methods.finetune.against_untreated", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        Finetune.fit(task)
    assert kept == [False]
    with pytest.raises(RobobenchError, match="without statistics"):
        check_applicable("finetune-bn", FinetuneBn, folded)


def test_only_what_can_be_tuned_is_accepted():
    grouped = Backbone(Normed(nn.GroupNorm(1, 3)), name="grouped", geometry=Geometry(crop=32))
    check_applicable("finetune", Finetune, grouped)  # which need not be splittable
    with pytest.raises(RobobenchError, match="finetune-bn: backbone grouped has no batch norm"):
        check_applicable("finetune-bn", FinetuneBn, grouped)
    grouped.module.opaque = "an ONNX file"
    for name in ("finetune", "finetune-bn"):
        with pytest.raises(RobobenchError, match="is an ONNX file"):
            check_applicable(name, METHODS[name], grouped)
