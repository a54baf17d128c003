"""What all methods that adapt at test time share: copies, settings, refusals."""

import copy

import pytest
import torch
from normed_network import COLOURS, N, Normed, backbone, constant, made
from torch import nn

from robobench.backbones.backbone import Backbone
from robobench.errors import RobobenchError
from robobench.registry import METHODS
from robobench.types import Context, Geometry
from robobench.weights.selection import check_applicable

GRADIENT = ("tent", "eata", "sar", "roid")
EVERY = ("bn-adapt", *GRADIENT)


@pytest.mark.parametrize("name", EVERY)
def test_the_given_network_is_left_as_it_was(name):
    base = backbone()
    before = copy.deepcopy(base.module.state_dict())
    with torch.inference_mode():  # as in a run
        method = made(name, base)
        for _ in range(3):
            method.predict(constant(COLOURS, 32), Context(indices=torch.arange(N)))
    assert not base.module.training
    assert not base.module.first.weight.requires_grad
    for key, value in base.module.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", GRADIENT)
def test_what_was_learned_lasts_until_the_next_condition(name):
    method = made(name)
    context = Context(indices=torch.arange(N))
    first, second = (method.predict(constant(COLOURS, 32), context) for _ in range(2))
    assert not torch.equal(first, second)
    method.begin(lambda count: constant(COLOURS))
    assert torch.equal(method.predict(constant(COLOURS, 32), context), first)


@pytest.mark.parametrize("name", GRADIENT)
def test_an_episodic_method_starts_anew_with_every_batch(name):
    _, kind = METHODS[name].with_argument("episodic")
    method = kind(backbone())
    method.begin(lambda count: constant(COLOURS))
    context = Context(indices=torch.arange(N))
    first, second = (method.predict(constant(COLOURS, 32), context) for _ in range(2))
    assert torch.equal(first, second)
    assert method.notes


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("layer", [nn.GroupNorm(1, 3), nn.LayerNorm([3, 32, 32])])
def test_layer_and_group_normalisation_are_adapted(name, layer):
    base = Backbone(
        Normed(layer), name="normed", geometry=Geometry(crop=32, mean=(0.5,) * 3, std=(0.1,) * 3)
    )
    method = METHODS[name](base)
    method.begin(lambda count: constant(COLOURS, 32))
    method.most_entropy = 10.0
    method.predict(constant(COLOURS, 32), Context(indices=torch.arange(N)))
    assert any((p != g).any() for p, g in zip(method.adapted, method.given, strict=True))


def test_a_network_without_normalisation_is_refused_in_words():
    plain = Backbone(Normed(nn.Conv2d(3, 3, 1)), name="plain", geometry=Geometry(crop=32))
    for name in EVERY:
        with pytest.raises(RobobenchError, match=f"{name}: backbone plain has no .*folded"):
            check_applicable(name, METHODS[name], plain)
    blank = Backbone(Normed(nn.BatchNorm2d(3)), name="blank", geometry=Geometry(crop=32))
    for name in EVERY:  # as where the statistics were folded away and the layers were kept
        with pytest.raises(RobobenchError, match=f"{name}: backbone blank has batch .*folded into"):
            check_applicable(name, METHODS[name], blank)
    grouped = Backbone(Normed(nn.GroupNorm(1, 3)), name="grouped", geometry=Geometry(crop=32))
    with pytest.raises(RobobenchError, match="bn-adapt: backbone grouped has no batch normalis"):
        check_applicable("bn-adapt", METHODS["bn-adapt"], grouped)
    grouped.module.opaque = "an ONNX file"
    for name in EVERY:
        with pytest.raises(RobobenchError, match="ONNX file, whose layers cannot be adapted"):
            check_applicable(name, METHODS[name], grouped)


def test_sar_says_so_where_only_the_last_layers_could_be_adapted():
    module = nn.Sequential()
    module.add_module("layer4", Normed())
    base = Backbone(module, name="last", geometry=Geometry(crop=32))
    with pytest.raises(RobobenchError, match=r"among the last ones.*use tent or eata"):
        METHODS["sar"](base)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("iid", ""),
        ("continual+iid", ""),
        ("episodic+by-class", "by-class+episodic"),
        ("batch=16+by-class", "by-class+batch=16"),
    ],
)
def test_settings_that_say_the_same_have_one_name(text, label):
    found, kind = METHODS["tent"].with_argument(text)
    assert found == label
    assert kind.stream == ("by-class" if "by-class" in text else "iid")
    assert kind.batch_size(32) == (16 if "batch" in text else 200)


def test_episodic_changes_nothing_where_nothing_is_carried_over():
    assert METHODS["bn-adapt"].with_argument("episodic+prior=16")[0] == ""
    assert METHODS["bn-adapt"].with_argument("episodic+prior=4+by-class")[0] == "by-class+prior=4"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("by-clas", "unknown setting 'by-clas': did you mean 'by-class'"),
        ("iid+by-class", "two settings of one kind, the second is 'by-class'"),
        ("batch=0", "batch: expected a whole number from 1 to 10000, got '0'"),
        ("prior=3", "unknown setting 'prior=3'"),
        ("", "unknown setting ''"),
    ],
)
def test_impossible_settings_are_refused(text, said):
    with pytest.raises(RobobenchError, match=said):
        METHODS["tent"].with_argument(text)
