"""What a method costs: passes and networks are counted, milliseconds measured in the run."""

import time

import pytest
import torch

import robobench
from robobench.registry import METHODS
from robobench.reports.builder import compose
from robobench.results.manifest import timed_methods
from robobench.results.store import Store
from robobench.weights.classifiers import load_backbone


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("vgg-tiny", dataset="shapes10")


class Mirrored(robobench.Method):
    """Two passes."""

    def predict(self, images, context):
        return (self.backbone(images) + self.backbone(images.flip(-1))) / 2


class Constant(robobench.Method):
    """No network at all."""

    def predict(self, images, context):
        return torch.eye(self.backbone.num_classes)[torch.zeros(len(images), dtype=torch.int64)]


class InTwoParts(robobench.Method):
    """One pass, through the stem and the rest."""

    def predict(self, images, context):
        assert context.level == 50
        return self.backbone.rest(self.backbone.stem(images)).softmax(1)

    needs = frozenset({"level"})


class WithAnother(robobench.Method):
    """A second network beside the classifier."""

    def __init__(self, backbone):
        super().__init__(backbone)
        self.filter = torch.nn.Conv2d(3, 3, 3, padding=1, bias=False)

    def predict(self, images, context):
        return self.backbone(self.filter(images.float()).byte())


class Broken(robobench.Method):
    """Fails its cells; the run says so."""

    def predict(self, images, context):
        raise ValueError("no")


def test_passes_and_networks_are_counted(backbone):
    alone = backbone.cost()
    assert METHODS["org"](backbone).cost() == alone
    assert METHODS["median"](backbone).cost() == alone
    assert Mirrored(backbone).cost() == robobench.Cost(alone.parameters, 2 * alone.macs)
    assert Constant(backbone).cost() == robobench.Cost(0, 0)
    assert InTwoParts(backbone).cost() == alone
    assert WithAnother(backbone).cost() == robobench.Cost(
        alone.parameters + 81, alone.macs + 81 * 32 * 32
    )
    assert Broken(backbone).cost() == alone


def test_an_onnx_file_counts_with_each_pass(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper = onnx.helper
    weight = onnx.numpy_helper.from_array(torch.ones(2, 3, 8, 8).numpy(), "weight")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weight"], ["map"]),
            helper.make_node("Flatten", ["map"], ["logits"]),
        ],
        "net",
        [helper.make_tensor_value_info("image", 1, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", 1, ["n", 2])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    found = load_backbone(f"onnx:{tmp_path}/net.onnx", dataset="folder:x", class_names=("a", "b"))
    assert found.cost() == robobench.Cost(384, 384)
    assert Mirrored(found).cost() == robobench.Cost(384, 768)
    assert Constant(found).cost() == robobench.Cost(0, 0)


@pytest.mark.filterwarnings("ignore")  # what torch says of its own formats
def test_a_program_for_two_images_at_once_counts_one(tmp_path):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)).eval()
    program = torch.export.export(network, (torch.rand(2, 3, 8, 8),))
    torch.export.save(program, tmp_path / "net.pt2")
    found = load_backbone(f"pt2:{tmp_path}/net.pt2", dataset="folder:x", class_names=("a", "b"))
    assert METHODS["org"](found).cost().macs == 384


def test_cost_is_of_the_images_of_the_run(tmp_path):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 10, 3, bias=False), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    images = torch.randint(256, (20, 3, 16, 16), dtype=torch.uint8)
    done = robobench.run(
        "org", "contrast", (images, torch.arange(20) % 10), network, severities="3",
        mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), out=tmp_path,
    )  # fmt: skip
    assert done.manifest["methods"][0]["macs"] == 270 * 14 * 14


class Slow(robobench.Method):
    """Takes four milliseconds an image longer; its network counts once."""

    def predict(self, images, context):
        time.sleep(0.004 * len(images))
        return self.backbone(images)


