"""Classifiers in two parts: of timm, of torchvision, and of users."""

import copy

import pytest
import torch
from torch import nn

from robobench.backbones.backbone import Backbone
from robobench.backbones.vision import import_timm, import_torchvision
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.types import Geometry

# Architecture, side of the images (where it takes others than its own), layer after which it is
# split, and whether this is behind a ReLU. One of each family is fast.
FAMILIES = """
timm:vit_tiny_patch16_224 224 patch_embed no
timm:deit_tiny_distilled_patch16_224 224 patch_embed no
timm:swin_tiny_patch4_window7_224 224 patch_embed no
timm:levit_128s 224 stem.act1 no
timm:edgenext_xx_small 64 stem no
timm:efficientvit_b0 64 stem.in_conv no
timm:efficientvit_m0 224 patch_embed.relu1 yes
timm:ghostnet_050 64 act1 yes
timm:hrnet_w18_small 64 act1 yes
timm:inception_v3 128 Conv2d_1a_3x3 yes
timm:xception41 64 stem.0 yes
timm:rexnet_100 64 stem no
timm:resnetv2_50 64 stem.conv no
timm:eca_nfnet_l0 64 stem.act2 no
timm:mixer_s32_224 224 stem no
timm:convnext_atto 64 stem no
timm:mobilenetv3_small_050 64 bn1 no
timm:efficientnet_b0 64 bn1 no
timm:resnet18 64 act1 yes
timm:repvgg_a0 64 stem yes
timm:regnetx_002 64 stem yes
torchvision:squeezenet1_1 64 features.1 yes
torchvision:swin_t 64 features.0.1 no
torchvision:vit_b_32 224 conv_proj no
torchvision:resnet18 64 relu yes
torchvision:vgg11_bn 64 features.2 yes
torchvision:mobilenet_v3_small 64 features.0 no
torchvision:mobilenet_v2 64 features.0 yes
torchvision:densenet121 64 features.relu0 yes
torchvision:shufflenet_v2_x0_5 64 conv1 yes
"""
MORE = """
timm:beit_base_patch16_224 224 patch_embed no
timm:vit_small_patch32_224 224 patch_embed no
timm:eva02_tiny_patch14_224 224 patch_embed no
timm:cait_xxs24_224 224 patch_embed no
timm:pit_ti_224 224 patch_embed no
timm:xcit_nano_12_p16_224 64 patch_embed.proj.1 no
timm:pvt_v2_b0 64 patch_embed no
timm:poolformer_s12 64 stem no
timm:mobilevit_xxs 64 stem no
timm:convmixer_768_32 64 stem.1 yes
timm:efficientformer_l1 224 stem.act1 yes
timm:fastvit_t8 64 stem.0 no
timm:tiny_vit_5m_224 224 patch_embed.act no
timm:mobilenetv4_conv_small 64 bn1 yes
timm:legacy_xception 64 act1 yes
timm:inception_v4 128 features.0 yes
timm:nfnet_f0 64 stem.act2 no
timm:resnetv2_50x1_bit 64 stem.conv no
timm:densenet121 64 features.norm0 yes
timm:maxvit_tiny_tf_224 224 stem.norm1 no
timm:coat_tiny 224 patch_embed1 no
torchvision:inception_v3 128 Conv2d_1a_3x3 yes
torchvision:googlenet 64 conv1 yes
torchvision:squeezenet1_0 64 features.1 yes
torchvision:convnext_tiny 64 features.0 no
torchvision:efficientnet_b0 64 features.0 no
torchvision:regnet_y_400mf 64 stem yes
torchvision:alexnet 64 features.1 yes
torchvision:mnasnet0_5 64 layers.2 yes
torchvision:maxvit_t 224 stem.0 no
"""
CASES = [line.split() for line in FAMILIES.split("\n") if line]
CASES += [pytest.param(*s.split(), marks=pytest.mark.slow) for s in MORE.split("\n") if s]


def network(name):
    """With random weights, a last layer of zeros among them, and batch statistics of their own."""
    torch.manual_seed(0)
    library, _, model = name.partition(":")
    if library == "timm":
        made = import_timm().create_model(model, pretrained=False, num_classes=10)
    else:
        options = {"init_weights": False} if model in ("googlenet", "inception_v3") else {}
        made = import_torchvision().models.get_model(model, num_classes=10, **options)
    for module in made.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
    return made


