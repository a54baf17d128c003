"""The file formats: a network is written as bytes, and these are read back and run.

Nothing here touches the disk, so that what is checked is exactly what is then written.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from robobench.backbones.export_card import FILE, PROPERTY, ExportCard
from robobench.environment import usable_processors
from robobench.errors import RobobenchError
from robobench.exporting.antialias import antialiased_resize
from robobench.exporting.kernels import computed_kernels

_OPSET: Final = 17  # the first with layer normalisation; onnxruntime knows it since 1.12
_INPUT: Final = "images"


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: What users call it.
        write: Network, example images and card to the file's content.
        read: The content to a function from images to outputs.
        runs_in: What runs the file in a check.
        check: Refuses a machine that lacks what the format needs.
    """

    name: str
    write: Callable[[nn.Module, Tensor, ExportCard], bytes]
    read: Callable[[bytes], Callable[[Tensor], Tensor]]
    runs_in: str
    check: Callable[[], None] = lambda: None


def format_of(path: Path) -> Format:
    """The format that a file's suffix stands for.

    Raises:
        RobobenchError: It stands for none, or the format needs a package that is not installed.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        known = ", ".join(f"{suffix} ({format.name})" for suffix, format in FORMATS.items())
        raise RobobenchError(
            f"--out {path}: expected a file name that ends in one of {known}, got "
            f"{path.suffix or 'no suffix'}"
        )
    found.check()
    return found


def written(format: Format, network: nn.Module, example: Tensor, card: ExportCard) -> bytes:
    """A network as the content of a file.

    Args:
        format: The format.
        network: Maps images to outputs; in evaluation mode.
        example: Images of the right type and size: as many as the card says, or two.
        card: What the file says about itself.

    Raises:
        RobobenchError: The format cannot express the network.
    """
    try:
        with _quiet(), torch.no_grad():
            return format.write(network, example, card)
    except Exception as error:
        others = [suffix for suffix, other in FORMATS.items() if other is not format]
        raise RobobenchError(
            f"{card.method} on {card.backbone} cannot be written as {format.name} "
            f"({_said(error)}); another format may work: {', '.join(others)}"
        ) from error


def opened(format: Format, content: bytes, batch: int | None = None) -> Callable[[Tensor], Tensor]:
    """The function that a file's content is: images N x 3 x H x W to outputs N x classes.

    Args:
        format: Its format.
        content: The content.
        batch: How many images it takes at a time, a divisor of N; None for any number.

    Raises:
        RobobenchError: It cannot be read back.
    """
    try:
        with _quiet():
            run = format.read(content)
    except Exception as error:
        raise RobobenchError(
            f"the {format.name} file that was made cannot be read by {format.runs_in} "
            f"({_said(error)}); it is not kept"
        ) from error

    def guarded(images: Tensor) -> Tensor:
        try:
            with torch.no_grad():
                return torch.cat([run(part) for part in torch.split(images, batch or len(images))])
        except Exception as error:
            raise RobobenchError(
                f"the {format.name} file that was made fails in {format.runs_in} on "
                f"{len(images)} image(s) ({_said(error)}); it is not kept"
            ) from error

    return guarded


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:160] if lines else 'no reason given'}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what tracers say, and print on failure, to whoever writes networks."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_program(network: nn.Module, example: Tensor, card: ExportCard) -> bytes:
    any_number = {0: torch.export.Dim("batch", min=1)}
    shapes = (any_number if card.batch is None else None,)
    program = torch.export.export(network, (example,), dynamic_shapes=shapes, strict=False)
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={FILE: card.to_json()})
    return content.getvalue()


def _read_program(content: bytes) -> Callable[[Tensor], Tensor]:
    run: Callable[[Tensor], Tensor] = torch.export.load(io.BytesIO(content)).module()
    return run


def _write_torchscript(network: nn.Module, example: Tensor, card: ExportCard) -> bytes:
    jit: Any = torch.jit  # which has no types
    traced = jit.trace(network, (example,), check_trace=False)  # it is checked later
    content = io.BytesIO()
    jit.save(traced, content, _extra_files={FILE: card.to_json()})
    return content.getvalue()


def _read_torchscript(content: bytes) -> Callable[[Tensor], Tensor]:
    jit: Any = torch.jit
    run: Callable[[Tensor], Tensor] = jit.load(io.BytesIO(content))
    return run


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        raise RobobenchError(
            "an ONNX file needs the extra `onnx`: pip install 'robobench[onnx]'"
        ) from None


def _write_onnx(network: nn.Module, example: Tensor, card: ExportCard) -> bytes:
    import onnx

    content = io.BytesIO()
    names = _INPUT, card.output
    torch._C._jit_set_onnx_log_enabled(False)  # else a failure prints the whole graph
    # The exporter from traces needs no further package and exists in torch 2.4 as in 2.14; the one
    # from torch.export needs onnxscript, and is of another kind in each of the early releases.
    with antialiased_resize(_OPSET), computed_kernels(_OPSET):
        torch.onnx.export(
            network,
            (example,),
            content,  # type: ignore[arg-type]  # files in memory are accepted
            dynamo=False,
            opset_version=_OPSET,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes=None if card.batch else {name: {0: "batch"} for name in names},
        )
    model = onnx.load_from_string(content.getvalue())
    model.metadata_props.add(key=PROPERTY, value=card.to_json())
    model.doc_string = f"{card.method} on {card.backbone}, exported by robobench"
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def _read_onnx(content: bytes) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(torch.get_num_threads(), usable_processors())
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {_INPUT: images.numpy()})[0])

    return run


_TORCHSCRIPT: Final = Format("TorchScript", _write_torchscript, _read_torchscript, "torch.jit.load")
FORMATS: Final[dict[str, Format]] = {
    ".onnx": Format("ONNX", _write_onnx, _read_onnx, "onnxruntime", _check_onnx),
    ".pt2": Format("torch.export", _write_program, _read_program, "torch.export.load"),
    ".ts": _TORCHSCRIPT,
    ".torchscript": _TORCHSCRIPT,
}