@pytest.fixture
def plugged(registered):
    robobench.method("slow")(Slow)
    robobench.method("constant")(Constant)
    robobench.method("broken")(Broken)


@pytest.mark.usefixtures("plugged")
def test_milliseconds_are_measured_in_the_run_and_no_cell_depends_on_them(tmp_path):
    settings = {"corruptions": "contrast", "severities": "3", "limit": 80}
    done = robobench.run("org,slow,constant", out=tmp_path / "run", **settings)
    told = {entry["method"]: entry for entry in timed_methods(done.manifest)}
    assert 4 < told["slow"]["milliseconds"] < 100  # it sleeps for four of them
    assert told["constant"]["milliseconds"] < 1
    assert told["slow"]["batch"] == 64
    assert "thread" in told["slow"]["timed_on"]
    again = robobench.run("org,slow,constant", out=tmp_path / "again", **settings)
    for cell in done.cells:
        assert Store(done.folder).path(cell).read_bytes() == again.store.path(cell).read_bytes()
    resumed = robobench.run("org,slow,constant", out=tmp_path / "run", **settings)
    assert "times" not in resumed.manifest["sessions"][1]  # nothing was left to do
    assert {e["method"]: e for e in timed_methods(resumed.manifest)} == told
    (table,) = (b for b in compose([resumed], ["cost"]).parts[0].blocks if hasattr(b, "frame"))
    times = table.frame["time, times org"]
    passes = table.frame["times org"]
    ratio = told["slow"]["milliseconds"] / told["org"]["milliseconds"]
    assert times["slow"].value == pytest.approx(ratio)
    assert (passes["slow"].value, passes["constant"].value) == (1, 0)
    assert table.frame["parameters"]["constant"].value == 0
    assert any("Time: measured in the run, on " in note for note in table.notes)


@pytest.mark.parametrize(("slow", "calls"), [(60.0, 4), (0.1, 1)])
def test_a_slow_method_is_called_once_to_be_timed(slow, calls, registered, tmp_path, monkeypatch):
    began = []

    @robobench.method("counted")
    class Counted(Slow):
        def predict(self, images, context):
            began.append(len(images))
            return super().predict(images, context)

    for name in ("_SLOW", "_SECONDS"):
        monkeypatch.setattr(f"robobench.evaluation.timing.{name}", slow)
    done = robobench.run("counted", "contrast", severities="3", limit=64, out=tmp_path)
    told = {entry["method"]: entry for entry in timed_methods(done.manifest)}
    assert 4 < told["counted"]["milliseconds"] < 100
    assert began.count(64) == 2 * (calls + 1), "on clean images and degraded ones, and in the run"


@pytest.mark.usefixtures("plugged")
def test_a_method_that_raises_has_no_time_and_its_cells_are_named(tmp_path):
    with pytest.raises(robobench.errors.CellsFailed, match="broken on clean"):
        robobench.run("broken", "contrast", severities="3", limit=10, out=tmp_path / "run")
    manifest = robobench.load(tmp_path / "run").manifest
    assert {e["method"]: "milliseconds" in e for e in timed_methods(manifest)} == {
        "org": True, "broken": False,
    }  # fmt: skip


@pytest.mark.usefixtures("plugged")
def test_a_slow_method_is_timed_once_per_condition(tmp_path, monkeypatch):
    called = []
    predict = Slow.predict
    monkeypatch.setattr(
        Slow, "predict", lambda *told: called.append(len(told[1])) or predict(*told)
    )
    monkeypatch.setattr("robobench.evaluation.timing._SECONDS", 0.4)
    settings = {"corruptions": "contrast", "severities": "3", "limit": 64}
    done = robobench.run("slow", no_reference=True, out=tmp_path / "run", **settings)
    # Under each of two conditions: a first call, one that is timed, and the run.
    assert [count for count in called if count == 64] == [64] * 6
    assert timed_methods(done.manifest)[0]["milliseconds"] > 4
