import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robobench.backbones.backbone import Backbone, cost_of, digest_of, folded
from robobench.backbones.level_network import ENTRIES, LevelNetwork
from robobench.backbones.networks import imagenet_names, network_named
from robobench.backbones.own import own_network
from robobench.backbones.speed import faster_precision_of
from robobench.backbones.splitting import split
from robobench.backbones.vgg import Shape, Vgg
from robobench.backbones.vision import import_timm, import_torchvision
from robobench.errors import RobobenchError
from robobench.types import Geometry
from robobench.weights.classifiers import load_backbone


def images(n, side=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def shipped():
    return load_backbone("vgg-tiny", dataset="shapes10")


def test_probabilities_are_float32_and_sum_to_one(shipped):
    probabilities = shipped(images(5))
    assert probabilities.shape == (5, 10)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))


def test_our_own_network_knows_its_data_set(shipped):
    assert shipped.class_names[0] == "disc"
    assert (shipped.name, shipped.splittable, shipped.stem_channels) == ("vgg-tiny", True, 16)
    assert not any(p.requires_grad for p in shipped.module.parameters())


def test_the_rest_of_the_stem_is_the_whole(shipped):
    batch = images(4)
    torch.testing.assert_close(shipped.rest(shipped.stem(batch)), shipped.logits(batch))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_prediction_depends_on_its_own_image_only(precision):
    backbone = load_backbone("vgg-tiny", dataset="shapes10", precision=precision)
    one, other = images(8, seed=1), images(8, seed=2)
    mixed = torch.cat([other[:3], one[3:4], other[4:]])
    assert torch.equal(backbone(one)[3], backbone(mixed)[3])


def test_the_digest_is_that_of_the_numbers(shipped):
    same = copy.deepcopy(shipped.module)
    assert digest_of(same.state_dict()) == shipped.digest
    with torch.no_grad():
        same.classifier.bias[0] += 1e-6
    assert digest_of(same.state_dict()) != shipped.digest


def test_cost_counts_parameters_and_multiply_adds():
    network = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    cost = cost_of(network, torch.zeros(1, 3, 8, 8))
    assert (cost.parameters, cost.macs) == (108, 108 * 64)


@pytest.mark.parametrize("entry", [*ENTRIES, None])
@pytest.mark.parametrize("name", ["vgg-tiny", "resnet-20", "vgg-tanaka"])
def test_a_level_network_starts_as_the_network_it_wraps(name, entry):
    torch.manual_seed(0)
    alone = own_network(name, 3).eval()
    network = LevelNetwork(copy.deepcopy(alone), entry=entry).eval()
    x, levels = torch.randn(2, 3, 32, 32), torch.tensor([0.1, 0.9])
    torch.testing.assert_close(network(x, levels), alone(x), rtol=1e-4, atol=1e-4)


