"""Data sets of ImageNet's classes as they are published, in miniature."""

import numpy as np
import pytest
import torch
from made_up_images import photograph
from refusals import refused
from torch import nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.datasets import open_dataset
from robobench.datasets.classes import imagenet_classes, imagenet_subset
from robobench.datasets.laion_classes import SUPERCLASSES
from robobench.datasets.readout import Readout
from robobench.errors import RobobenchError
from robobench.types import Geometry

pytestmark = pytest.mark.usefixtures("registered")
WNIDS = imagenet_classes()[0]


class Pixels(nn.Module):
    """As many logits as asked for, from a fixed projection of a few pixels."""

    def __init__(self, classes=1000):
        super().__init__()
        torch.manual_seed(0)
        self.pool, self.head = nn.AdaptiveAvgPool2d(2), nn.Linear(12, classes)

    def forward(self, x):
        return self.head(self.pool(x).flatten(1)) * 3


def run(tmp_path, **settings):
    options = {"methods": "org", "crop": 16, "resize": 16, "data_root": tmp_path, "seed": "0"}
    return robobench.run(**{"backbone": Pixels(), "out": tmp_path / "run", **options, **settings})


def degraded(base, corruptions, classes, name="val_{k}.JPEG", severities=("1", "5")):
    for c, corruption in enumerate(corruptions):
        for s, severity in enumerate(severities):
            for k, wnid in enumerate(classes):
                file = name.format(k=k, corruption=corruption, severity=severity[-1])
                photograph(base / corruption / severity / wnid / file, side=16, seed=k + 9 * s + c)


def test_imagenet_3dcc_has_corruptions_of_its_own(tmp_path):
    degraded(tmp_path / "imagenet_3dcc", ("near_focus", "fog_3d"), WNIDS[:3])
    opened = open_dataset("imagenet-3dcc", root=tmp_path)
    assert opened.available() == [
        ("fog_3d", 1),
        ("fog_3d", 5),
        ("near_focus", 1),
        ("near_focus", 5),
    ]
    made = run(tmp_path, dataset="imagenet-3dcc", corruptions="imagenet-3dcc", severities="1,5")
    rows = made.frame.query("metric == 'accuracy'")
    assert sorted(zip(rows["corruption"], rows["severity"], strict=True)) == opened.available()
    image = np.zeros((1, 16, 16, 3), np.uint8)
    refused("published files only: --dataset imagenet-3dcc", robobench.corrupt, image, "fog_3d", severity=1)  # fmt: skip
    with pytest.raises(RobobenchError, match="unknown corruption 'near_fokus'"):
        run(tmp_path, dataset="imagenet-3dcc", corruptions="near_fokus")


def test_tiny_imagenet_c_needs_all_classes_or_their_list(tmp_path):
    classes = sorted(WNIDS[:3])
    degraded(tmp_path / "Tiny-ImageNet-C", ("jpeg_compression",), classes)
    refused("expected 200 class folders", open_dataset, "tiny-imagenet-c", root=tmp_path)
    home = tmp_path / "tiny-imagenet-200"
    for k, wnid in enumerate(classes):
        photograph(home / "val" / wnid / f"val_{k}.JPEG", side=16, seed=k)
    (home / "wnids.txt").write_text("\n".join(classes[::-1]))
    opened = open_dataset("tiny-imagenet-c", root=tmp_path)
    assert (opened.labels.tolist(), opened.profile) == ([0, 1, 2], "tiny-imagenet-c")
    assert [file.rpartition("/")[2] for file in opened.clean().files] == [
        f"val_{k}.JPEG" for k in range(3)
    ]
    (home / "val" / classes[1] / "val_1.JPEG").rename(home / "val" / classes[1] / "other.JPEG")
    assert open_dataset("tiny-imagenet-c", root=tmp_path).clean() is None


