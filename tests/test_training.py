from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from robobench.backbones.own import own_network
from robobench.cli.train import seconds_in, train
from robobench.errors import RobobenchError
from robobench.methods.estimators import BlockEstimator
from robobench.registry import METHODS
from robobench.training.augmentation import move, warp
from robobench.training.degrader import Degrader, degrade_all, validation_conditions
from robobench.training.fitting import TimeLimitReached
from robobench.training.pools import ImagePool
from robobench.training.recipes import default_trainings
from robobench.training.trainer import TrainingRequest, requested_trainings, train_one
from robobench.types import Card, Degradation, Geometry
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone


def test_moving_shifts_and_flips_images():
    images = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8).to(torch.uint8)
    still = move(images, 0, np.random.default_rng(3))
    for before, after in zip(images, still, strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(2))
    many = move(images[:1].expand(64, -1, -1, -1), 0, np.random.default_rng(0))
    assert 0.2 < (many == images[:1]).all((1, 2, 3)).float().mean() < 0.8
    shifted = move(images, 2, np.random.default_rng(0))
    assert shifted.shape == images.shape
    assert set(shifted.unique().tolist()) <= set(images.unique().tolist())
    assert move(images, 0, np.random.default_rng(0), crop=5).shape == (2, 3, 5, 5)


def test_warping_rotates_about_the_centre_and_is_repeatable():
    images = torch.full((8, 3, 32, 32), 200, dtype=torch.uint8)
    images[:, :, :, :16] = 20
    warping = {"rotation": 20.0, "shear": 0.0, "zoom": 0.0}
    turned = warp(images, warping, np.random.default_rng(0))
    assert turned.dtype == torch.uint8
    assert torch.equal(turned, warp(images, warping, np.random.default_rng(0)))
    top, bottom = (turned[:, 0, row].float().mean(1) for row in (2, 29))
    # A rotated vertical edge lies further left at the top than at the bottom, or the reverse.
    assert ((top - 110).sign() == -(bottom - 110).sign()).all()
    assert (top - bottom).abs().min() > 1
    still = warp(images, dict.fromkeys(warping, 0.0), np.random.default_rng(0))
    assert torch.equal(still, images)
    zoomed = warp(images, {"rotation": 0.0, "shear": 0.0, "zoom": 0.2}, np.random.default_rng(0))
    assert (zoomed[:, :, 5] == zoomed[:, :, 20]).all()


def test_the_published_recipe_starts_from_scratch(brief):
    request = TrainingRequest(limit=40, precision="fp32", keep_anyway=True)
    scratch = replace(request, recipe="endo-2020-published")
    backbone = load_backbone("vgg-tiny", dataset="shapes10").module.state_dict()
    distance = []
    for one in (request, scratch):
        made = storage.load(train_one(one, "jpg", "jpeg_compression", again=True).card)
        name = "stem.0.0.weight"
        distance.append(float((made.tensors[name].float() - backbone[name]).norm()))
    assert distance[0] < distance[1] / 5
    assert made.card.recipe["optimizer"] == "adamax"


def test_degrading_draws_levels_from_the_range_and_is_repeatable():
    images = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8)
    ranges = {"jpeg_compression": (30, 33)}
    degrade = Degrader(["jpeg_compression"], "cifar-c", ranges=ranges, seed=1)
    first, levels = degrade(images, 5)
    assert set(levels.tolist()) == {30.0, 31.0, 32.0, 33.0}
    again, _ = degrade(images, 5)
    assert torch.equal(first, again)
    other, _ = degrade(images, 6)
    assert not torch.equal(first, other)


def test_emphasis_draws_some_levels_from_a_part_of_the_range():
    images = torch.randint(0, 256, (400, 3, 8, 8), dtype=torch.uint8)
    ranges = {"jpeg_compression": (1, 100)}
    levels = {}
    for share in (0.0, 0.5, 1.0):
        emphasis = {"jpeg_compression": (11, 15, share)}
        degrade = Degrader(
            ["jpeg_compression"], "cifar-c", ranges=ranges, seed=1, emphasis=emphasis
        )
        _, levels[share] = degrade(images, 0)
    even = Degrader(["jpeg_compression"], "cifar-c", ranges=ranges, seed=1)(images, 0)[1]
    assert torch.equal(levels[0.0], even)
    assert set(levels[1.0].tolist()) == {11, 12, 13, 14, 15}
    elsewhere = levels[0.5] == even
    assert 150 < int(elsewhere.sum()) < 250
    assert set(levels[0.5][~elsewhere].tolist()) == {11, 12, 13, 14, 15}


