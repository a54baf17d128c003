"""What weights were trained on: corruptions, levels, images, recipe; and how a run names them."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import robobench
from robobench.errors import MissingWeights, RobobenchError
from robobench.methods.drift_loss import refuse_if_worse
from robobench.training.fitting import Fit
from robobench.training.task import TrainingTask
from robobench.training.trainer import TrainingRequest, requested_trainings, train_one
from robobench.types import Card
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone
from robobench.weights.coverage import (
    breadth,
    canonical_training,
    covers,
    trained_corruptions,
    trained_levels,
)
from robobench.weights.samples import (
    Wanted,
    answers_to,
    matched_tag,
    source_of,
    tag_of,
    wanted_by,
)
from robobench.weights.selection import select


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("jpeg", "jpeg_compression"),
        ("noise", "noise"),
        ("jpeg:5-40", "jpeg_compression:5-40"),
        ("jpeg:05-40.0", "jpeg_compression:5-40"),
        ("jpeg/fog", "jpeg_compression/fog"),
        ("noise/jpeg:5-40/noise", "noise/jpeg_compression:5-40"),
        ("clean", "clean"),
    ],
)
def test_trainings_have_one_canonical_name(text, name):
    assert canonical_training(text) == name
    assert canonical_training(name) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jpeg:40-5", "lowest and the highest"),
        ("jpeg:7", "as in jpeg:5-40"),
        ("jpeg:a-b", "as in jpeg:5-40"),
        ("jpeg:5-nan", "as in jpeg:5-40"),
        ("jpeg:0-40", "jpeg_compression"),
        ("jpeg:5.5-40", "integers"),
        ("noise:1-2", "no unit"),
        ("fog:1-2", "no unit"),
        ("jpeg:5-40/5", "no steps, .* write jpeg:5-40$"),
        ("jpeg:5-40/5/noise", "write jpeg:5-40/noise$"),
        ("jpeg/", "/ joins the corruptions of one training"),
        ("/jpeg", "expected one on either side"),
        ("jpeg//noise", "expected one on either side"),
        ("jpeg/nonsense", "unknown"),
        ("jpegg:1-2", "did you mean"),
    ],
)
def test_malformed_trainings_are_refused(text, message):
    with pytest.raises(RobobenchError, match=message):
        canonical_training(text)


def test_a_training_covers_what_it_has_seen():
    assert trained_corruptions("noise/jpeg_compression:5-40")[-1] == "jpeg_compression"
    assert trained_levels("noise/jpeg_compression:5-40") == {"jpeg_compression": (5, 40)}
    assert covers("fog/jpeg_compression:5-40", "jpeg_compression")
    assert not covers("fog/jpeg_compression:5-40", "snow")
    several = ["common", "jpeg_compression:5-40", "fog/jpeg_compression", "jpeg_compression"]
    assert sorted(several, key=breadth) == [
        "jpeg_compression",
        "jpeg_compression:5-40",
        "fog/jpeg_compression",
        "common",
    ]


def test_matched_stands_for_one_training_on_each_common_corruption():
    request = TrainingRequest()
    trainings = requested_trainings(request, "afd", "matched")
    assert len(trainings) == 15
    assert ("afd", "fog") in trainings
    assert requested_trainings(request, "afd@jpeg:5-40", None) == [("afd", "jpeg_compression:5-40")]


def card(**changes):
    values = {"method": "afd", "belongs_to": "plugin", "dataset": "d", "backbone": "b"}
    values |= {"backbone_digest": "", "trained_on": "fog", "train_seed": 0, "digest": ""}
    values |= {"file": "", "command": "", "recipe": {}, "images": "", "accuracy": {}}
    values |= {"parameters": 0, "minutes": 0, "versions": {}}
    return Card(**(values | changes))


def test_a_tag_names_where_the_images_come_from():
    birds = card(dataset="images:my birds", images_count=10, images_digest="abcdef0123")
    assert tag_of(birds) == "10-my-birds"
    for tag in ("my-birds", "10-my-birds", "my-birds-10", "abcdef-my-birds"):
        assert answers_to(birds, tag)
    for tag in ("my", "birds", "10-birds", "my-birds-", "my-birds-100"):
        assert not answers_to(birds, tag)
    assert matched_tag(birds, "standard-my-birds-10") == "10-my-birds-standard"
    assert tag_of(card(dataset="cifar10")) == "cifar10"
    # what reads as something else names no source
    assert not answers_to(card(dataset="images:25", images_count=10), "25")
    assert not answers_to(card(dataset="images:paper"), "paper", ["standard", "paper"])
    assert source_of(card(dataset="cifar10", belongs_to="classifier")) == ""
    assert wanted_by("7-my-birds-paper", ["paper"]) == Wanted(7, "paper", "my-birds")
    assert wanted_by("abcdef-standard", ["standard"]) == Wanted(digest="abcdef")


def test_a_tag_names_images_or_recipe():
    one = card(images_count=10, images_digest="abcdef0123", recipe_name="paper")
    for tag in ("10", "paper", "abcdef", "10-paper", "paper-abcdef01"):
        assert answers_to(one, tag)
    for tag in ("100", "standard", "abc", "10-standard", "abcdee"):
        assert not answers_to(one, tag)
    assert answers_to(card(), "standard")
    assert storage.file_stem(one) == "d-b-afd-fog-s0-36a9e7f1-n10-abcdef-paper"
    assert storage.file_stem(card()) == "d-b-afd-fog-s0-36a9e7f1"
    others = card(backbone_digest="another classifier"), card(preparation="other images")
    assert len({storage.file_stem(c) for c in (card(), *others)}) == 3


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def instant(monkeypatch):
    """Trainings keep the module as it begins."""

    def fit(self, network, objective, validate, **_):
        return Fit(dict(validate()), 0.0, "fp32")

    monkeypatch.setattr(TrainingTask, "fit", fit)


def test_modules_of_different_images_stand_side_by_side(photographs, instant):
    def trained(**changes):
        settings = {"images": str(photographs), "precision": "fp32", "keep_anyway": True}
        return train_one(TrainingRequest(**settings | changes), "afd", "fog")

    six = trained(limit=6)
    assert six.trained
    assert not trained(limit=6).trained
    twelve = trained()
    assert twelve.trained
    paper = trained(limit=6, recipe="paper")
    assert paper.trained
    darker = trained(limit=6, mean=(0.1, 0.1, 0.1))
    assert darker.trained
    assert len({six.card, twelve.card, paper.card, darker.card}) == 4
    read = storage.read_card(six.card)
    assert (read.images_count, read.dataset) == (6, "images:photographs")
    assert len(read.images_digest) == 64

    backbone = load_backbone("vgg-tiny", dataset="shapes10")

    def chosen(spec):
        found = select(spec, dataset="shapes10", backbone=backbone, corruptions=["fog"])
        return found.trained_on, *found.cards.values()

    assert chosen("afd@fog#6") == ("fog#6", six.card)
    assert chosen("afd@fog#12") == ("fog#12", twelve.card)
    assert chosen("afd#6-paper") == ("fog#6-paper", paper.card)
    assert chosen("afd@fog") == ("fog", twelve.card)  # most images, default recipe
    with pytest.raises(
        MissingWeights, match=r"afd@fog#7.* yet \(did you mean 'afd@fog#6.*'\?\); `.*--limit 7"
    ):
        chosen("afd@fog#7")
    with pytest.raises(RobobenchError, match="after #"):
        chosen("afd@fog#")
    with pytest.raises(RobobenchError, match="after #"):
        chosen("median#6")
    with pytest.raises(RobobenchError, match="a#6"):  # a file's name, not a tag
        chosen("restore:a#6")


def test_a_module_that_is_worse_than_none_is_refused(photographs, instant):
    request = TrainingRequest(images=str(photographs), precision="fp32")
    with pytest.raises(
        RobobenchError,
        match=r"no better than no module.*% get the class of the clean view.*--keep-anyway",
    ):
        train_one(request, "ddp", "fog")  # as it begins it is as good as none, not better


@pytest.mark.parametrize(
    ("here", "none", "said"),
    [
        (
            0.979114,
            0.979302,
            "worse than no module .* as close as 97.91% to .* view, 97.93% without",
        ),
        (0.5, 0.979302, "worse than no module .* as close as 50.0% to .* view, 97.9% without"),
        (0.9790001, 0.9790001, "no better than no module .* 97.9% to .* view, 97.9% without"),
    ],
)
def test_figures_of_a_module_that_is_worse_have_digits_that_show_it(here, none, said):
    task = SimpleNamespace(method="afd", trained_on="jpeg_compression", keep_anyway=False)
    figures = {"fidelity": here, "agreement": 1.0}
    figures |= {"untreated fidelity": none, "untreated agreement": 1.0}
    with pytest.raises(RobobenchError, match=said):
        refuse_if_worse(task, figures)


def test_a_module_in_memory_is_trained_and_found(photographs, instant):
    module = load_backbone("vgg-tiny", dataset="shapes10").module.train()
    with pytest.raises(RobobenchError, match="images=DIR"):
        robobench.train("afd@snow", backbone=module)
    with pytest.raises(RobobenchError, match=r"setting of a training.*did you mean.*limit"):
        robobench.train("afd@snow", backbone=module, images=photographs, limits=3)
    settings = {"mean": (0.4, 0.4, 0.4), "std": (0.2, 0.2, 0.2), "crop": 32}
    (made,) = robobench.train(
        "afd@snow", backbone=module, images=photographs, keep_anyway=True, **settings
    )
    assert module.training
    assert "--mean 0.4,0.4,0.4" in storage.read_card(made).command
    pixels = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    run = robobench.run(
        "afd@snow", "snow", (pixels, np.arange(10)), module, severities=1, out=photographs / "run",
        **settings,
    )  # fmt: skip
    assert {cell.method for cell in run.cells} == {"org", "afd"}


def test_a_run_trains_what_is_missing_on_photographs(photographs, instant, monkeypatch):
    settings = {"corruptions": "frost", "limit": 2, "out": photographs / "run"}
    with pytest.raises(RobobenchError, match="--train-missing"):
        robobench.run("ddp@frost", images=str(photographs), **settings)
    monkeypatch.setattr("robobench.methods.feature_repair.refuse_if_worse", lambda *_: None)
    robobench.run("ddp@frost", images=str(photographs), train_missing=True, **settings)
    (path,) = storage.find("ddp", trained_on="frost")
    assert storage.read_card(path).images.startswith("12 images of photographs")