def images(n, side, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


def split_network(name, side, layer=None):
    return Backbone(network(name), geometry=Geometry(crop=int(side)), layer=layer)


def test_there_are_at_least_fifty():
    assert len({line.split()[0] for line in (FAMILIES + MORE).split("\n") if line}) >= 50


@pytest.mark.parametrize(("name", "side", "place", "rectified"), CASES)
def test_stem_and_rest_are_the_whole(name, side, place, rectified):
    backbone = split_network(name, side)
    batch = images(2, int(side))
    with torch.no_grad():
        whole = backbone.logits(batch)
        features = backbone.stem(batch)
        torch.testing.assert_close(backbone.rest(features), whole, rtol=0, atol=0)
    assert (backbone.layer, backbone.stem_is_rectified) == (place, rectified == "yes")
    assert features.shape[:2] == (2, backbone.stem_channels)
    assert (features.min() >= 0) == backbone.stem_is_rectified
    features.requires_grad_()
    maps, logits = backbone.stages(features)
    # With gradients, torch computes attention in another order.
    torch.testing.assert_close(logits, whole, rtol=1e-4, atol=1e-5)
    assert 1 <= len(maps) <= 4
    for one in maps:
        (slope,) = torch.autograd.grad(one.square().sum(), features, retain_graph=True)
        assert slope.isfinite().all()
        assert slope.any()


# Layers that carry a class token, keep channels last, or write to what they are given.
LAYERS = [
    ("timm:vit_tiny_patch16_224", 224, "blocks.3", (192, 14, 14)),
    ("timm:deit_tiny_distilled_patch16_224", 224, "blocks.8", (192, 14, 14)),
    ("torchvision:vit_b_32", 224, "encoder.layers.encoder_layer_2", (768, 7, 7)),
    ("timm:swin_tiny_patch4_window7_224", 224, "layers.1.blocks.0", (192, 28, 28)),
    ("torchvision:swin_t", 64, "features.3.1", (192, 8, 8)),
    ("timm:levit_128s", 224, "stages.0.blocks.1", (128, 14, 14)),
    ("torchvision:resnet18", 64, "bn1", (64, 32, 32)),
    ("torchvision:resnet18", 64, "layer3.0", (256, 4, 4)),
]


@pytest.mark.parametrize(("name", "side", "layer", "shape"), LAYERS, ids=[n[2] for n in LAYERS])
def test_any_layer_that_all_data_pass_will_do(name, side, layer, shape):
    backbone = split_network(name, side, layer)
    batch = images(3, side)
    with torch.no_grad():
        features = backbone.stem(batch)
        before = features.clone()
        torch.testing.assert_close(backbone.rest(features), backbone.logits(batch), rtol=0, atol=0)
        assert torch.equal(features, before)
    assert features.shape == (3, *shape)
    leaf = features.detach().requires_grad_()
    backbone.rest(leaf).sum().backward()
    assert leaf.grad.any()


def test_what_bypasses_the_maps_is_that_of_each_image():
    """A class token goes with its image through a plug-in module, whatever ran in between."""
    backbone = split_network("timm:vit_tiny_patch16_224", 224, "blocks.3")
    module = nn.Conv2d(192, 192, 1)
    nn.init.dirac_(module.weight)
    nn.init.zeros_(module.bias)
    one, other = images(2, 224, seed=1), images(2, 224, seed=2)
    with torch.no_grad():
        features = backbone.stem(one)
        backbone.stem(other)
        repaired = features + 0 * module(features).relu()
        torch.testing.assert_close(backbone.rest(repaired), backbone.logits(one))
        torch.testing.assert_close(backbone.rest(module(features)), backbone.logits(one))
        swapped = [features.flip(0), features[[1, 0]], features[:1], torch.cat([features] * 2)]
        mixed = features + backbone.stem(other)
        for lost in (*swapped, mixed, features.numpy()):
            with pytest.raises(RobobenchError, match="without their 1 class or register token"):
                backbone.rest(torch.as_tensor(lost))


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:levit_128s"])
def test_the_rest_does_not_run_the_stem_again(name):
    backbone = split_network(name, 224)
    calls = []
    skipped = [skip.module for skip in backbone.split.skips]
    assert any(isinstance(module, nn.Conv2d) for module in skipped)
    for module in skipped:
        module.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        features = backbone.stem(images(2, 224))
        backbone.rest(features)  # the first time with this many images
        assert calls
        del calls[:]
        backbone.rest(features)
    assert not calls


def test_batches_and_sizes_may_change():
    backbone = split_network("torchvision:resnet18", 64)
    with torch.no_grad():
        for count, side in ((1, 64), (4, 64), (2, 96), (3, 128)):
            batch = images(count, side)
            both = backbone.rest(backbone.stem(batch)), backbone.logits(batch)
            torch.testing.assert_close(*both, rtol=0, atol=0)
        wide = images(2, 96)[:, :, :64]
        both = backbone.rest(backbone.stem(wide)), backbone.logits(wide)
        torch.testing.assert_close(*both, rtol=0, atol=0)


def test_a_copy_is_independent_and_a_live_network_is_followed():
    backbone = split_network("timm:vit_tiny_patch16_224", 224, "blocks.2")
    batch = images(2, 224)
    with torch.no_grad():
        before = backbone.rest(backbone.stem(batch))
        twin = copy.deepcopy(backbone.split)
        backbone.module.blocks[1].mlp.fc1.weight.mul_(3)
        backbone.module.blocks[9].mlp.fc1.weight.mul_(3)
        normalised = backbone.normalise(batch)
        torch.testing.assert_close(twin.rest(twin.stem(normalised)), before, rtol=0, atol=0)
        changed = backbone.rest(backbone.stem(batch))
        torch.testing.assert_close(changed, backbone.logits(batch), rtol=0, atol=0)
    assert not torch.equal(changed, before)


class Encoder(nn.Module):
    """Blocks as in Hugging Face's models: each returns a tuple; the outermost forward has options."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.layer = nn.ModuleList(Block() for _ in range(6))
        self.alias = [self.layer[0]]
        self.head = nn.Linear(16, 5)

    def forward(self, pixel_values, output_attentions=None):
        rows = self.embedding(pixel_values).flatten(2).transpose(1, 2)
        rows = torch.cat([self.token.expand(len(rows), -1, -1), rows], 1)
        for block in self.layer:
            rows = block(rows, output_attentions=bool(output_attentions))[0]
        return self.head(rows[:, 0])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, rows, output_attentions):
        return (rows + self.attention(rows, rows, rows, need_weights=output_attentions)[0],)


@pytest.mark.parametrize("layer", [None, "layer.2"])
def test_a_network_of_ones_own_is_split_as_well(layer):
    torch.manual_seed(0)
    backbone = Backbone(Encoder(), geometry=Geometry(crop=32), layer=layer)
    batch = images(3, 32)
    with torch.no_grad():
        features = backbone.stem(batch)
        both = backbone.rest(features), backbone.logits(batch)
        torch.testing.assert_close(*both, rtol=0, atol=0)
    assert backbone.layer == (layer or "embedding")
    assert features.shape == (3, 16, 8, 8)
    assert len(backbone.stages(features)[0]) == (4 if layer is None else 1)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("layer1.0.conv1", "what follows also needs what comes before it; it can be split after"),
        (
            "layer1.0.relu",
            "it runs more than once; it can be split after conv1, bn1, relu, maxpool",
        ),
        ("fc", "its output is no feature map"),
        ("layer5", r"has no module 'layer5' to split it after \(did you mean 'layer4'\?\)"),
    ],
)
def test_a_layer_that_will_not_do_is_refused_with_those_that_will(layer, message):
    with pytest.raises(RobobenchError, match=message) as caught:
        _ = split_network("torchvision:resnet18", 64, layer).split
    assert "\n" not in str(caught.value)


def test_a_layer_whose_maps_have_no_effect_is_refused():
    """After the last block only the class token is read."""
    backbone = split_network("timm:vit_tiny_patch16_224", 224, "blocks.11")
    with pytest.raises(RobobenchError, match="what follows reads its class token only"):
        _ = backbone.split


def test_two_branches_from_the_image_on_cannot_be_split():
    backbone = split_network("timm:crossvit_9_240", 240)
    assert not backbone.splittable
    with pytest.raises(RobobenchError, match="no layer that all data pass as a feature map"):
        _ = backbone.split


def test_the_command_that_trains_a_missing_module_names_the_layer(capsys, tmp_path):
    arguments = ["run", "--methods", "afd", "--corruptions", "jpeg", "--layer", "stages.0"]
    assert _exit_code([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert "--backbone vgg-tiny --layer stages.0" in capsys.readouterr().err
    arguments[-1] = "stages.7"
    assert _exit_code([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert "(did you mean 'stages.2'?); it can be split after stem" in capsys.readouterr().err