def test_degrading_mixes_corruptions_and_can_leave_some_images_clean():
    images = torch.randint(60, 200, (60, 3, 32, 32), dtype=torch.uint8)
    names = ["gaussian_noise", "fog"]
    degraded, levels = Degrader(names, "cifar-c", ranges={}, seed=0, clean_share=0.3)(images, 0)
    touched = (degraded != images).flatten(1).any(1)
    assert 20 < int(touched.sum()) < 60
    assert len(levels[~levels.isnan()].unique()) == 5  # the severities of Gaussian noise
    untouched, nothing = Degrader([], "cifar-c", ranges={}, seed=0)(images, 0)
    assert torch.equal(untouched, images)
    assert nothing.isnan().all()


def test_validation_spreads_over_the_range():
    levels = [
        d.level
        for d in validation_conditions(
            ["jpeg_compression"], "cifar-c", {"jpeg_compression": (1, 100)}
        )
    ]
    assert levels == sorted(levels)
    assert len(levels) == 5
    assert len(validation_conditions(["fog", "gaussian_noise"], "cifar-c", {})) == 10
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    assert degrade_all(images, Degradation("clean")) is images


class Counted:
    """A data set that counts the images it reads."""

    name, split, class_names, profile = "counted", "train", ("a",), "cifar-c"

    def __init__(self, count):
        self.labels = np.zeros(count, np.int64)
        self.reads = 0

    def __len__(self):
        return len(self.labels)

    def read(self, indices, geometry):
        self.reads += len(indices)
        return torch.tensor(indices, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)


def test_a_small_pool_is_read_once_and_a_large_one_as_needed(monkeypatch):
    small = Counted(20)
    pool = ImagePool(small, Geometry(), np.arange(5, 15))
    assert pool.batch(np.array([2, 0]))[:, 0, 0, 0].tolist() == [7, 5]
    read = small.reads
    pool.batch(np.array([2, 0]))
    assert small.reads == read
    monkeypatch.setattr("robobench.training.pools._MEMORY_BYTES", 10)
    large = Counted(20)
    pool = ImagePool(large, Geometry())
    assert large.reads == 1
    assert pool.batch(np.array([3]))[0, 0, 0, 0] == 3


