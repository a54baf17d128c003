"""Restoration, then classification: filters, trained networks, classifiers behind them."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from robobench.backbones.backbone import Backbone, cost_of, folded
from robobench.baselines.dncnn import DnCnn
from robobench.baselines.image_quality import psnr, ssim
from robobench.baselines.restoration import in_pieces
from robobench.cli import _exit_code
from robobench.corruptions import apply, catalogue
from robobench.errors import MissingWeights
from robobench.registry import METHODS
from robobench.training.trainer import TrainingRequest, train_one
from robobench.types import Context, Geometry
from robobench.weights import storage

FILTERS = ["median", "bilateral", "nlm"]


# --- filters


@pytest.mark.parametrize("name", FILTERS)
def test_filters_keep_clean_images_close_and_flat_ones_equal(name, backbone, clean):
    method = METHODS[name](backbone)
    restored = method.restore(clean)
    assert restored.shape == clean.shape
    assert restored.dtype == torch.uint8
    assert float(psnr(restored, clean).mean()) > 24
    flat = torch.full((2, 3, 20, 33), 77, dtype=torch.uint8)
    assert torch.equal(method.restore(flat), flat)


@pytest.mark.parametrize("name", FILTERS)
def test_filters_remove_noise(name, backbone):
    method = METHODS[name](backbone)
    smooth = torch.linspace(60, 190, 48).expand(2, 3, 48, 48).to(torch.uint8)
    noisy = apply(smooth, catalogue.at_level("gaussian_noise", 8), torch.arange(2))
    assert (psnr(method.restore(noisy), smooth) > psnr(noisy, smooth)).all()
    assert (ssim(method.restore(noisy), smooth) > ssim(noisy, smooth)).all()


@pytest.mark.parametrize("side", [1, 2, 3, 33, 96])
def test_filters_are_opencvs(side, backbone):
    import cv2

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    images[:2] = cv2.blur(np.tile(np.arange(side, dtype=np.uint8) * 2, (side, 1)), (3, 3))[
        ..., None
    ]
    images[1] += images[3] // 16
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    median = METHODS["median"](backbone).restore(batch).permute(0, 2, 3, 1).numpy()
    assert (median == np.stack([cv2.medianBlur(image, 3) for image in images])).all()
    bilateral = METHODS["bilateral"](backbone).restore(batch).permute(0, 2, 3, 1).numpy()
    off = np.stack([cv2.bilateralFilter(image, 5, 30.0, 2.0) for image in images]) != bilateral
    assert off.mean() < 1e-4  # sums are rounded in another order


# --- networks that are trained here


def test_dncnn_has_the_sizes_of_the_record():
    published = sum(p.numel() for p in folded(DnCnn(20).eval()).parameters())
    assert published == 668_227  # the colour-blind one, batch normalisation folded
    small = DnCnn(**METHODS["dncnn"].small)
    assert cost_of(small.eval(), torch.zeros(1, 3, 32, 32)).macs < 30e6


def test_an_untrained_dncnn_leaves_images_alone():
    x = torch.rand(2, 3, 20, 24)
    torch.testing.assert_close(DnCnn(5, 8)(x), x)


def test_restorers_are_sized_by_the_images(backbone):
    large = Backbone(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), geometry=Geometry(crop=96)
    )
    for name, option in (("arcnn", "widths"), ("dncnn", "depth")):
        kind = METHODS[name]
        assert kind.recipes(backbone)["standard"].options[option] == kind.small[option]
        assert kind.recipes(large)["standard"].options[option] == kind.large[option]


def test_arcnn_restores_what_jpeg_took(backbone, clean, degraded):
    found = storage.find("arcnn", dataset="shapes10", trained_on="jpeg_compression")
    method = METHODS["arcnn"](backbone, storage.load(found[0]))
    told = method.columns(degraded, clean, Context())
    assert float((told["psnr"] - psnr(degraded, clean)).mean()) > 0.2
    assert float((told["ssim"] - ssim(degraded, clean)).mean()) > 0
    assert float(psnr(method.restore(clean), clean).mean()) > 28


def test_many_large_images_are_restored_a_few_at_a_time():
    seen = []

    def note(piece):
        seen.append(len(piece))
        return piece

    images = torch.zeros(7, 3, 256, 512, dtype=torch.uint8)
    assert torch.equal(in_pieces(note, images), images)
    assert seen == [2, 2, 2, 1]
    assert in_pieces(note, images[:0]).shape == (0, 3, 256, 512)


# --- classifiers behind a restorer


@pytest.fixture
def brief(monkeypatch):
    """The classifiers of jpg are trained for a few steps on a few images."""
    monkeypatch.setattr("robobench.training.pools._VALIDATION_IMAGES", 40)
    kind = METHODS["jpg"]
    recipes = kind.recipes.__func__

    def shortened(cls, backbone):
        return {
            name: recipe.in_one_cycle(steps=5, batch=16, evaluations=1)
            for name, recipe in recipes(cls, backbone).items()
        }

    monkeypatch.setattr(kind, "recipes", classmethod(shortened))


def test_a_classifier_is_trained_behind_its_restorer_and_run(brief, backbone, degraded, tmp_path):
    made = train_one(
        TrainingRequest(limit=200, precision="fp32"), "arcnn-res", "jpeg_compression", again=True
    )
    loaded = storage.load(made.card)
    restorer = storage.load(
        storage.find("arcnn", dataset="shapes10", trained_on="jpeg_compression")[0]
    )
    jpg = METHODS["jpg"].recipes(backbone)["standard"]
    assert loaded.card.belongs_to == "classifier"
    assert loaded.card.recipe["rate"] == jpg.rate
    assert loaded.card.recipe["network"]["restorer digest"] == restorer.card.digest
    assert {k for k in loaded.tensors if k.startswith("restorer.")} == {
        f"restorer.{k}" for k in restorer.tensors
    }
    for key, tensor in restorer.tensors.items():
        assert torch.equal(loaded.tensors[f"restorer.{key}"], tensor)

    method = METHODS["arcnn-res"](backbone, loaded)
    in_front = METHODS["arcnn"](backbone, restorer)
    restored = in_front.restore(degraded)
    assert torch.equal(method.restore(degraded), restored)
    with torch.inference_mode():
        answers = method.predict(degraded, Context())
    assert torch.equal(answers, method.classifier(restored))
    assert not torch.equal(answers, backbone(restored))
    assert method.cost() == in_front.cost()

    out = tmp_path / "run"
    arguments = (
        f"run --methods arcnn,arcnn-res --corruptions jpeg:10 --limit 30 --no-report --out {out}"
    )
    assert _exit_code(arguments.split()) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    told = {m["method"]: m for m in manifest["methods"]}
    assert told["arcnn-res"]["trained_on"] == "jpeg_compression"
    assert told["arcnn-res"]["macs"] == told["arcnn"]["macs"] > told["org"]["macs"]


def test_a_missing_restorer_is_named_with_the_command_that_makes_it():
    with pytest.raises(MissingWeights) as caught:
        train_one(TrainingRequest(limit=20), "dncnn-res", "gaussian_noise")
    told = str(caught.value)
    assert "dncnn-res is built on dncnn" in told
    line = "robobench train --method dncnn --dataset shapes10 --backbone vgg-tiny"
    assert f"`{line} --trained-on gaussian_noise`" in told
    assert "\n" not in told


def test_train_missing_trains_the_restorer_first(monkeypatch):
    from robobench.evaluation.configuration import Configuration
    from robobench.evaluation.train_missing import train_missing
    from robobench.training import trainer

    asked = []

    def train(request, method, training, **_):
        asked.append(method)
        if asked == ["dncnn-res"]:
            raise MissingWeights("no", method="dncnn", trainings=(training,), train_seed=0)

    monkeypatch.setattr(trainer, "train_one", train)
    missing = MissingWeights("no", method="dncnn-res", trainings=("noise",), train_seed=0)
    train_missing(Configuration(), missing, lambda line: None)
    assert asked == ["dncnn-res", "dncnn", "dncnn-res"]
