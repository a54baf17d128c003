"""How convolutions whose weights are computed in the network are written in ONNX.

torch's exporter from traces must know the shape of weights, which it infers anew from the operations
before them and loses behind a loop, though the trace tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from torch import onnx

_OPERATOR: Final = "aten::_convolution"


@contextmanager
def computed_kernels(opset: int) -> Iterator[None]:
    """Let torch's ONNX exporter take the shapes of weights from the trace while it is entered."""
    exporter: Any = onnx  # what it exports is not declared
    exporter.register_custom_op_symbolic(_OPERATOR, _convolution, opset)
    try:
        yield
    finally:
        exporter.unregister_custom_op_symbolic(_OPERATOR, opset)


def _convolution(graph: Any, images: Any, weights: Any, *others: Any) -> Any:
    from torch.onnx import symbolic_opset9

    known = [value.type() for value in graph.original_node.inputs()][1]
    if known.kind() == "TensorType" and known.sizes() is not None:
        weights.setType(known)
    return symbolic_opset9._convolution(graph, images, weights, *others)