class PublishedBlock(nn.Module):
    """A block with the names that the published CIFAR ResNets have."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.more = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        short = x if self.stride == 1 else x[:, :, ::2, ::2]
        zeros = torch.zeros(len(x), self.more // 2, *short.shape[2:])
        return (y + torch.cat([zeros, short, zeros], 1)).relu()


class PublishedResnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for number, (inputs, outputs) in enumerate([(16, 16), (16, 32), (32, 64)], 1):
            blocks = [
                PublishedBlock(inputs if i == 0 else outputs, outputs, 2 - (number == 1 or i > 0))
                for i in range(3)
            ]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_level_reaches_the_answer_once_it_is_learned(entry):
    torch.manual_seed(0)
    network = LevelNetwork(own_network("vgg-tiny", 3), entry=entry).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 3, 32, 32)
    weak, strong = (network(x, torch.full((2,), level)) for level in (0.1, 0.9))
    assert (weak - strong).abs().min() > 0


def test_the_published_classifier_has_the_parameters_that_are_known_of_it():
    """METHODS: 19.5 million parameters, 16.8 million of them in the first dense layer."""
    network = own_network("vgg-tanaka", 10)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 19.5
    assert round(network.classifier[1].weight.numel() / 1e6, 1) == 16.8
    cost = cost_of(network.eval(), torch.zeros(1, 3, 32, 32))
    assert round(cost.macs / 1e6) == 225


def test_published_weights_of_the_cifar_resnets_load(tmp_path):
    torch.manual_seed(0)
    published = PublishedResnet().eval()
    for module in published.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    save_file(published.state_dict(), tmp_path / "published.safetensors")
    ours = network_named("resnet-20", tmp_path / "published.safetensors", None).module.eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(images), published(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(folded(ours)(images), published(images), rtol=1e-4, atol=1e-3)
    half = split(ours, images[:1])
    torch.testing.assert_close(half.rest(half.stem(images)), ours(images))


@pytest.mark.parametrize("name", ["resnet-20", "resnet-56"])
def test_a_resnet_has_the_parameters_of_the_paper(name):
    """He et al. 2016, table 6: 0.27 and 0.85 million."""
    count = sum(p.numel() for p in own_network(name, 10).parameters()) / 1e6
    assert round(count, 2) == {"resnet-20": 0.27, "resnet-56": 0.85}[name]


@pytest.mark.parametrize(
    ("library", "name", "place"),
    [
        ("torchvision", "resnet18", "relu"),
        ("torchvision", "vgg11", "features.1"),
        ("torchvision", "vgg11_bn", "features.2"),
        ("torchvision", "mobilenet_v3_small", "features.0"),
        ("torchvision", "regnet_y_400mf", "stem"),
        ("torchvision", "shufflenet_v2_x0_5", "conv1"),
        ("timm", "resnet18", "act1"),
        ("timm", "repvgg_a0", "stem"),
        ("timm", "regnetx_002", "stem"),
        ("timm", "mobilenetv3_small_050", "bn1"),
        ("timm", "convnext_atto", "stem"),
    ],
)
def test_known_families_are_cut_behind_their_stem(library, name, place):
    torch.manual_seed(0)
    if library == "timm":
        network = import_timm().create_model(name, pretrained=False).eval()
    else:
        models = import_torchvision().models
        network = models.get_model(name, weights=None).eval()
    x = torch.randn(1, 3, 64, 64)
    halves = split(network, x)
    assert halves.place == place
    with torch.inference_mode():
        features = halves.stem(x)
        torch.testing.assert_close(halves.rest(features), network(x))
    assert features.ndim == 4


def test_the_cut_can_be_named(toy):
    backbone = Backbone(toy["backbone"], layer="conv")
    with pytest.raises(RobobenchError, match="also needs what comes before"):
        backbone.split  # noqa: B018
    assert not backbone.splittable


def test_a_network_without_a_layer_that_all_data_pass_is_not_split(toy):
    with pytest.raises(RobobenchError, match="no layer that all data pass"):
        split(toy["backbone"].eval(), torch.randn(1, 3, 16, 16))


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(RobobenchError, match="no module 'stemm'"):
        split(Vgg(Shape((4, 8)), 2).eval(), torch.randn(1, 3, 32, 32), "stemm")


def test_tokens_are_no_feature_maps():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(2), nn.Flatten(), nn.Linear(256, 2))
    backbone = Backbone(network, geometry=Geometry(crop=8), layer="1")
    assert not backbone.splittable


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg-tny", "did you mean 'vgg-tiny'"),
        ("timm:resnet18x", "resnet18"),
        ("torchvision:resnet19", "resnet18"),
        ("torchvision:resnet18", "--weights FILE, or --download"),
        ("timm:resnet18", "--weights FILE, or --download"),
        ("onnx:nowhere.onnx", "no such file"),
        ("nowhere.py:net", "no such file nowhere.py"),
    ],
)
def test_what_cannot_be_loaded_says_what_would_work(name, message):
    with pytest.raises(RobobenchError, match=message) as caught:
        load_backbone(name)
    assert "\n" not in str(caught.value)


def test_our_own_network_without_weights_tells_how_to_make_them():
    with pytest.raises(RobobenchError, match="robobench train --method org --dataset cifar100"):
        load_backbone("vgg-small", dataset="cifar100", train_seed=9)


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory):
    models = import_torchvision().models
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    torch.manual_seed(1)
    save_file(models.resnet18(weights=None, num_classes=7).state_dict(), path)
    return path


def test_torchvision_takes_classes_and_geometry_from_file_and_preset(resnet_file):
    backbone = load_backbone("torchvision:resnet18", weights=resnet_file)
    assert backbone.num_classes == 7
    assert backbone.geometry.key == "resize256-bilinear-crop224"
    assert backbone.geometry.mean == (0.485, 0.456, 0.406)
    assert backbone.stem_channels == 64
    command = f"--backbone torchvision:resnet18 --weights {resnet_file}"
    assert backbone.command == command
    given = {"resize": 40, "crop": 32, "mean": (0.5, 0.5, 0.5)}
    backbone = load_backbone("torchvision:resnet18", weights=resnet_file, **given)
    assert backbone.command == f"{command} --resize 40 --crop 32 --mean 0.5,0.5,0.5"


def test_geometry_can_be_overridden(resnet_file):
    backbone = load_backbone("torchvision:resnet18", weights=resnet_file, crop=64, resize=70)
    assert backbone.geometry.key == "resize70-bilinear-crop64"


def test_weights_for_other_classes_are_refused(resnet_file):
    with pytest.raises(RobobenchError, match="has 7 classes, the data set has 3"):
        load_backbone("torchvision:resnet18", weights=resnet_file, class_names=("a", "b", "c"))


def test_weights_of_another_network_are_refused(resnet_file):
    with pytest.raises(RobobenchError, match=r"does not fit torchvision:resnet34: 80 missing"):
        load_backbone("torchvision:resnet34", weights=resnet_file)


def test_pickles_of_code_are_refused(tmp_path):
    path = tmp_path / "whole.pt"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(RobobenchError, match=r"whole model.*state_dict"):
        load_backbone("vgg-tiny", weights=path)


def test_a_checkpoint_around_the_state_dict_is_opened(tmp_path):
    network = own_network("vgg-tiny", 4)
    state = {f"module.{k}": v for k, v in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "checkpoint.pt")
    backbone = load_backbone("vgg-tiny", weights=tmp_path / "checkpoint.pt")
    assert backbone.num_classes == 4
    assert digest_of(network.state_dict()) == backbone.digest


def test_a_factory_returns_a_network_with_its_geometry(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "from robobench import Geometry\n"
        "def net():\n"
        "    m = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    m.geometry = Geometry(crop=16)\n"
        "    return m\n"
        "def broken():\n"
        "    return 3\n"
    )
    backbone = load_backbone(f"{file}:net")
    assert (backbone.name, backbone.num_classes) == ("mine.py:net", 2)
    assert backbone.geometry.crop == 16
    with pytest.raises(RobobenchError, match=r"nn\.Module"):
        load_backbone(f"{file}:broken")


def test_a_network_that_is_no_classifier_is_refused():
    with pytest.raises(RobobenchError, match="expected 1 x classes"):
        Backbone(nn.Conv2d(3, 3, 1))
    with pytest.raises(RobobenchError, match=r"fails on one .*give it with --resize and --crop"):
        Backbone(nn.Linear(5, 2))


def test_imagenet_has_its_names():
    names = imagenet_names()
    assert len(set(names)) > 990
    assert "tench" in names[0]


def test_only_our_own_networks_come_untrained():
    assert network_named("vgg-small", None, ("a", "b")).own


@pytest.mark.parametrize("faster", ["fp32", "bf16"])
def test_the_faster_precision_is_measured_and_leaves_no_trace(monkeypatch, shipped, faster):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    class Slow:
        example, precision = shipped.example, "fp32"

        def __call__(self, images):
            clock[0] += 1.0 if self.precision == faster else 9.0
            return shipped(images)

    network = Slow()
    assert faster_precision_of(network) == faster
    assert network.precision == "fp32"
