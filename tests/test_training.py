import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from robobench import weights
from robobench.backbones.backbone import load_backbone
from robobench.backbones.own import own_network
from robobench.cli.train import seconds_in, train
from robobench.errors import RobobenchError
from robobench.methods.estimators import BlockEstimator
from robobench.registry import METHODS
from robobench.training.fitting import (
    Frame,
    Recipe,
    TimeLimitReached,
    batch_positions,
    fit_network,
    in_lengths,
)
from robobench.training.pools import (
    Degrader,
    ImagePool,
    degrade_all,
    move,
    validation_conditions,
    warp,
)
from robobench.training.recipes import planned
from robobench.training.trainer import Order, train_one, wanted
from robobench.types import Degradation, Geometry

RECIPE = Recipe(steps=24, batch=8, rate=0.02, minutes=0.1, evaluations=4)


def toy_training(folder, *, stop_at=None, **frame):
    """A small regression with dropout and batch normalisation; its final numbers."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    targets = inputs.sum(1, keepdim=True)

    def objective(step):
        if step == stop_at:
            raise KeyboardInterrupt
        rows = torch.from_numpy(batch_positions(64, 8, 0, step))
        return (network(inputs[rows]) - targets[rows]).square().mean()

    def validate():
        return {"minus error": -float((network(inputs) - targets).square().mean())}

    settings = {"precision": "fp32", **frame}
    fit = fit_network(
        network,
        objective,
        validate,
        RECIPE,
        Frame(3, folder / "toy.pt", torch.device("cpu"), **settings),
    )
    return fit, {k: v.clone() for k, v in network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_training_learns_and_repeats_itself(tmp_path):
    first, numbers = toy_training(tmp_path / "a")
    second, again = toy_training(tmp_path / "b")
    assert same(numbers, again)
    assert first.figures == second.figures
    curve = [json.loads(line) for line in (tmp_path / "a" / "toy.jsonl").read_text().splitlines()]
    assert [point["step"] for point in curve] == [6, 12, 18, 24]
    assert curve[-1]["minus error"] > curve[0]["minus error"]
    assert first.figures["minus error"] == max(point["minus error"] for point in curve)


@pytest.mark.parametrize(("keep", "kept"), [("best", 0.5), ("last", 0.25)])
def test_the_best_weights_are_kept_or_the_last(tmp_path, keep, kept):
    network = torch.nn.Linear(1, 1)
    scores = iter((0.125, 0.5, 0.375, 0.25))
    states = {}

    def validate():
        score = next(scores)
        states[score] = {k: v.clone() for k, v in network.state_dict().items()}
        return {"score": score}

    frame = Frame(0, tmp_path / "toy.pt", torch.device("cpu"), precision="fp32")
    recipe = replace(RECIPE, keep=keep)
    fit = fit_network(
        network, lambda step: network(torch.ones(2, 1)).mean(), validate, recipe, frame
    )
    assert fit.figures == {"score": kept}
    assert same(dict(network.state_dict()), states[kept])


@pytest.mark.parametrize("stop_at", [1, 7, 23])
def test_an_interrupted_training_goes_on_to_the_same_end(tmp_path, stop_at):
    _, straight = toy_training(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        toy_training(tmp_path / "cut", stop_at=stop_at)
    fit, resumed = toy_training(tmp_path / "cut")
    assert same(straight, resumed)
    assert len((tmp_path / "cut" / "toy.jsonl").read_text().splitlines()) == 4
    assert fit.minutes > 0


def test_a_training_that_was_done_is_not_done_again(tmp_path):
    _, numbers = toy_training(tmp_path)
    _, again = toy_training(tmp_path, stop_at=0)
    assert same(numbers, again)


def test_the_time_limit_stops_and_the_same_call_goes_on(tmp_path):
    _, straight = toy_training(tmp_path / "straight")
    for stop in range(1, RECIPE.steps):
        with pytest.raises(TimeLimitReached, match=f"after step {stop} of 24"):
            toy_training(tmp_path / "limited", deadline=time.monotonic())
    _, numbers = toy_training(tmp_path / "limited", deadline=time.monotonic())
    assert same(straight, numbers)


def test_a_checkpoint_of_other_settings_is_not_taken_up(tmp_path, monkeypatch):
    toy_training(tmp_path)
    monkeypatch.setitem(globals(), "RECIPE", replace(RECIPE, rate=0.01))
    _, other = toy_training(tmp_path)
    monkeypatch.undo()
    _, first = toy_training(tmp_path / "fresh")
    assert not same(first, other)


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "toy.pt").write_bytes(b"nothing")
    with pytest.raises(RobobenchError, match=r"toy\.pt cannot be read"):
        toy_training(tmp_path)


def test_a_loss_that_is_no_number_stops(tmp_path):
    network = nn.Linear(1, 1)
    bad = torch.tensor(math.nan)
    with pytest.raises(RobobenchError, match="diverged"):
        fit_network(
            network,
            lambda step: network.weight.sum() * bad,
            lambda: {"x": 0.0},
            RECIPE,
            Frame(0, tmp_path / "x.pt", torch.device("cpu"), precision="fp32"),
        )


def test_precision_is_measured_and_leaves_no_trace(tmp_path):
    _, fixed = toy_training(tmp_path / "fixed")
    fit, measured = toy_training(tmp_path / "auto", precision="auto")
    assert fit.precision in ("fp32", "bf16")
    if fit.precision == "fp32":
        assert same(fixed, measured)


def test_sigkill_costs_nothing_but_time(tmp_path, monkeypatch):
    """A process is killed in the middle of a training; a second one ends as if nothing was."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time, pathlib, torch
        import robobench.training.fitting as fitting
        sys.path.insert(0, sys.argv[2])
        fitting._CHECKPOINT_SECONDS = 0.0
        import test_training
        slow = test_training.batch_positions
        def batch_positions(*arguments):
            time.sleep(0.05)
            return slow(*arguments)
        test_training.batch_positions = batch_positions
        torch.set_num_threads(1)
        test_training.toy_training(pathlib.Path(sys.argv[1]))
        """)
    )
    torch.set_num_threads(1)
    _, straight = toy_training(tmp_path / "straight")
    here = os.path.dirname(__file__)
    process = subprocess.Popen([sys.executable, script, tmp_path / "killed", here])
    path = tmp_path / "killed" / "toy.pt"
    deadline = time.monotonic() + 60
    while not path.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = torch.load(path, weights_only=True)
    assert 0 < state["step"] < RECIPE.steps
    _, resumed = toy_training(tmp_path / "killed")
    assert same(straight, resumed)


def test_the_rate_rises_and_falls():
    rates = [RECIPE.rate_at(step) for step in range(RECIPE.steps)]
    assert max(rates) == RECIPE.rate
    assert rates.index(max(rates)) in (1, 2)
    assert rates[-1] < 0.05 * RECIPE.rate
    assert in_lengths(RECIPE)["long"].steps == 96


def test_the_rate_starts_over_at_each_restart():
    recipe = replace(RECIPE, steps=30, rate=0.2, warmup=0.2, restarts=((10, 0.1),))
    alone = replace(recipe, steps=20, rate=0.1, restarts=())
    rates = [recipe.rate_at(step) for step in range(30)]
    assert rates[:10] == [replace(recipe, steps=10, restarts=()).rate_at(s) for s in range(10)]
    assert rates[10:] == [alone.rate_at(step) for step in range(20)]
    assert max(rates[:10]) == 0.2
    assert max(rates[10:]) == 0.1
    assert in_lengths(recipe)["long"].restarts == ((40, 0.1),)
    with pytest.raises(ValueError, match=r"within 8 steps are expected, got \[10\]"):
        replace(recipe, steps=8)


def test_every_image_once_then_anew():
    places = np.concatenate([batch_positions(10, 4, 0, step) for step in range(5)])
    assert sorted(places[:10]) == sorted(places[10:]) == list(range(10))
    assert list(places[:10]) != list(places[10:])
    assert list(batch_positions(3, 8, 0, 0)) != sorted(batch_positions(3, 8, 0, 0))


def test_moving_shifts_and_flips_within_the_image():
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


def test_warping_turns_about_the_middle_and_repeats_itself():
    images = torch.full((8, 3, 32, 32), 200, dtype=torch.uint8)
    images[:, :, :, :16] = 20
    warping = {"rotation": 20.0, "shear": 0.0, "zoom": 0.0}
    turned = warp(images, warping, np.random.default_rng(0))
    assert turned.dtype == torch.uint8
    assert torch.equal(turned, warp(images, warping, np.random.default_rng(0)))
    top, bottom = (turned[:, 0, row].float().mean(1) for row in (2, 29))
    # A vertical edge that is turned lies to the left above and to the right below, or the reverse.
    assert ((top - 110).sign() == -(bottom - 110).sign()).all()
    assert (top - bottom).abs().min() > 1
    still = warp(images, dict.fromkeys(warping, 0.0), np.random.default_rng(0))
    assert torch.equal(still, images)
    zoomed = warp(images, {"rotation": 0.0, "shear": 0.0, "zoom": 0.2}, np.random.default_rng(0))
    assert (zoomed[:, :, 5] == zoomed[:, :, 20]).all()


def test_the_published_recipe_starts_from_scratch(brief):
    order = Order(limit=40, precision="fp32")
    scratch = replace(order, recipe="endo-2020-published")
    backbone = load_backbone("vgg-tiny", dataset="shapes10").module.state_dict()
    distance = []
    for one in (order, scratch):
        made = weights.load(train_one(one, "jpg", "jpeg_compression", again=True).card)
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


def test_degrading_mixes_corruptions_and_can_leave_some_alone():
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
    """A data set that notes what is read."""

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
def test_times_are_understood(text, seconds):
    assert seconds_in(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-3m", "0s", "3 days"])
def test_other_times_are_refused(text):
    with pytest.raises(RobobenchError, match="25m"):
        seconds_in(text)


def test_the_plan_begins_with_the_classifier_and_holds_everything_once():
    plan = planned()
    assert plan[0] == ("org", "clean")
    assert len(set(plan)) == len(plan)
    assert {("afd", "jpeg_compression"), ("ddp", "noise"), ("jpg", "jpeg_compression")} <= set(plan)
    assert plan.index(("afd", "jpeg_compression")) < plan.index(("afd", "noise"))


def test_what_is_wanted_is_checked():
    order = Order()
    assert wanted(order, "afd", "jpeg,noise") == [("afd", "jpeg_compression"), ("afd", "noise")]
    assert wanted(order, "afd@jpeg", None) == [("afd", "jpeg_compression")]
    assert wanted(order, "jpg", None) == [("jpg", "jpeg_compression")]
    assert wanted(order, None, None) == planned()
    for method, trained_on, message in (
        ("median", None, "nothing to train"),
        ("afdd", None, "did you mean"),
        ("jpg", "noise", "jpg is trained on"),
        ("afd", "clean", "means nothing"),
        ("afd", "jpgg", "unknown corruption"),
        (None, "jpeg", "needs --method"),
        ("afd@jpeg", "noise", "one of both"),
    ):
        with pytest.raises(RobobenchError, match=message):
            wanted(order, method, trained_on)


@pytest.fixture
def brief(monkeypatch):
    """Every method is trained for six steps and validated on twenty images."""
    monkeypatch.setattr("robobench.training.pools._VALIDATION_IMAGES", 20)
    for name in METHODS:
        kind = METHODS[name]
        if kind.recipes(None):
            recipes = kind.recipes.__func__

            def shortened(cls, backbone, recipes=recipes):
                return {
                    name: replace(recipe, steps=6, batch=8, evaluations=1, restarts=())
                    for name, recipe in recipes(cls, backbone).items()
                }

            monkeypatch.setattr(kind, "recipes", classmethod(shortened))


TRAINED = [n for n in METHODS.names() if METHODS[n].recipes(None) and not METHODS[n].trained_as]


@pytest.mark.parametrize("name", TRAINED)
def test_every_method_trains_and_its_weights_are_found(name, brief):
    trained_on = METHODS[name].trained_on or "jpeg_compression"
    order = Order(limit=40, precision="fp32")
    if behind := getattr(METHODS[name], "restorer", None):
        train_one(order, behind, trained_on)
    made = train_one(order, name, trained_on, again=True)
    assert made.trained
    loaded = weights.load(made.card)
    card = loaded.card
    assert (card.method, card.trained_on, card.train_seed) == (name, trained_on, 0)
    assert card.images == "40 images of the training split of shapes10"
    assert card.accuracy
    assert card.recipe["steps"] == 6
    assert f"--method {name}" in card.command
    assert not list((made.card.parent / "unfinished").glob("*.pt"))
    assert list((made.card.parent / "curves").glob("*.jsonl"))
    assert not train_one(order, name, trained_on).trained


def test_unlabelled_photographs_are_enough_for_a_plugin(brief, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    order = Order(images=str(tmp_path), limit=5, precision="fp32", seed=0)
    made = train_one(order, "afd", "fog", again=True)
    assert "5 images of" in weights.read_card(made.card).images
    with pytest.raises(RobobenchError, match="class"):
        train_one(order, "jpg", "jpeg_compression", again=True)


def test_the_command_prints_what_it_made(brief):
    arguments = ["--method", "ddp", "--trained-on", "noise", "--limit", "30", "--again"]
    result = CliRunner().invoke(train, [*arguments, "--precision", "fp32"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "ddp@noise: trained, validation fidelity" in result.output
    again = CliRunner().invoke(train, arguments[:-1], catch_exceptions=False)
    assert "there already" in again.output


def test_the_command_stops_in_time_and_says_so(brief):
    with pytest.raises(TimeLimitReached, match="the same command goes on"):
        train.main(
            ["--method", "ddp", "--trained-on", "noise", "--limit", "30", "--again",
             "--time-limit", "0.001s", "--precision", "fp32"],
            standalone_mode=False,
        )  # fmt: skip
    assert not list(weights.folder().glob("*.json"))
    assert list((weights.folder() / "unfinished").glob("*ddp*.pt"))


def test_a_classifier_starts_from_a_file_of_weights(brief, tmp_path):
    trained = train_one(Order(limit=40, precision="fp32"), "org", "clean", again=True)
    file = trained.card.with_suffix(".safetensors")
    kept = weights.load(trained.card).tensors["stem.0.0.weight"]
    start = tmp_path / "start.safetensors"
    start.write_bytes(file.read_bytes())
    order = Order(limit=40, precision="fp32", seed=1, start=str(start))
    made = weights.load(train_one(order, "org", "clean", again=True).card)
    fresh = weights.load(train_one(replace(order, start=None), "org", "clean", again=True).card)
    # Six steps change little.
    distance = [(w.tensors["stem.0.0.weight"] - kept).norm() for w in (made, fresh)]
    assert 0 < distance[0] < distance[1] / 5
    assert made.card.recipe["network"]["start"].startswith("start.safetensors, sha256 ")
    assert "--start start.safetensors" in made.card.command


@pytest.mark.parametrize(
    ("method", "start", "message"),
    [("jpg", "here", "for the classifier itself"), ("org", "nowhere", "there is no such file")],
)
def test_a_start_that_makes_no_sense_is_refused(brief, method, start, message):
    with pytest.raises(RobobenchError, match=message):
        train_one(Order(limit=40, start=start), method, METHODS[method].trained_on, again=True)


def test_a_start_of_another_architecture_is_refused(brief, tmp_path):
    from safetensors.torch import save_file

    save_file(own_network("resnet-20", 10).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(RobobenchError, match="does not fit vgg-tiny"):
        train_one(Order(limit=40, start=str(tmp_path / "other.safetensors")), "org", "clean",
                  again=True)  # fmt: skip


def test_an_estimator_is_shared_between_data_sets(brief):
    order = Order(limit=40, precision="fp32", recipe="endo-2020")
    estimator = BlockEstimator()
    state = {f"estimator.{k}": v for k, v in estimator.state_dict().items()}
    cifar = weights.Card(
        method="jpg-estqf", belongs_to="classifier", dataset="cifar10", backbone="vgg-tiny",
        backbone_digest="", trained_on="jpeg_compression", train_seed=0, digest="", file="",
        command="", recipe={"network": {"estimator_width": "blocks"}}, images="", accuracy={},
        parameters=0, minutes=0.0, versions={},
    )  # fmt: skip
    weights.save(cifar, state)
    made = weights.load(train_one(order, "jpg-estqf", "jpeg_compression", again=True).card)
    assert torch.equal(made.tensors["estimator.slopes"], estimator.slopes.half())
    assert made.card.recipe["network"]["estimator"].startswith("of cifar10-vgg-tiny-jpg-estqf")


def test_networks_of_others_are_not_trained_here():
    with pytest.raises(RobobenchError, match="as it is"):
        train_one(Order(backbone="torchvision:resnet18"), "org", "clean")


@pytest.mark.parametrize("name", [n for n in METHODS.names() if METHODS[n].trained_as])
def test_what_takes_anothers_weights_says_so(name):
    owner = METHODS[name].trained_as
    with pytest.raises(RobobenchError, match=f"{name} takes the weights of {owner}"):
        train_one(Order(limit=40), name, METHODS[name].trained_on, again=True)
