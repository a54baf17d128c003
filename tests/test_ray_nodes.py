"""A Ray cluster of two nodes that share no folder, and what becomes of a run when parts of it are killed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from ray_processes import kill, ray_processes, wait_until
from stored_cells import cells_of

import robobench
from robobench.errors import RobobenchError

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

# Waits instead of computing, so that there is time to kill something in.
SLOW = """
import time
import robobench

@robobench.method("slow")
class Slow(robobench.Method):
    "The classifier, slowly."

    def predict(self, images, context):
        time.sleep({seconds})
        return self.backbone(images)
"""


@pytest.fixture
def nodes(tmp_path_factory, monkeypatch):
    """A head without processors, and two nodes of one each, with folders of their own."""
    from ray.cluster_utils import Cluster

    before = ray_processes()
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # a node that is gone is noticed sooner than by default
    monkeypatch.setenv("RAY_health_check_period_ms", "1000")
    monkeypatch.setenv("RAY_health_check_failure_threshold", "3")
    store = {"object_store_memory": 200 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})

    def add():
        folder = tmp_path_factory.mktemp("node", numbered=True)
        (folder / "tmp").mkdir()
        variables = {"TMPDIR": str(folder / "tmp")}
        return cluster.add_node(num_cpus=1, env_vars=variables, **store)

    cluster.add = add
    cluster.members = [add(), add()]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    assert wait_until(lambda: not ray_processes() - before)


@pytest.fixture
def settings(tmp_path, registered, monkeypatch):
    monkeypatch.setattr("robobench.evaluation.groups._LEAST_PREDICTIONS", 100)
    monkeypatch.setattr("robobench.evaluation.groups._GROUPS_OF_ONE_WORKER", 12)
    plugin = tmp_path / "slow.py"
    plugin.write_text(SLOW.format(seconds=0.25))
    return {
        "methods": "slow",
        "corruptions": "jpeg:5-60/5,gaussian_noise,fog",
        "limit": 100,
        "plugin": (str(plugin),),
    }


def run_meanwhile(work, folder, settings):
    """A run on Ray, in a thread since nodes can be added in the main thread alone, and `work` meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(robobench.run, executor="ray", out=folder, **settings)
        work()
        return running.result()


def progress(folder):
    return len(list((folder / "cells").glob("*.npz")))


def kill_in_turn(folder, kill_one, times):
    """Kill something whenever the run has stored another cell."""
    for _ in range(times):
        before = progress(folder)
        assert wait_until(lambda before=before: progress(folder) > before, 90)
        kill_one()


def kill_a_worker():
    (process, *_) = wait_until(lambda: ray_processes("ray::Worker.evaluate"))
    kill(process)


def run_and_compare(tmp_path, settings, work):
    robobench.run(out=tmp_path / "local", **settings)
    run = run_meanwhile(work, tmp_path / "ray", settings)
    assert run.is_complete
    assert cells_of(tmp_path / "ray") == cells_of(tmp_path / "local")
    # each cell came once: clean among them
    (session,) = run.manifest["sessions"]
    assert session["cells"] == len(cells_of(tmp_path / "ray")) == len(set(session["made"]))


@pytest.mark.slow
def test_two_nodes_without_a_shared_folder(tmp_path, nodes, settings):
    seen = set()

    def look():
        wait_until(lambda: len(ray_processes("ray::Worker")) == 2)
        for process in ray_processes("ray::Worker"):
            with open(f"/proc/{process}/environ", "rb") as file:
                variables = dict(v.partition(b"=")[::2] for v in file.read().split(b"\0"))
            seen.add(variables.get(b"TMPDIR"))

    settings["corruptions"] = "jpeg:10-40/10,gaussian_noise"
    run_and_compare(tmp_path, settings, look)
    assert len(seen) == 2  # a worker on each


@pytest.mark.slow
def test_ten_workers_killed_in_turn(tmp_path, nodes, settings):
    run_and_compare(tmp_path, settings, lambda: kill_in_turn(tmp_path / "ray", kill_a_worker, 10))


@pytest.mark.slow
def test_ten_nodes_killed_in_turn(tmp_path, nodes, settings):
    def kill_a_node():
        node = nodes.members.pop(0)
        nodes.remove_node(node, allow_graceful=False)
        nodes.members.append(nodes.add())

    run_and_compare(tmp_path, settings, lambda: kill_in_turn(tmp_path / "ray", kill_a_node, 10))


@pytest.mark.slow
def test_the_last_node_lost_ends_the_run(tmp_path, nodes, settings, monkeypatch):
    """What is stored is kept, and the run goes on where there is a machine."""
    monkeypatch.setattr("robobench.evaluation.spreading._SECONDS_WITHOUT_ROOM", 2.0)

    def kill_both():
        for node in nodes.members:
            nodes.remove_node(node, allow_graceful=False)

    with pytest.raises(RobobenchError, match="no machine is left to compute on"):
        run_meanwhile(
            lambda: kill_in_turn(tmp_path / "ray", kill_both, 1), tmp_path / "ray", settings
        )
    stored = progress(tmp_path / "ray")
    run = robobench.run(out=tmp_path / "ray", **settings)
    assert run.is_complete
    assert run.manifest["sessions"][1]["cells"] == len(run.cells) - stored
