"""A process for each GPU of a machine; tested with processes on the CPU."""

import os

import pytest
from stored_cells import cells_of

import robobench
from robobench.cli import _exit_code
from robobench.evaluation import devices

SETTINGS = {"methods": "median", "corruptions": "jpeg:10,gaussian_noise", "severities": "5"}


@pytest.fixture
def two(monkeypatch):
    """As on a machine with two GPUs, which are its CPU."""
    monkeypatch.setattr(devices, "devices_of", lambda plan: ["cpu", "cpu"])
    monkeypatch.setattr("robobench.evaluation.groups._LEAST_PREDICTIONS", 100)


def test_two_processes_write_the_same_bytes(tmp_path, two):
    run = robobench.run(out=tmp_path / "two", limit=70, **SETTINGS)
    assert run.is_complete
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "devices_of", lambda plan: ["cpu"])
        robobench.run(out=tmp_path / "one", limit=70, **SETTINGS)
    assert cells_of(tmp_path / "two") == cells_of(tmp_path / "one")
    # more images: the stored ones are handed to the processes, which continue them
    robobench.run(out=tmp_path / "two", limit=100, **SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "devices_of", lambda plan: ["cpu"])
        robobench.run(out=tmp_path / "one", limit=100, **SETTINGS)
    assert cells_of(tmp_path / "two") == cells_of(tmp_path / "one")


DEADLY = """
import os, pathlib, signal
import robobench

@robobench.method("deadly")
class Deadly(robobench.Method):
    "The classifier, whose process is killed the first time."

    def predict(self, images, context):
        mark = pathlib.Path(__file__).with_name("killed")
        if os.getpid() != {parent} and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.backbone(images)
"""


@pytest.mark.slow
def test_a_killed_process_costs_its_group_only(tmp_path, two, registered):
    plugin = tmp_path / "deadly.py"
    plugin.write_text(DEADLY.format(parent=os.getpid()))
    settings = SETTINGS | {"methods": "deadly", "plugin": (str(plugin),), "limit": 60}
    run = robobench.run(out=tmp_path / "run", **settings)
    assert (tmp_path / "killed").exists()
    assert run.is_complete
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "devices_of", lambda plan: ["cpu"])
        robobench.run(out=tmp_path / "one", **settings)
    assert cells_of(tmp_path / "run") == cells_of(tmp_path / "one")


def test_a_mistake_on_a_worker_is_one_line(tmp_path, two, monkeypatch, capsys):
    """A package that is no longer what it was when the run began."""
    monkeypatch.setattr("robobench.evaluation.carried.versions", lambda: {"torch": "0.1"})
    arguments = ["run", "--limit", "20", "--corruptions", "jpeg", "--out", str(tmp_path / "run")]
    assert _exit_code(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "torch is" in line
    assert "where the run was started" in line


def test_only_cuda_means_all_gpus(tmp_path, monkeypatch):
    import torch

    from robobench.evaluation.configuration import Configuration
    from robobench.evaluation.plan import prepare

    plan = prepare(Configuration(out=str(tmp_path), limit=20, corruptions="jpeg"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    found = {}
    for name in ("cuda", "cuda:1", "auto", "cpu"):
        plan.configuration = Configuration(device=name)
        plan.device = "cuda" if name == "auto" else name
        found[name] = devices.devices_of(plan)
    assert found == {
        "cuda": ["cuda:0", "cuda:1", "cuda:2"],
        "cuda:1": ["cuda:1"],
        "auto": ["cuda"],
        "cpu": ["cpu"],
    }
    plan.configuration, plan.in_memory, plan.device = Configuration(device="cuda"), True, "cuda"
    assert devices.devices_of(plan) == ["cuda"]
