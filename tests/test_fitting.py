"""The training loop."""

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
from torch import nn

from robobench.errors import RobobenchError
from robobench.training.fitting import (
    LoopSettings,
    TimeLimitReached,
    batch_positions,
    fit_network,
    rate_at,
)
from robobench.training.recipes import recorded
from robobench.types import Recipe

RECIPE = Recipe(steps=24, batch=8, rate=0.02, minutes=0.1, evaluations=4)


def toy_training(folder, *, stop_at=None, recipe=RECIPE, **settings):
    """A small regression with dropout and batch normalisation: its outcome and final weights."""
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

    settings = {"precision": "fp32", **settings}
    fit = fit_network(
        network,
        objective,
        validate,
        recipe,
        LoopSettings(3, folder / "toy.pt", torch.device("cpu"), **settings),
    )
    return fit, {k: v.clone() for k, v in network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_fitting_learns_and_is_repeatable(tmp_path):
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

    settings = LoopSettings(0, tmp_path / "toy.pt", torch.device("cpu"), precision="fp32")
    recipe = replace(RECIPE, keep=keep)
    fit = fit_network(
        network, lambda step: network(torch.ones(2, 1)).mean(), validate, recipe, settings
    )
    assert fit.figures == {"score": kept}
    assert same(dict(network.state_dict()), states[kept])


@pytest.mark.parametrize("stop_at", [1, 7, 23])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, stop_at):
    _, straight = toy_training(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        toy_training(tmp_path / "cut", stop_at=stop_at)
    fit, resumed = toy_training(tmp_path / "cut")
    assert same(straight, resumed)
    assert len((tmp_path / "cut" / "toy.jsonl").read_text().splitlines()) == 4
    assert fit.minutes > 0


def test_a_finished_training_is_not_repeated(tmp_path):
    _, numbers = toy_training(tmp_path)
    _, again = toy_training(tmp_path, stop_at=0)
    assert same(numbers, again)


def test_the_same_call_resumes_after_the_time_limit(tmp_path):
    _, straight = toy_training(tmp_path / "straight")
    for stop in range(1, RECIPE.steps):
        with pytest.raises(TimeLimitReached, match=f"after step {stop} of 24"):
            toy_training(tmp_path / "limited", deadline=time.monotonic())
    _, numbers = toy_training(tmp_path / "limited", deadline=time.monotonic())
    assert same(straight, numbers)


def test_a_checkpoint_of_other_settings_is_ignored(tmp_path):
    toy_training(tmp_path)
    _, other = toy_training(tmp_path, recipe=replace(RECIPE, rate=0.01))
    _, first = toy_training(tmp_path / "fresh")
    assert not same(first, other)


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "toy.pt").write_bytes(b"nothing")
    with pytest.raises(RobobenchError, match=r"toy\.pt cannot be read"):
        toy_training(tmp_path)


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    network = nn.Linear(1, 1)
    bad = torch.tensor(math.nan)
    with pytest.raises(RobobenchError, match="diverged"):
        fit_network(
            network,
            lambda step: network.weight.sum() * bad,
            lambda: {"x": 0.0},
            RECIPE,
            LoopSettings(0, tmp_path / "x.pt", torch.device("cpu"), precision="fp32"),
        )


def test_measuring_the_precision_has_no_side_effects(tmp_path):
    _, fixed = toy_training(tmp_path / "fixed")
    fit, measured = toy_training(tmp_path / "auto", precision="auto")
    assert fit.precision in ("fp32", "bf16")
    if fit.precision == "fp32":
        assert same(fixed, measured)