def test_laion_c_is_scored_by_superclass(tmp_path):
    names = list(SUPERCLASSES)[:3]
    folders = ("intensity_level_1", "intensity_level_5")
    for corruption, made_by in (("mosaic", "mosaic"), ("luminance_checkerboard", "luminance")):
        degraded(
            tmp_path / "laion-c", (corruption,), names, "ILSVRC_{k}_" + made_by + "_{severity}.JPEG",
            folders,
        )  # fmt: skip
    opened = open_dataset("laion-c", root=tmp_path)
    assert opened.available()[-1] == ("mosaic", 5)
    assert opened.class_names[:2] == ("fruit", "fish")
    assert len(opened.class_names) == 16
    made = run(tmp_path, dataset="laion-c", corruptions="mosaic", severities="5")
    cell = next(cell for cell in made.cells if cell.corruption == "mosaic")
    stored = made.predictions(cell)
    images = opened.at("mosaic", 5).read(np.arange(3), Geometry(16, 16))
    probabilities = Backbone(Pixels())(images)
    means = torch.stack([probabilities[:, list(g)].mean(1) for g in SUPERCLASSES.values()], dim=1)
    assert stored.predicted.tolist() == means.argmax(1).tolist()
    torch.testing.assert_close(
        torch.from_numpy(stored.confidence), means.max(1).values / means.sum(1)
    )
    (tmp_path / "laion-c" / "mosaic" / folders[1] / "horse").mkdir()
    refused("horse is none of its superclasses", open_dataset("laion-c", root=tmp_path).at, "mosaic", 5)  # fmt: skip


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
def test_only_the_200_published_classes_count(tmp_path, name):
    members = imagenet_subset(name)
    assert len(set(members)) == 200
    for k, wnid in enumerate(members[:4]):
        photograph(tmp_path / name / wnid / f"{k}.jpg", side=16, seed=k)
    (tmp_path / name / "README.txt").write_text("about")
    opened = open_dataset(name, root=tmp_path)
    assert opened.labels.tolist() == [WNIDS.index(wnid) for wnid in members[:4]]
    made = run(tmp_path, dataset=name, corruptions="jpeg:50")
    stored = made.predictions(next(cell for cell in made.cells if cell.corruption == "clean"))
    images = opened.read(np.arange(4), Geometry(16, 16))
    indices = [WNIDS.index(wnid) for wnid in members]
    masked = Backbone(Pixels()).logits(images)[:, indices].softmax(1)
    assert stored.predicted.tolist() == [indices[i] for i in masked.argmax(1)]
    torch.testing.assert_close(torch.from_numpy(stored.confidence), masked.max(1).values)
    refused("for classifiers with ImageNet's 1000 classes, Pixels has 7", run, tmp_path, dataset=name, corruptions="jpeg", backbone=Pixels(7))  # fmt: skip
    other = next(wnid for wnid in WNIDS if wnid not in members)
    photograph(tmp_path / name / other / "x.jpg", side=16)
    refused(["not among its 200 published classes", other], open_dataset, name, root=tmp_path)
    refused(f"unpack {name}.tar there", open_dataset, name, root=tmp_path / name)


def test_a_softmax_over_some_is_that_of_their_logits():
    logits = torch.randn(5, 9) * 20
    read = Readout.of_some([1, 4, 7], 9)(logits.softmax(1))
    torch.testing.assert_close(
        read[:, [1, 4, 7]], logits[:, [1, 4, 7]].softmax(1), atol=1e-4, rtol=0
    )
    assert not read[:, [0, 2, 3, 5, 6, 8]].any()
    nothing = Readout.of_some([1, 4], 4 + 1)(torch.tensor([[1.0, 0, 0, 0, 0]]))
    assert nothing.tolist() == [[0, 0.5, 0, 0, 0.5]]
    assert Readout.of_some([1], 3)(torch.full((1, 3), torch.nan)).isnan().all()


def test_imagenet_v2_and_sketch(tmp_path):
    for kind in ("matched-frequency", "top-images"):
        for label in ("0", "10", "2"):
            photograph(tmp_path / f"imagenetv2-{kind}-format-val" / label / "a.jpeg", side=16)
    opened = open_dataset("imagenet-v2", root=tmp_path)
    assert (opened.name, sorted(opened.labels)) == ("imagenet-v2", [0, 2, 10])
    assert open_dataset("imagenet-v2:top-images", root=tmp_path).name == "imagenet-v2:top-images"
    refused("did you mean 'top-images'", open_dataset, "imagenet-v2:topimages", root=tmp_path)
    refused(
        "unpack imagenetv2-threshold0.7", open_dataset, "imagenet-v2:threshold0.7", root=tmp_path
    )
    photograph(tmp_path / "sketch" / WNIDS[5] / "sketch_0.JPEG", side=16)
    assert open_dataset("imagenet-sketch", root=tmp_path).labels.tolist() == [5]
    refused("test", open_dataset, "imagenet-sketch", root=tmp_path, split="train")
    photograph(tmp_path / "sketch" / "n00000001" / "sketch_0.JPEG", side=16)
    refused("n00000001", open_dataset, "imagenet-sketch", root=tmp_path)


@pytest.mark.parametrize("name", ["imagenet-c-bar", "imagenet-3dcc", "laion-c", "tiny-imagenet-c"])
def test_a_wrong_layout_is_refused(tmp_path, name):
    refused([name, "unpack"], open_dataset, name, root=tmp_path)
    home = {"imagenet-3dcc": "imagenet_3dcc", "tiny-imagenet-c": "Tiny-ImageNet-C"}.get(name, name)
    photograph(tmp_path / home / "fog" / "6" / WNIDS[0] / "a.png")
    refused("no folder <corruption>/<severity>", open_dataset, name, root=tmp_path)
    refused("split", open_dataset, name, root=tmp_path, split="train")