@pytest.mark.parametrize(
    ("text", "seconds"), [("25m", 1500), ("90s", 90), ("1.5h", 5400), ("2", 120)]
)
def test_time_limits_are_parsed(text, seconds):
    assert seconds_in(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-3m", "0s", "3 days"])
def test_malformed_time_limits_are_refused(text):
    with pytest.raises(RobobenchError, match="25m"):
        seconds_in(text)


def test_the_default_trainings_begin_with_the_classifier_without_repeats():
    trainings = default_trainings()
    assert trainings[0] == ("org", "clean")
    assert len(set(trainings)) == len(trainings)
    assert {("afd", "common"), ("ddp", "common"), ("jpg", "jpeg_compression")} <= set(trainings)
    assert trainings.index(("afd", "common")) < trainings.index(("dedrift", "common"))


def test_requests_are_checked():
    request = TrainingRequest()
    assert requested_trainings(request, "afd", "jpeg,noise") == [
        ("afd", "jpeg_compression"),
        ("afd", "noise"),
    ]
    assert requested_trainings(request, "afd@jpeg", None) == [("afd", "jpeg_compression")]
    assert requested_trainings(request, "jpg", None) == [("jpg", "jpeg_compression")]
    assert requested_trainings(request, None, None) == default_trainings()
    for method, trained_on, message in (
        ("median", None, "nothing to train"),
        ("afdd", None, "did you mean"),
        ("jpg", "noise", "jpg is trained on"),
        ("afd", "clean", "does not apply"),
        ("afd", "jpgg", "unknown corruption"),
        (None, "jpeg", "needs --method"),
        ("afd@jpeg", "noise", "only one of the two"),
    ):
        with pytest.raises(RobobenchError, match=message):
            requested_trainings(request, method, trained_on)


TRAINED = [n for n in METHODS.names() if METHODS[n].recipes(None) and not METHODS[n].trained_as]


@pytest.mark.parametrize("name", TRAINED)
def test_every_method_trains_and_its_weights_are_found(name, brief):
    trained_on = METHODS[name].trained_on or "jpeg_compression"
    request = TrainingRequest(limit=40, precision="fp32", keep_anyway=True)
    if behind := getattr(METHODS[name], "restorer", None):
        train_one(request, behind, trained_on)
    made = train_one(request, name, trained_on, again=True)
    assert made.trained
    loaded = storage.load(made.card)
    card = loaded.card
    assert (card.method, card.trained_on, card.train_seed) == (name, trained_on, 0)
    assert card.images == "40 images of the training split of shapes10"
    assert card.accuracy
    assert card.recipe["steps"] == 6
    assert f"--method {name}" in card.command
    assert card.license == "Apache-2.0"
    assert card.source == "trained by robobench, from no weights but its own"
    assert not list((made.card.parent / "unfinished").glob("*.pt"))
    assert list((made.card.parent / "curves").glob("*.jsonl"))
    assert not train_one(request, name, trained_on).trained


def test_unlabelled_photographs_are_enough_for_a_plugin(brief, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    request = TrainingRequest(
        images=str(tmp_path), limit=5, precision="fp32", seed=0, keep_anyway=True
    )
    made = train_one(request, "afd", "fog", again=True)
    assert "5 images of" in storage.read_card(made.card).images
    with pytest.raises(RobobenchError, match="class"):
        train_one(request, "jpg", "jpeg_compression", again=True)


def test_the_command_prints_what_it_made(brief):
    arguments = ["--method", "ddp", "--trained-on", "noise", "--limit", "30"]
    arguments += ["--precision", "fp32", "--keep-anyway", "--again"]
    result = CliRunner().invoke(train, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "ddp@noise: trained, " in result.output
    assert "of degraded validation images classified as without degradation" in result.output
    again = CliRunner().invoke(train, arguments[:-1], catch_exceptions=False)
    assert "already trained" in again.output


def test_the_command_stops_in_time_and_says_so(brief):
    with pytest.raises(TimeLimitReached, match="run the same command again"):
        train.main(
            ["--method", "ddp", "--trained-on", "noise", "--limit", "30", "--again",
             "--time-limit", "0.001s", "--precision", "fp32"],
            standalone_mode=False,
        )  # fmt: skip
    assert not list(storage.user_folder().glob("*.json"))
    assert list((storage.user_folder() / "unfinished").glob("*ddp*.pt"))


def test_a_classifier_starts_from_a_file_of_weights(brief, tmp_path):
    trained = train_one(
        TrainingRequest(limit=40, precision="fp32", keep_anyway=True), "org", "clean", again=True
    )
    file = trained.card.with_suffix(".safetensors")
    kept = storage.load(trained.card).tensors["stem.0.0.weight"]
    start = tmp_path / "start.safetensors"
    start.write_bytes(file.read_bytes())
    request = TrainingRequest(limit=40, precision="fp32", seed=1, start=str(start))
    made = storage.load(train_one(request, "org", "clean", again=True).card)
    fresh = storage.load(train_one(replace(request, start=None), "org", "clean", again=True).card)
    # Six steps change little.
    distance = [(w.tensors["stem.0.0.weight"] - kept).norm() for w in (made, fresh)]
    assert 0 < distance[0] < distance[1] / 5
    assert made.card.recipe["network"]["start"].startswith("start.safetensors, sha256 ")
    assert "--start start.safetensors" in made.card.command


@pytest.mark.parametrize(
    ("method", "start", "message"),
    [("jpg", "here", "for the classifier itself"), ("org", "nowhere", "no such file")],
)
def test_an_unsuitable_start_is_refused(brief, method, start, message):
    with pytest.raises(RobobenchError, match=message):
        train_one(
            TrainingRequest(limit=40, start=start), method, METHODS[method].trained_on, again=True
        )


def test_a_start_of_another_architecture_is_refused(brief, tmp_path):
    from safetensors.torch import save_file

    save_file(own_network("resnet-20", 10).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(RobobenchError, match="does not fit vgg-tiny"):
        train_one(TrainingRequest(limit=40, start=str(tmp_path / "other.safetensors")), "org", "clean",
                  again=True)  # fmt: skip


def test_an_estimator_is_shared_between_data_sets(brief):
    request = TrainingRequest(limit=40, precision="fp32", recipe="endo-2020")
    estimator = BlockEstimator()
    state = {f"estimator.{k}": v for k, v in estimator.state_dict().items()}
    cifar = Card(
        method="jpg-estqf", belongs_to="classifier", dataset="cifar10", backbone="vgg-tiny",
        backbone_digest="", trained_on="jpeg_compression", train_seed=0, digest="", file="",
        command="", recipe={"network": {"estimator_width": "blocks"}}, images="", accuracy={},
        parameters=0, minutes=0.0, versions={},
    )  # fmt: skip
    storage.save(cifar, state)
    made = storage.load(train_one(request, "jpg-estqf", "jpeg_compression", again=True).card)
    assert torch.equal(made.tensors["estimator.slopes"], estimator.slopes.half())
    assert made.card.recipe["network"]["estimator"].startswith("of cifar10-vgg-tiny-jpg-estqf")


def test_networks_of_libraries_are_not_trained():
    with pytest.raises(RobobenchError, match="as it is"):
        train_one(TrainingRequest(backbone="torchvision:resnet18"), "org", "clean")


@pytest.mark.parametrize("name", [n for n in METHODS.names() if METHODS[n].trained_as])
def test_a_method_with_the_weights_of_another_says_so(name):
    owner = METHODS[name].trained_as
    with pytest.raises(RobobenchError, match=f"{name} takes the weights of {owner}"):
        train_one(TrainingRequest(limit=40), name, METHODS[name].trained_on, again=True)
