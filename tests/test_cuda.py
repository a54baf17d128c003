"""On a GPU everything gives what it gives on the CPU; skipped where there is none."""

import numpy as np
import pytest
import recorded_outputs as recorded
import torch
from click.testing import CliRunner
from test_recorded_outputs import close_pixels

from robobench.cli import cli
from robobench.corruptions import apply, apply_each, catalogue
from robobench.results.run import load
from robobench.training.degrader import Degrader

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize(
    "name", [n for n in recorded.built_in_corruptions() if n[:4] not in ("webp", "avif")]
)
@pytest.mark.parametrize(("side", "profile"), [(224, "imagenet-c"), (32, "cifar-c")])
def test_corruptions_agree(name, side, profile):
    images = recorded.images(4, side)
    for severity in (1, 3, 5):
        degradation = catalogue.at_severity(name, severity, profile)
        here = apply(images, degradation, torch.arange(4), 3)
        there = apply(images.cuda(), degradation, torch.arange(4), 3)
        assert there.is_cuda
        assert close_pixels(here.numpy(), there.cpu().numpy())


@pytest.mark.parametrize("name", ["gaussian_noise", "jpeg_compression", "fog"])
def test_levels_of_their_own_agree(name):
    images = recorded.images(5, 48)
    levels = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]) * (1 if catalogue.native(name) is None else 4)
    here = apply_each(images, name, levels, torch.arange(5), 1, "imagenet-c")
    there = apply_each(images.cuda(), name, levels, torch.arange(5), 1, "imagenet-c")
    assert close_pixels(here.numpy(), there.cpu().numpy())


def test_training_images_are_degraded_there():
    images = recorded.images(16, 32)
    degrader = Degrader(
        ["gaussian_noise", "jpeg_compression", "frost"], "cifar-c",
        ranges={"jpeg_compression": (5, 90)}, seed=0, logarithmic=True,
    )  # fmt: skip
    (here, levels), (there, same) = degrader(images, 2), degrader(images.cuda(), 2)
    assert there.is_cuda
    assert close_pixels(here.numpy(), there.cpu().numpy())
    assert torch.equal(levels.nan_to_num(-1), same.cpu().nan_to_num(-1))


@pytest.mark.parametrize(
    "entry", list(recorded.shipped()), ids=lambda entry: recorded.label(*entry)
)
def test_methods_agree(entry):
    here = recorded.method_outputs(*entry)
    there = recorded.method_outputs(*entry, device="cuda")
    assert np.abs(here - there).max() < 0.01


def test_a_run_and_a_training_agree(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(tmp_path / "weights"))
    accuracy = {}
    for device in ("cpu", "cuda"):
        out = tmp_path / device
        command = (
            f"run --methods org,jpg,median --corruptions jpeg,noise --limit 100 --out {out} "
            f"--device {device} --precision fp32"
        )
        done = CliRunner().invoke(cli, command.split())
        assert done.exit_code == 0, done.output
        frame = load(out).frame
        accuracy[device] = frame[frame["metric"] == "accuracy"]["value"].to_numpy()
    assert len(accuracy["cpu"]) >= 3 * 11
    assert np.abs(accuracy["cpu"] - accuracy["cuda"]).max() <= 0.02
    command = "train --method afd@jpeg --limit 100 --recipe quick --device cuda --keep-anyway"
    done = CliRunner().invoke(cli, command.split())
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "weights").glob("*.safetensors"))


def test_a_compiled_run_agrees(tmp_path):
    pytest.importorskip("triton")
    accuracy = []
    for word in ("never", "always"):
        command = f"run --methods afd --corruptions jpeg --limit 100 --device cuda --compile {word}"
        done = CliRunner().invoke(cli, [*command.split(), "--out", str(tmp_path / word)])
        assert done.exit_code == 0, done.output
        frame = load(tmp_path / word).frame
        accuracy.append(frame[frame["metric"] == "accuracy"]["value"].to_numpy())
    assert np.abs(accuracy[0] - accuracy[1]).max() <= 0.02
