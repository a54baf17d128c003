"""A classifier in an ONNX file, which can be run but neither split nor trained.

On a GPU it runs where onnxruntime has a provider for it; images and logits then stay there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from robobench.backbones.export_card import PROPERTY, ExportCard
from robobench.backbones.networks import Network
from robobench.backbones.opaque import ANY_SIDE, OpaqueNetwork, opened
from robobench.errors import RobobenchError, foreign
from robobench.registry import backbone
from robobench.types import Cost

_CUDA: Final = "CUDAExecutionProvider"
# Providers that are used where the classifier is on a GPU only.
_ON_GPU: Final = (_CUDA, "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")


class OnnxNetwork(OpaqueNetwork):
    """An ONNX file, run by onnxruntime on what it was built for.

    Args:
        path: Path of the file, with one input N x 3 x H x W (float, or uint8 for pixels on 0..255)
            and one output N x classes: logits or, if the last operation is a softmax, probabilities.

    Attributes:
        side: Side of the images, in pixels; 224 where the file takes any.

    Raises:
        RobobenchError: The file is missing, is not ONNX or has other inputs, or the extra `onnx` is
            not installed.
    """

    opaque = "an ONNX file"  # its parts can be neither accessed nor trained

    def __init__(self, path: str) -> None:
        super().__init__(path, "onnx")
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise RobobenchError(
                "--backbone onnx:FILE needs the extra `onnx`: pip install 'robobench[onnx]'"
            ) from error
        try:
            model = onnx.load(path)
            self._runtime, self._path = onnxruntime, path
            self._start(torch.device("cpu"))
        except Exception as error:  # protobuf and the runtime have their own exceptions
            raise RobobenchError(
                f"{self.called} cannot be read: {str(error).partition(chr(10))[0][:160]}"
            ) from error
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        known = len(shape) == 4 and inputs[0].type in ("tensor(float)", "tensor(uint8)")
        if not known or not _is_square_rgb(*shape[1:]):
            raise RobobenchError(
                f"{self.called}: expected one float input N x 3 x H x W with H = W, got "
                f"{', '.join(f'{i.name} {i.type} {i.shape}' for i in inputs) or 'no input'}"
            )
        self._input = inputs[0].name
        self._output = self._session.get_outputs()[0].name
        self.takes_bytes = inputs[0].type == "tensor(uint8)"
        told = self._session.get_modelmeta().custom_metadata_map.get(PROPERTY)
        self.card = None if told is None else ExportCard.from_json(told, self.called)
        self.takes_pixels = self.takes_bytes or self.card is not None
        self.fixed_side = next((n for n in shape[2:] if isinstance(n, int)), None)
        self.batch = shape[0] if isinstance(shape[0], int) else None
        self.side: int = shape[2] if isinstance(shape[2], int) else ANY_SIDE
        graph = model.graph
        self.probabilities = any(
            n.op_type == "Softmax" and graph.output[0].name in n.output for n in graph.node
        )
        self.cost = _onnx_cost(onnx, model, self.side)
        for tensor in graph.initializer:  # so that the digest covers its weights
            values = torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor)))
            self.register_buffer("w_" + tensor.name.replace(".", "_"), values)
        with foreign(f"{self.called}: a black image"):
            logits = self(torch.zeros(1, 3, self.side, self.side))
        if logits.ndim != 2:
            raise RobobenchError(
                f"{self.called}: expected an output N x classes, got "
                f"{' x '.join(map(str, logits.shape))} for one image"
            )
        self.classes = int(logits.shape[-1])

    def run_program(self, images: Tensor) -> Tensor:
        """The first output, on the images' device."""
        output = torch.from_numpy(self._run(images.to(self._device)))
        return output.to(images.device)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move to a device, on which the file then runs if there is a provider for it."""
        kwargs.pop("memory_format", None)  # onnxruntime has its own; some tensors have five axes
        moved = super().to(*args, **kwargs)
        device = next((b.device for b in self.buffers()), torch.device("cpu"))
        if self._provided(device) != self._device:
            self._start(device)
        return moved

    def _provided(self, device: torch.device) -> torch.device:
        """The device itself, if onnxruntime can run there; else the CPU."""
        there = device.type == "cuda" and _CUDA in self._runtime.get_available_providers()
        return torch.device("cuda", device.index or 0) if there else torch.device("cpu")

    def _start(self, device: torch.device) -> None:
        """Begin a session on a device, or on the CPU where there is no provider for it.

        Raises:
            RobobenchError: The provider is installed, but does not start.
        """
        self._device = self._provided(device)
        available = self._runtime.get_available_providers()
        # In its order of preference; the CPU does what an accelerator cannot.
        providers = [p for p in available if p not in _ON_GPU]
        if self._device.type == "cuda":
            providers.insert(0, (_CUDA, {"device_id": self._device.index}))
        self._session = self._runtime.InferenceSession(self._path, providers=providers)
        if self._device.type == "cuda" and _CUDA not in self._session.get_providers():
            raise RobobenchError(
                f"--backbone onnx:{self._path}: onnxruntime's {_CUDA} does not start here (its CUDA "
                "libraries do not match?); --device cpu runs the file on the CPU"
            )

    def _run(self, images: Tensor) -> Any:
        """The first output, a numpy array, for images on the session's device."""
        binding = self._session.io_binding()
        if self._device.type == "cuda":
            torch.cuda.current_stream(
                self._device
            ).synchronize()  # onnxruntime has a stream of its own
        binding.bind_input(
            name=self._input,
            device_type=self._device.type,
            device_id=self._device.index or 0,
            element_type=np.uint8 if self.takes_bytes else np.float32,
            shape=tuple(images.shape),
            buffer_ptr=images.data_ptr(),
        )
        binding.bind_output(self._output)
        self._session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()[0]


def _is_square_rgb(channels: Any, height: Any, width: Any) -> bool:
    """Whether an input's axes, where they are fixed, are 3 x side x side."""
    fixed = {side for side in (height, width) if isinstance(side, int)}
    return len(fixed) < 2 and (channels == 3 or not isinstance(channels, int))


def _onnx_cost(onnx: Any, model: Any, side: int) -> Cost:
    """Number of parameters, and of multiply-adds in convolutions and matrix products."""
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    parameters = sum(math.prod(shape) for shape in shapes.values())
    model = onnx.ModelProto.FromString(model.SerializeToString())
    axes = model.graph.input[0].type.tensor_type.shape.dim
    for axis, length in zip(axes, (1, 3, side, side), strict=True):
        axis.dim_value = length
    inferred = onnx.shape_inference.infer_shapes(model).graph
    sizes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in [*inferred.value_info, *inferred.output]
    }
    macs = 0
    for node in inferred.node:
        weight = next((shapes[i] for i in node.input if len(shapes.get(i, ())) > 1), None)
        if weight is None or node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        size = sizes.get(node.output[0], [])
        if node.op_type == "Conv":
            macs += math.prod(weight) * math.prod(size[2:])
        else:
            macs += math.prod(weight) * math.prod(size[1:-1])
    return Cost(parameters=parameters, macs=macs)


@backbone("onnx", argument="FILE")
def load_onnx(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    """An ONNX classifier (extra: onnx); not for methods that need its internals."""
    return opened(OnnxNetwork(argument), weights, class_names)
