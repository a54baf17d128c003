"""Intermediate features behind the stem."""

import threading

import pytest
import torch

from robobench.backbones.backbone import Backbone
from robobench.backbones.own import own_network
from robobench.backbones.vision import import_timm, import_torchvision
from robobench.types import Geometry


def network(name):
    torch.manual_seed(0)
    library, _, model = name.rpartition(":")
    if library == "torchvision":
        return import_torchvision().models.get_model(model, weights=None)
    if library == "timm":
        return import_timm().create_model(model, pretrained=False)
    return own_network(name, 10)


def images(n, side, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


# Name, side of the images, layer, and for each stage: module, channels, side.
STAGES = [
    (
        *("torchvision:resnet18", 64, None),
        {"layer1": (64, 16), "layer2": (128, 8), "layer3": (256, 4), "layer4": (512, 2)},
    ),
    ("resnet-56", 32, None, {"stages.0": (16, 32), "stages.1": (32, 16), "stages.2": (64, 8)}),
    ("vgg-tiny", 32, None, {"stages.0": (32, 16), "stages.1": (64, 8), "stages.2": (128, 4)}),
    ("vgg-tanaka", 32, None, {"stages.0": (128, 16), "stages.1": (256, 8)}),
    (
        *("torchvision:vgg11", 64, None),
        {
            "features.4": (128, 32),
            "features.9": (256, 16),
            "features.14": (512, 8),
            "features.19": (512, 4),
        },
    ),
    (
        *("timm:convnext_atto", 64, None),
        {"stages.0": (40, 16), "stages.1": (80, 8), "stages.2": (160, 4), "stages.3": (320, 2)},
    ),
    (
        *("torchvision:mobilenet_v3_small", 96, None),
        {
            "features.1": (16, 24),
            "features.3": (24, 12),
            "features.8": (48, 6),
            "features.12": (576, 3),
        },
    ),
    (
        *("timm:vit_tiny_patch16_224", 224, "patch_embed"),
        {f"blocks.{i}": (192, 14) for i in (2, 5, 8, 11)},
    ),
]


@pytest.mark.parametrize(("name", "side", "layer", "expected"), STAGES, ids=[s[0] for s in STAGES])
def test_stages_are_the_last_features_of_each_resolution(name, side, layer, expected):
    backbone = Backbone(network(name), geometry=Geometry(crop=side), layer=layer)
    features = backbone.stem(images(2, side)).detach().requires_grad_()
    maps, logits = backbone.stages(features)
    shapes = [tuple(one.shape) for one in maps]
    assert dict(zip(backbone.stage_names, shapes, strict=True)) == {
        stage: (2, channels, edge, edge) for stage, (channels, edge) in expected.items()
    }
    torch.testing.assert_close(logits, backbone.rest(features), rtol=0, atol=0)
    for one in [*maps, logits]:
        (slope,) = torch.autograd.grad(one.square().sum(), features, retain_graph=True)
        assert slope.abs().sum() > 0


def test_stages_are_those_of_the_whole_network():
    """What a hook on the whole network sees, and the rest of the stages gives the logits."""
    whole = network("torchvision:resnet18").eval()
    backbone = Backbone(whole, geometry=Geometry(crop=64))
    batch, seen = images(3, 64), []
    handle = whole.layer3.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        wanted = whole(backbone.normalise(batch))
        handle.remove()
        maps, logits = backbone.stages(backbone.stem(batch))
        torch.testing.assert_close(maps[2], seen[0])
        torch.testing.assert_close(logits, wanted)
        torch.testing.assert_close(whole.fc(maps[3].mean((2, 3))), wanted)


def test_threads_do_not_see_each_others_stages():
    backbone = Backbone(network("vgg-tiny"))
    batches = [backbone.stem(images(4, 32, seed)) for seed in range(4)]
    alone = [backbone.stages(batch)[0] for batch in batches]
    wrong = []

    def again(index):
        with torch.no_grad():
            for _ in range(20):
                maps, _ = backbone.stages(batches[index])
                wrong.extend(i for i, m in enumerate(maps) if not torch.equal(m, alone[index][i]))

    threads = [threading.Thread(target=again, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
