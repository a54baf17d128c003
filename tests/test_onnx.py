"""Classifiers in ONNX files."""

import numpy as np
import pytest
import torch

from robobench.errors import RobobenchError
from robobench.weights.classifiers import load_backbone


def images(n, side=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


def onnx_file(path, softmax=False, batch="n"):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    matrix = rng.standard_normal((4, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["y"], ["p"]))
    out = "p" if softmax else "y"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, [batch, 3, 16, 16])],
        [helper.make_tensor_value_info(out, kind, [batch, 5])],
        [
            onnx.numpy_helper.from_array(kernel, "kernel"),
            onnx.numpy_helper.from_array(matrix, "matrix"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("softmax", [False, True])
def test_onnx_files_run_and_cannot_be_cut(tmp_path, softmax):
    backbone = load_backbone(f"onnx:{onnx_file(tmp_path / 'net.onnx', softmax)}")
    plain = load_backbone(f"onnx:{onnx_file(tmp_path / 'plain.onnx')}")
    batch = images(3, side=16)
    torch.testing.assert_close(backbone(batch), plain(batch), atol=1e-5, rtol=1e-4)
    assert backbone.geometry.crop == 16
    assert backbone.cost().macs == 4 * 27 * 256 + 20
    assert not backbone.splittable
    with pytest.raises(RobobenchError, match="ONNX file"):
        backbone.stem(batch)
    with pytest.raises(RobobenchError, match="cannot be trained"):
        backbone.twin()


def test_onnx_files_run_on_the_gpu_where_its_provider_is_there(tmp_path, monkeypatch):
    path, asked = onnx_file(tmp_path / "net.onnx"), []
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession

    def started(path, providers):
        asked.append(providers)
        return session(path, providers=["CPUExecutionProvider"])

    there = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    monkeypatch.setattr(onnxruntime, "InferenceSession", started)
    network = load_backbone(f"onnx:{path}").module
    assert asked == [["CPUExecutionProvider"]]
    device = torch.device("cuda", 1)
    with pytest.raises(RobobenchError, match="CUDAExecutionProvider does not start here"):
        network._start(device)
    assert asked[1:] == [[("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there[2:])
    network._start(device)
    assert (asked[2], network._device) == (["CPUExecutionProvider"], torch.device("cpu"))


def test_onnx_files_of_one_image_a_time_take_many(tmp_path):
    one = load_backbone(f"onnx:{onnx_file(tmp_path / 'one.onnx', batch=1)}")
    many = load_backbone(f"onnx:{onnx_file(tmp_path / 'many.onnx')}")
    batch = images(3, side=16)
    torch.testing.assert_close(one(batch), many(batch))
    assert one.digest == many.digest
