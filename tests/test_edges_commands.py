"""Proposed commands work as they stand, options are not ignored, and odd ONNX files are named."""

import re
import shlex

import numpy as np
import pytest
from edges import ending
from PIL import Image

from robobench.backbones.onnx_network import OnnxNetwork
from robobench.errors import MissingWeights, RobobenchError
from robobench.training.pools import open_pools
from robobench.types import Geometry
from robobench.weights.classifiers import own_classifier_card

NET = """
from torchvision.models import resnet18
def net():
    return resnet18(num_classes=2)
"""


@pytest.fixture
def pictures(tmp_path):
    """Two classes of pictures, in a folder whose name has to be quoted."""
    place = tmp_path / "my pictures; ls"
    for name in ("one", "two"):
        (place / name).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(np.full((32, 32, 3), 40 * k, np.uint8)).save(place / name / f"{k}.png")
    return place


def test_a_proposed_command_is_quoted(pictures, tmp_path, capsys):
    net = tmp_path / "my net.py"
    net.write_text(NET)
    (tmp_path / "classes.csv").write_text("folder,class\none,0\ntwo,1\n")
    command = ["run", "--methods", "afd", "--corruptions", "jpeg", "--severities", "1"]
    command += ["--dataset", f"folder:{pictures}", "--backbone", f"{net}:net", "--dry-run"]
    command += ["--classes", tmp_path / "classes.csv", "--out", tmp_path / "run"]
    code, line = ending(command, capsys)
    assert code == 2
    proposed = re.search(r"`([^`]+)`", line)
    assert proposed, line
    words = shlex.split(proposed[1])
    assert words[words.index("--dataset") + 1] == f"folder:{pictures}"
    assert words[words.index("--backbone") + 1] == f"{net}:net"


def test_a_command_for_a_networks_own_weights_is_quoted():
    with pytest.raises(MissingWeights) as caught:
        own_classifier_card("vgg-tiny", "folder:my pictures", 0)
    words = shlex.split(re.search(r"`([^`]+)`", str(caught.value))[1])
    assert words[words.index("--dataset") + 1].startswith("folder:")
    assert words[-2:] == ["--backbone", "vgg-tiny"]


def test_train_takes_classes(pictures, tmp_path, capsys):
    command = ["train", "--method", "org", "--backbone", "vgg-tiny", "--dataset", "shapes10"]
    command += ["--images", pictures, "--classes", tmp_path / "no.csv", "--again"]
    code, line = ending(command, capsys)
    assert code == 2
    assert "no.csv" in line


def test_classes_map_the_folders_of_a_training(pictures, tmp_path):
    file = tmp_path / "classes.csv"
    file.write_text("folder,class\none,zebra\ntwo,ape\n")
    images = open_pools(
        "folder:nowhere",
        Geometry(crop=32),
        images=str(pictures),
        limit=None,
        root=None,
        download=False,
        class_names=("ape", "zebra"),
        labelled=True,
        seed=0,
        classes=str(file),
    )
    assert images.train.dataset.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert len(images.validation) == 1


def onnx_file(path, shapes, out=("n", 4)):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    names = [f"x{k}" for k in range(len(shapes))]
    nodes = [helper.make_node("ReduceMean", [names[0] if names else "w"], ["y"], axes=[2, 3])]
    if len(out) == 2:
        nodes[0].attribute.append(helper.make_attribute("keepdims", 0))
    weights = [] if names else [onnx.numpy_helper.from_array(np.zeros((1, 3, 8, 8), "f"), "w")]
    inputs = [helper.make_tensor_value_info(n, kind, s) for n, s in zip(names, shapes, strict=True)]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return str(path)


@pytest.mark.parametrize(
    ("shapes", "out", "message"),
    [
        ([["n", 8, 8, 3]], (0, 0), "expected one float input N x 3 x H x W"),
        ([["n", 1, 8, 8]], (0, 0), "expected one float input N x 3 x H x W"),
        ([["n", 3, 8, 16]], (0, 0), "with H = W"),
        ([], (0, 0), "got no input"),
        ([["n", 3, 8, 8]], (0, 0, 0), "expected an output N x classes, got 1 x 3 x 1 x 1"),
    ],
    ids=["NHWC", "one channel", "oblong", "no input", "maps"],
)
def test_an_odd_onnx_file_is_named(shapes, out, message, tmp_path):
    onnx = pytest.importorskip("onnx")
    path = onnx_file(tmp_path / "odd.onnx", shapes, out)
    assert onnx.load(path)
    with pytest.raises(RobobenchError, match=r"odd\.onnx") as caught:
        OnnxNetwork(path)
    assert message in str(caught.value)
