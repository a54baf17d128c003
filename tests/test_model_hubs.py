"""Classifiers from the hub of Hugging Face and from local folders: of timm and of transformers."""

import json
import re
import sys

import pytest
import torch
from refusals import refused_backbone as refused
from safetensors.torch import save_file
from torch import nn

from robobench.backbones import hub, timm_networks, transformers_networks
from robobench.backbones.backbone import Backbone
from robobench.backbones.vision import import_timm
from robobench.datasets import from_arrays
from robobench.errors import RobobenchError
from robobench.types import Geometry
from robobench.weights.classifiers import load_backbone


def images(n, side=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


# timm


@pytest.fixture(scope="module")
def timm_folder(tmp_path_factory):
    """A folder as `timm.models.push_to_hf_hub` writes it."""
    timm = import_timm()
    folder = tmp_path_factory.mktemp("hub") / "tiny-net"
    folder.mkdir()
    torch.manual_seed(2)
    model = timm.create_model("resnet10t", pretrained=False, num_classes=5)
    save_file(model.state_dict(), folder / "model.safetensors")
    config = {
        "architecture": "resnet10t",
        "num_classes": 5,
        "pretrained_cfg": {
            "input_size": [3, 96, 96],
            "crop_pct": 0.8,
            "interpolation": "bicubic",
            "mean": [0.5, 0.4, 0.3],
            "std": [0.25, 0.25, 0.2],
            "num_classes": 5,
            "first_conv": "conv1.0",
            "classifier": "fc",
            "label_names": ["ant", "bee", "cat", "dog", "elk"],
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder, model.eval()


def test_timm_reads_a_local_folder_with_its_weights_geometry_and_names(timm_folder):
    folder, model = timm_folder
    backbone = load_backbone(f"timm:local-dir:{folder}")
    assert backbone.name == "timm:local-dir:tiny-net"
    assert backbone.class_names == ("ant", "bee", "cat", "dog", "elk")
    assert backbone.geometry == Geometry(120, 96, "bicubic", (0.5, 0.4, 0.3), (0.25, 0.25, 0.2))
    batch = images(2, side=96)
    with torch.inference_mode():
        torch.testing.assert_close(backbone.logits(batch), model(backbone.normalise(batch)))


def test_timm_takes_a_repository_of_the_hub(timm_folder, monkeypatch):
    folder, _ = timm_folder
    asked = {}

    def found(name, **settings):
        asked.update(settings, name=name)
        return folder

    monkeypatch.setattr(timm_networks, "hub_folder", found)
    backbone = load_backbone("timm:hf-hub:somebody/tiny-net", download=True)
    assert backbone.name == "timm:hf-hub:somebody/tiny-net"
    assert (asked["name"], asked["download"], asked["kind"]) == ("somebody/tiny-net", True, "model")
    assert backbone.digest == load_backbone(f"timm:local-dir:{folder}").digest


TIMM_CONFIGS = {
    "no config": (None, "expected a config.json as timm saves it"),
    "no JSON": ("{", "is not JSON"),
    "of transformers": ('{"model_type": "vit"}', "hf:NAME loads networks of transformers"),
    "unknown": ('{"architecture": "resnet19x"}', "unknown timm network 'resnet19x'"),
    "no weights": ('{"architecture": "resnet10t"}', "cannot be loaded by timm"),
}


@pytest.mark.parametrize(("config", "message"), TIMM_CONFIGS.values(), ids=TIMM_CONFIGS)
def test_a_folder_that_is_not_timms_is_refused(tmp_path, config, message):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    refused(f"timm:local-dir:{tmp_path}", message)
    refused("timm:local-dir:nowhere", "no such folder")


# The hub


def hub_error(name):
    errors = pytest.importorskip("huggingface_hub.errors")
    kind = getattr(errors, name)
    made = kind.__new__(kind)  # their arguments differ between releases
    Exception.__init__(made, "said\nin two lines")
    return made


HUB_ERRORS = {
    "GatedRepoError": "is gated: accept its terms at https://huggingface.co/a/b",
    "RepositoryNotFoundError": "the hub has no model a/b, or it is private",
    "RevisionNotFoundError": "a/b has no revision 'v2'",
    "HFValidationError": "expected the hub's OWNER/NAME",
    "LocalEntryNotFoundError": "has not been downloaded yet: --download",
}


@pytest.mark.parametrize(("error", "message"), HUB_ERRORS.items(), ids=HUB_ERRORS)
def test_the_hubs_refusals_are_one_line(monkeypatch, error, message):
    def fail(*_, **__):
        raise hub_error(error)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    refused("timm:hf-hub:a/b@v2", message)


def test_an_absent_hub_is_one_line(monkeypatch):
    def fail(*_, **__):
        raise OSError("no route\nto host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    refused("timm:hf-hub:a/b", r"cannot be downloaded from the hub \(OSError", download=True)


def test_nothing_is_downloaded_unasked(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *_, **told: asked.append(told) or str(tmp_path)
    )
    for download in (False, True):
        hub.hub_folder("a/b@main", kind="dataset", patterns=["*"], download=download, called="x")
    assert [told["local_files_only"] for told in asked] == [True, False]
    assert {told["revision"] for told in asked} == {"main"}


# transformers


@pytest.fixture(scope="module")
def hf_folder(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("hf") / "tiny-vit"
    torch.manual_seed(3)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=8, id2label={0: "ant", 1: "bee", 2: "cat"},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder, model


def test_transformers_reads_a_local_folder(hf_folder):
    folder, model = hf_folder
    backbone = load_backbone(f"hf:{folder}")
    assert backbone.name == "hf:tiny-vit"
    assert backbone.class_names == ("ant", "bee", "cat")
    assert backbone.geometry == Geometry(32, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    batch = images(2)
    with torch.inference_mode():
        wanted = model(backbone.normalise(batch)).logits
    torch.testing.assert_close(backbone.logits(batch), wanted)
    assert backbone.cost().parameters == sum(p.numel() for p in model.parameters())


def test_transformers_takes_a_repository_of_the_hub(hf_folder, monkeypatch):
    monkeypatch.setattr(hub, "hub_folder", lambda *_, **__: hf_folder[0])
    assert load_backbone("hf:somebody/tiny-vit").name == "hf:somebody/tiny-vit"


def test_a_folder_without_a_trained_head_is_refused(hf_folder, tmp_path):
    transformers = pytest.importorskip("transformers")
    folder, model = hf_folder
    transformers.ViTModel(model.config).save_pretrained(tmp_path)
    refused(f"hf:{tmp_path}", "expected a preprocessor_config.json in it")
    (tmp_path / "preprocessor_config.json").write_bytes(
        (folder / "preprocessor_config.json").read_bytes()
    )
    refused(f"hf:{tmp_path}", "has no weights for classifier.bias, .*no trained image classifier")
    (tmp_path / "config.json").write_text('{"architecture": "resnet10t"}')
    refused(f"hf:{tmp_path}", "no model_type of transformers; timm:hf-hub:NAME")
    refused("hf:./nowhere", "no such folder")


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    refused("hf:a/b", re.escape("pip install 'robobench[transformers]'"))


def processor(kind, **settings):
    transformers = pytest.importorskip("transformers")
    return getattr(transformers, kind)(**settings)


GEOMETRIES = {
    "shortest edge and crop": (
        "BitImageProcessor",
        {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}, "resample": 3},
        (64, 56, "bicubic"),
    ),
    "ConvNeXT below 384": (
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 56}, "crop_pct": 0.875, "resample": 3},
        (64, 56, "bicubic"),
    ),
    "ConvNeXT at 384": (
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 384}, "crop_pct": 0.875},
        (384, 384, "bicubic"),
    ),
    "LeViT": (
        "LevitImageProcessor",
        {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}, "resample": 3},
        (64, 56, "bicubic"),
    ),
}


@pytest.mark.parametrize(("kind", "settings", "wanted"), GEOMETRIES.values(), ids=GEOMETRIES)
def test_the_geometry_is_that_of_the_image_processor(kind, settings, wanted):
    """Against the processor itself, on a square image of another size."""
    made = processor(kind, **settings)
    geometry = transformers_networks.processor_geometry(made, "x")
    assert (geometry.resize, geometry.crop, geometry.interpolation) == wanted
    dataset = from_arrays(images(1, side=400).permute(0, 2, 3, 1).numpy(), [0])
    pixels = dataset.read(torch.arange(1).numpy(), geometry)
    ours = Backbone(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), geometry=geometry
    ).normalise(pixels)
    theirs = made(images(1, side=400)[0], return_tensors="pt")["pixel_values"]
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().mean() < 0.01  # Pillow's resize against torchvision's


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"do_normalize": False}, 0.0, 1.0),
        ({"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False}, 0.5, 0.5),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51.0] * 3}, 0.5, 0.2),
    ],
)
def test_normalisation_is_brought_to_one_scale(settings, mean, std):
    made = processor("EfficientNetImageProcessor", size={"height": 8, "width": 8}, **settings)
    geometry = transformers_networks.processor_geometry(made, "x")
    assert geometry.mean == pytest.approx((mean,) * 3)
    assert geometry.std == pytest.approx((std,) * 3)


def test_an_image_processor_that_no_geometry_describes_is_refused():
    odd = processor("ViTImageProcessor", size={"height": 8, "width": 16})
    with pytest.raises(RobobenchError, match="expected square ones"):
        transformers_networks.processor_geometry(odd, "x")
    odd = processor("ViTImageProcessor", resample=5)
    with pytest.raises(RobobenchError, match="Pillow's filter 5"):
        transformers_networks.processor_geometry(odd, "x")