def test_a_training_survives_sigkill(tmp_path, monkeypatch):
    """A killed training, resumed in another process, ends with the same weights."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time, pathlib, torch
        import robobench.training.fitting as fitting
        sys.path.insert(0, sys.argv[2])
        fitting._CHECKPOINT_SECONDS = 0.0
        import test_fitting
        slow = test_fitting.batch_positions
        def batch_positions(*arguments):
            time.sleep(0.05)
            return slow(*arguments)
        test_fitting.batch_positions = batch_positions
        torch.set_num_threads(1)
        test_fitting.toy_training(pathlib.Path(sys.argv[1]))
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
    rates = [rate_at(RECIPE, step) for step in range(RECIPE.steps)]
    assert max(rates) == RECIPE.rate
    assert rates.index(max(rates)) in (1, 2)
    assert rates[-1] < 0.05 * RECIPE.rate
    assert RECIPE.in_lengths()["long"].steps == 96


def test_the_rate_starts_over_at_each_restart():
    recipe = replace(RECIPE, steps=30, rate=0.2, warmup=0.2, restarts=((10, 0.1),))
    alone = replace(recipe, steps=20, rate=0.1, restarts=())
    rates = [rate_at(recipe, step) for step in range(30)]
    assert rates[:10] == [rate_at(replace(recipe, steps=10, restarts=()), s) for s in range(10)]
    assert rates[10:] == [rate_at(alone, step) for step in range(20)]
    assert max(rates[:10]) == 0.2
    assert max(rates[10:]) == 0.1
    assert recipe.in_lengths()["long"].restarts == ((40, 0.1),)
    with pytest.raises(ValueError, match=r"within 8 steps are expected, got \[10\]"):
        replace(recipe, steps=8)


def test_every_image_comes_once_per_epoch():
    places = np.concatenate([batch_positions(10, 4, 0, step) for step in range(5)])
    assert sorted(places[:10]) == sorted(places[10:]) == list(range(10))
    assert list(places[:10]) != list(places[10:])
    assert list(batch_positions(3, 8, 0, 0)) != sorted(batch_positions(3, 8, 0, 0))


# Averaging the weights at the ends of cycles.

CYCLES = replace(RECIPE, restarts=((8, 0.02), (16, 0.02)), keep="last", averaged=2)


def test_the_ends_of_the_last_cycles_are_averaged(tmp_path):
    network = nn.Linear(1, 1)
    ends = []

    def objective(step):
        if step == 16:  # the second cycle is over
            ends.append({k: v.clone() for k, v in network.state_dict().items()})
        return network(torch.ones(2, 1)).mean()

    def validate():
        ends.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"score": 0.0}

    settings = LoopSettings(0, tmp_path / "toy.pt", torch.device("cpu"), precision="fp32")
    fit_network(network, objective, validate, replace(CYCLES, evaluations=1), settings)
    second, third, mean = ends
    for name, value in network.state_dict().items():
        assert torch.equal(value, torch.lerp(second[name], third[name], 1 / 2))
        assert not torch.equal(value, third[name])
        assert torch.equal(value, mean[name])  # what is kept is what was judged


def test_batch_statistics_are_those_of_the_averaged_weights(tmp_path):
    """Not the mean of the statistics, as the averaged layers before have other outputs."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    inputs = 3 * torch.randn(8, 4)

    def objective(step):
        return (network(inputs) - inputs.sum(1, keepdim=True)).square().mean()

    settings = LoopSettings(0, tmp_path / "toy.pt", torch.device("cpu"), precision="fp32")
    fit_network(network, objective, lambda: {"score": 0.0}, CYCLES, settings)
    answers = network[0](inputs)
    torch.testing.assert_close(network[1].running_mean, answers.mean(0))
    torch.testing.assert_close(network[1].running_var, answers.var(0))
    assert network[1].momentum == 0.1


@pytest.mark.parametrize("stop_at", [3, 9, 16, 20])
def test_averaging_survives_an_interruption(tmp_path, stop_at):
    _, straight = toy_training(tmp_path / "straight", recipe=CYCLES)
    with pytest.raises(KeyboardInterrupt):
        toy_training(tmp_path / "cut", stop_at=stop_at, recipe=CYCLES)
    _, resumed = toy_training(tmp_path / "cut", recipe=CYCLES)
    assert same(straight, resumed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"averaged": 4}, "1 to 3 averaged cycles are expected, got 4"),
        ({"averaged": 0}, "1 to 3 averaged cycles are expected, got 0"),
        ({"keep": "best"}, "1 to 1 averaged cycles are expected, got 2"),
    ],
)
def test_averaging_more_cycles_than_there_are_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CYCLES, **change)


def test_a_recipe_on_a_card_tells_the_averaged_cycles():
    assert recorded(CYCLES)["averaged"] == 2
    assert "averaged" not in recorded(RECIPE)
