"""Classifiers in exported programs, and networks that wrap what they return."""

from collections import namedtuple

import pytest
import torch
from refusals import refused_backbone as refused
from safetensors.torch import save_file
from torch import nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.backbones.export_card import FILE, ExportCard
from robobench.errors import RobobenchError
from robobench.types import Geometry
from robobench.weights.classifiers import load_backbone


def images(n, side=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


def network(classes=4):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes),
    ).eval()  # fmt: skip


Output = namedtuple("Output", ["logits", "hidden"])


class Wrapping(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.inner, self.wrap = network(), wrap

    def forward(self, x):
        return self.wrap(self.inner(x))


class Held:
    def __init__(self, logits):
        self.logits = logits


WRAPPERS = {
    "attribute": Held,
    "mapping": lambda logits: {"loss": None, "logits": logits},
    "tuple": lambda logits: (logits, None),
    "named tuple": lambda logits: Output(logits, None),
    "list": lambda logits: [None, logits],
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_logits_are_found_in_what_a_network_returns(wrap):
    geometry = Geometry(crop=16)
    plain = Backbone(network(), geometry=geometry, layer="2")
    wrapped = Backbone(Wrapping(wrap), geometry=geometry, layer="inner.2")
    batch = images(3, side=16)
    assert wrapped.num_classes == 4
    torch.testing.assert_close(wrapped(batch), plain(batch))
    torch.testing.assert_close(wrapped.rest(wrapped.stem(batch)), plain.logits(batch))
    pixels = batch.float()
    torch.testing.assert_close(wrapped.as_module()(pixels), plain.as_module()(pixels))
    twin = wrapped.with_module(wrapped.twin())
    torch.testing.assert_close(twin(batch), plain(batch))
    assert len(twin.module._forward_hooks) == 1
    assert set(wrapped.module.state_dict()) == {f"inner.{k}" for k in network().state_dict()}


def test_what_holds_no_logits_is_refused():
    for wrap in (lambda logits: {"scores": logits}, lambda logits: (), lambda logits: logits[0]):
        with pytest.raises(
            RobobenchError, match=r"expected 1 x classes, or an object with \.logits"
        ):
            Backbone(Wrapping(wrap), geometry=Geometry(crop=16))


def test_a_network_in_memory_with_wrapped_logits_runs(toy, tmp_path):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = toy["backbone"]

        def forward(self, x):
            return Held(self.inner(x))

    settings = {
        "methods": "org", "corruptions": "jpeg", "severities": "1", "limit": 20,
        "dataset": toy["dataset"], "mean": toy["mean"], "std": toy["std"],
    }  # fmt: skip
    values = [
        robobench.run(backbone=module, out=tmp_path / name, **settings).frame["value"].tolist()
        for name, module in (("plain", toy["backbone"]), ("outer", Outer()))
    ]
    assert values[0] == pytest.approx(values[1])


# Exported programs


def exported(path, module, example, batch=None, card=None):
    extra = {} if card is None else {"extra_files": {FILE: card.to_json()}}
    shapes = ({0: torch.export.Dim("n", min=1)},) if batch is None else None
    torch.export.save(
        torch.export.export(module, (example,), dynamic_shapes=shapes, strict=False), path, **extra
    )
    return f"pt2:{path}"


@pytest.mark.filterwarnings("ignore")  # what torch says of its own formats
@pytest.mark.parametrize("batch", [None, 2])
def test_exported_programs_run_and_cannot_be_split(tmp_path, batch):
    plain = Backbone(network(), geometry=Geometry(round(16 / 0.875), 16))
    name = exported(tmp_path / "net.pt2", network(), torch.zeros(2, 3, 16, 16), batch)
    backbone = load_backbone(name)
    assert (backbone.name, backbone.geometry) == ("pt2:net.pt2", plain.geometry)
    batch = images(3, side=16)
    torch.testing.assert_close(backbone(batch), plain(batch))
    assert backbone.cost().parameters == sum(p.numel() for p in network().parameters())
    assert not backbone.splittable
    with pytest.raises(RobobenchError, match=r"a torch.export file, which cannot be split"):
        backbone.stem(batch)
    with pytest.raises(RobobenchError, match="cannot be trained"):
        backbone.twin()
    refused(name, "--resize 16 --crop 16|made for images of 16 x 16", crop=8)


@pytest.mark.filterwarnings("ignore")
def test_torchscript_takes_the_geometry_that_is_given(tmp_path):
    path = tmp_path / "net.ts"
    torch.jit.trace(network(), torch.zeros(2, 3, 16, 16)).save(str(path))
    plain = Backbone(network(), geometry=Geometry(20, 16))
    backbone = load_backbone(f"ts:{path}", resize=20, crop=16)
    batch = images(3, side=16)
    torch.testing.assert_close(backbone(batch), plain(batch))
    assert backbone.name == "ts:net.ts"
    with pytest.raises(RobobenchError, match="a TorchScript file, which cannot be split"):
        backbone.stem(batch)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pt2", "ts"])
def test_what_export_wrote_is_read_from_the_file(tmp_path, kind):
    """Bytes in, probabilities out, normalisation inside: as the card says."""

    class Deployed(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network()

        def forward(self, pixels):
            return self.network((pixels.float() / 255 - 0.4) / 0.2).softmax(1)

    card = ExportCard(
        method="org", backbone="x", layer="", trained_on="clean", train_seed=0, weights="",
        input="uint8", output="probabilities", height=16, width=16, resize=18, crop=16,
        interpolation="bicubic", mean=(0.4,) * 3, std=(0.2,) * 3, class_names=("a", "b", "c", "d"),
        versions={},
    )  # fmt: skip
    example = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    path = tmp_path / f"net.{kind}"
    if kind == "pt2":
        exported(path, Deployed(), example, card=card)
    else:
        traced = torch.jit.trace(Deployed(), example)
        torch.jit.save(traced, str(path), _extra_files={FILE: card.to_json()})
    backbone = load_backbone(f"{kind}:{path}")
    assert backbone.class_names == ("a", "b", "c", "d")
    assert backbone.geometry == Geometry(18, 16, "bicubic", (0.0,) * 3, (1.0,) * 3)
    batch = images(3, side=16)
    torch.testing.assert_close(backbone(batch), Deployed()(batch), atol=1e-5, rtol=1e-4)
    refused(f"{kind}:{path}", "takes pixels and normalises them itself", mean=(0.5,) * 3)


@pytest.mark.parametrize("kind", ["pt2", "ts"])
def test_what_is_no_program_is_refused(tmp_path, kind):
    refused(f"{kind}:{tmp_path / 'none'}", "no such file")
    (tmp_path / "torn").write_bytes(b"PK\x03\x04 torn")
    refused(f"{kind}:{tmp_path / 'torn'}", "cannot be read as a")


@pytest.mark.filterwarnings("ignore")
def test_programs_with_other_inputs_or_other_weights_are_refused(tmp_path):
    class Two(nn.Module):
        def forward(self, x, y):
            return x.mean((2, 3)) + y

    zeros = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3)
    torch.export.save(torch.export.export(Two(), zeros), tmp_path / "two.pt2")
    refused(f"pt2:{tmp_path / 'two.pt2'}", "it has 2 inputs, expected images alone")
    name = exported(tmp_path / "grey.pt2", nn.Flatten(), torch.zeros(2, 1, 8, 8))
    refused(name, "expected one input N x 3 x H x W with H = W, got any x 1 x 8 x 8")
    name = exported(tmp_path / "net.pt2", network(), torch.zeros(2, 3, 16, 16))
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    refused(name, "contains its own weights", weights=tmp_path / "x.safetensors")
