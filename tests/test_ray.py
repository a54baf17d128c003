"""On Ray or here: the same bytes, with nothing of this disk needed; with a real cluster of this machine."""

import importlib.util
import os
import shutil
import socket
import sys
import time

import pytest
from ray_processes import ray_processes, wait_until
from stored_cells import cells_of

import robobench
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.evaluation.classifiers import prepare_all
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.run import execute_all

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed"
)
SETTINGS = {
    "methods": "afd@matched",
    "corruptions": "jpeg:10,gaussian_noise",
    "severities": "1,5",
}
PLUGIN = """
import robobench

@robobench.method("brighter")
class Brighter(robobench.Method):
    "The classifier on images that are a little brighter."

    def predict(self, images, context):
        return self.backbone((images.int() + 9).clamp(0, 255).to(images.dtype))
"""


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two processors."""
    import ray

    before = ray_processes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=200 * 2**20,
            include_dashboard=False,
            logging_level="error",
        )
    yield ray
    ray.shutdown()
    assert wait_until(lambda: not ray_processes() - before)


@pytest.fixture
def small_groups(monkeypatch):
    monkeypatch.setattr("robobench.evaluation.groups._LEAST_PREDICTIONS", 100)


@needs_ray
def test_ray_writes_the_same_bytes(tmp_path, cluster, small_groups):
    for limit in (70, 100):  # then the workers continue what is stored
        settings = SETTINGS | {"limit": limit}
        on_ray = robobench.run(executor="ray", out=tmp_path / "ray", **settings)
        assert on_ray.is_complete
        robobench.run(out=tmp_path / "local", **settings)
        assert cells_of(tmp_path / "ray") == cells_of(tmp_path / "local")
    assert len(on_ray.manifest["sessions"][0]["made"]) == len(cells_of(tmp_path / "ray"))
    assert wait_until(lambda: not ray_processes("ray::Worker"))  # they are told to end, and do


@pytest.mark.slow
@needs_ray
def test_nothing_of_this_disk_is_needed(tmp_path, cluster, registered, monkeypatch):
    """Whatever the run names is gone before the workers begin."""
    import torch
    from made_up_images import photograph
    from safetensors.torch import save_file

    from robobench.backbones.own import own_network

    place = tmp_path / "place"
    for number, name in enumerate("abcdefghij"):
        for n in range(3):
            photograph(place / "photographs" / name / f"{n}.png", side=32, seed=3 * number + n)
    torch.manual_seed(0)
    save_file(own_network("vgg-tiny", 10).state_dict(), place / "weights.safetensors")
    (place / "plugin.py").write_text(PLUGIN)
    (place / "sizes.py").write_text("CLASSES = 10\n")
    (place / "net.py").write_text(
        "import sys, pathlib\n"
        "sys.path.insert(0, str(pathlib.Path(__file__).parent))\n"
        "import sizes, torch\n"
        "def net():\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, sizes.CLASSES))\n"
    )
    shutil.copytree(
        os.path.join(os.path.dirname(robobench.methods.__file__), "weights"),
        place / "own",
        ignore=shutil.ignore_patterns("cifar*"),
    )
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(place / "own"))
    settings = {
        "methods": ("brighter",),
        "corruptions": "jpeg:10,fog",
        "severities": "2",
        "dataset": f"folder:{place / 'photographs'}",
        "backbone": f"vgg-tiny,{place / 'net.py'}:net",
        "weights": f"{place / 'weights.safetensors'},",
        "classes": "sorted",
        "plugin": (str(place / "plugin.py"),),
        "resize": 32,
        "crop": 32,
    }
    monkeypatch.setattr(sys, "path", [*sys.path])
    robobench.run(out=tmp_path / "local", **settings)
    plans = prepare_all(Configuration(out=str(tmp_path / "ray"), executor="ray", **settings))
    for plan in plans:
        plan.source.clean(0, len(plan.source))
    real = robobench.evaluation.ray.spread

    def without_the_disk(*arguments):
        place.rename(tmp_path / "gone")
        try:
            return real(*arguments)
        finally:
            (tmp_path / "gone").rename(place)

    monkeypatch.setattr("robobench.evaluation.ray.spread", without_the_disk)
    assert execute_all(plans).is_complete
    assert len(cells_of(tmp_path / "ray")) == 12
    assert cells_of(tmp_path / "ray") == cells_of(tmp_path / "local")


@needs_ray
def test_a_gpu_that_the_cluster_lacks_is_one_line(tmp_path, cluster, capsys):
    arguments = ["run", "--executor", "ray", "--device", "cuda", "--limit", "20"]
    assert _exit_code([*arguments, "--corruptions", "jpeg", "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--device cuda: the Ray cluster has no GPU, only 2 CPU" in line


@pytest.fixture
def silent():
    """A port that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "silent"])
def test_a_dead_address_is_one_line_in_time(address, silent, tmp_path, capsys, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    address = silent if address == "silent" else address
    arguments = ["run", "--executor", "ray", "--ray-address", address, "--out", str(tmp_path / "r")]
    began = time.monotonic()
    assert _exit_code(arguments) == 2
    assert time.monotonic() - began < 15
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--ray-address {address}" in line
    assert "ray start --head" in line
    assert not (tmp_path / "r").exists()


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RobobenchError, match=r"robobench\[ray\]"):
        robobench.run(executor="ray", out=tmp_path, **SETTINGS)


@needs_ray
def test_what_exists_only_in_memory_is_refused(tmp_path, toy):
    with pytest.raises(RobobenchError, match="in memory use executor='local'"):
        robobench.run("org", "jpeg:10", executor="ray", out=tmp_path, **toy)
