"""How ``interpolate(..., antialias=True)`` is written in ONNX.

torch's exporter from traces knows no such operator, and few runtimes know the option of ONNX's own.
For images of a fixed size it is a product with one matrix from each side, which all of them know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, onnx
from torch.nn.functional import interpolate

_OPERATOR: Final = "aten::_upsample_bilinear2d_aa"


@contextmanager
def antialiased_resize(opset: int) -> Iterator[None]:
    """Teach torch's ONNX exporter the operator while it is entered."""
    exporter: Any = onnx  # what it exports is not declared
    exporter.register_custom_op_symbolic(_OPERATOR, _as_products, opset)
    try:
        yield
    finally:
        exporter.unregister_custom_op_symbolic(_OPERATOR, opset)


def resizing_matrix(before: int, after: int) -> Tensor:
    """What turns a column of ``before`` pixels into one of ``after``, float32 after x before."""
    unit = torch.eye(before)[None, None]
    return interpolate(unit, (after, before), mode="bilinear", antialias=True)[0, 0]


def _as_products(graph: Any, images: Any, *_: Any) -> Any:
    made = graph.original_node.output()
    before, after = images.type().varyingSizes(), made.type().varyingSizes()  # all but the batch
    rows = graph.op("Constant", value_t=resizing_matrix(before[2], after[2]))
    columns = graph.op("Constant", value_t=resizing_matrix(before[3], after[3]).T.contiguous())
    return graph.op("MatMul", graph.op("MatMul", rows, images), columns)
