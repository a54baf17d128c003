"""What a method costs: passes and networks are counted, milliseconds measured in the run."""

import pytest
import torch

import robobench
from robobench.registry import METHODS
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
