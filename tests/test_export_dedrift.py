"""Exported files of `dedrift` hold gate and experts: each image takes its route through one file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_export import SUFFIXES, card_of
from test_methods import dedrift_parts, in_memory

from robobench.corruptions import apply, catalogue
from robobench.datasets import open_dataset
from robobench.exporting.export import export
from robobench.exporting.formats import FORMATS, opened, written
from robobench.exporting.images import CheckImages
from robobench.exporting.network import ExportedNetwork
from robobench.methods.afd import Afd
from robobench.methods.dedrift import JPEG, Dedrift
from robobench.types import Context
from robobench.weights.classifiers import load_backbone
from robobench.weights.selection import SelectedMethod

CONTEXT = Context()


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images():
    """Clean, of JPEG qualities 7, 30 and 90, and noisy: two each."""
    clean = open_dataset("shapes10").read(
        np.arange(2), load_backbone("vgg-tiny", dataset="shapes10").geometry
    )
    levels = [(JPEG, 7), (JPEG, 30), (JPEG, 90), ("gaussian_noise", 40)]
    keys = torch.arange(2)
    degraded = [apply(clean, catalogue.at_level(*level), keys, 0) for level in levels]
    return torch.cat([clean, *degraded])


@pytest.fixture(scope="module", params=["stages alone", "with modules", "jpeg alone"])
def method(request, images):
    """Experts that nobody trained but that change something, behind a detector that tells little."""
    torch.manual_seed(0)
    backbone = load_backbone("vgg-tiny", dataset="shapes10")
    tensors, settings = dedrift_parts(backbone)
    settings |= {"range": [5, 40], "highest": 60.0}
    if request.param == "jpeg alone":
        settings["experts"] = {JPEG: [JPEG]}
    if request.param == "with modules":
        rectified = backbone.stem_is_rectified
        settings["module"] = Afd.settings(backbone.stem_channels, rectified=rectified)
        for kind in settings["experts"]:
            parts = Afd.build(settings["module"]).state_dict()
            tensors |= {f"module-{kind}.{k}": 0.1 * torch.randn(t.shape) for k, t in parts.items()}
    made = Dedrift(backbone, in_memory("dedrift", tensors, settings, "plugin"))
    if made.detector is not None:  # half of the images count as degraded
        with torch.no_grad():
            clean = made.detector(images.float() / 255).softmax(1)[:, 0]
        made.settings["caution"] = float(clean[:2].sum()) / 2
    return made


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_image_takes_its_route_through_one_file(suffix, method, images):
    routes = set(method.routes(images))
    assert (-1, 0.0) in routes
    jpeg = [e.name for e in method.experts].index(JPEG)
    assert len([level for number, level in routes if number == jpeg]) == 2
    assert len(routes) == 3 + len(method.learned)
    expected = method.predict(images, CONTEXT)
    assert ((expected - method.backbone(images)).abs().amax(1) > 1e-3).sum() >= 4
    network = ExportedNetwork(method.as_module(), "uint8", "probabilities").eval()
    card = replace(card_of("org", method.backbone), batch=network.batch)
    run = opened(FORMATS[suffix], written(FORMATS[suffix], network, images[:1], card), 1)
    torch.testing.assert_close(run(images), expected, atol=1e-5, rtol=1e-4)


def test_an_onnx_file_is_evaluated_image_by_image(method, images, tmp_path):
    chosen = SelectedMethod("dedrift", Dedrift, method.backbone, "common", 0, {})
    vars(chosen).update(method=method)  # which no card leads to
    options = {"format": FORMATS[".onnx"], "takes": "float", "returns": "logits"}
    shown = CheckImages(images, "all kinds")
    done = export(chosen, tmp_path / "net.onnx", images=shown, **options)
    assert done.card.batch == 1
    assert done.agreement.same == done.agreement.images == len(images)
    loaded = load_backbone(f"onnx:{tmp_path / 'net.onnx'}")
    wanted = method.predict(images, CONTEXT)
    torch.testing.assert_close(loaded(images), wanted, atol=1e-5, rtol=1e-4)


def test_a_network_is_not_changed_by_being_exported(method, images):
    before = method.predict(images, CONTEXT)
    method.as_module()
    assert torch.equal(method.predict(images, CONTEXT), before)
