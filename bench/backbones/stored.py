"""Weights files: tensors and plain values are read, code never is."""

import pickle
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import IO, Any, Final

import torch
from torch import Tensor

from robobench.errors import RobobenchError

__all__ = ["read_state", "stored_tensors"]

# Attributes of every pickled nn.Module; a state dict has tensor names instead.
_OF_MODULES: Final = {"_modules", "_parameters"}
_PICKLES: Final = 4  # a file of torch < 1.6 begins with three small ones


def stored_tensors(file: Path, called: str) -> Any:
    """The content of a safetensors or PyTorch file: tensors and plain values, never code.

    Args:
        file: Path of the file.
        called: How the user referred to it, for messages.

    Raises:
        RobobenchError: The file is missing, damaged, a whole model, or another pickle with code.
    """
    if file.is_dir():
        raise RobobenchError(f"{called}: this is a folder, a file of weights is expected")
    if not file.is_file():
        raise RobobenchError(f"{called}: no such file")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and safetensors each have their own exceptions
        if _is_whole_model(file):
            raise RobobenchError(
                f"{called}: this is a whole model, whose code is not run: save its state_dict(), "
                "torch.save(model.state_dict(), FILE)"
            ) from error
        first = shorten(str(error).partition("\n")[0], 120, placeholder=" ...")
        cause = "it begins as neither does" if _begins_otherwise(file) else first
        raise RobobenchError(
            f"{called} cannot be read ({cause}): expected a safetensors file, or a PyTorch file that "
            "holds tensors only"
        ) from error


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a PyTorch file that contains nothing else.

    Raises:
        RobobenchError: The file is missing, damaged, or a pickle with code.
    """
    values = stored_tensors(Path(path), f"--weights {path}")
    for key in ("state_dict", "model", "params"):
        if isinstance(values, Mapping) and isinstance(values.get(key), Mapping):
            values = values[key]
    if not isinstance(values, Mapping) or not all(isinstance(v, Tensor) for v in values.values()):
        raise RobobenchError(f"--weights {path}: expected a state dict (tensor names to tensors)")
    if values and all(k.startswith("module.") for k in values):  # saved from DataParallel
        values = {k.removeprefix("module."): v for k, v in values.items()}
    return dict(values)


def _begins_otherwise(file: Path) -> bool:
    """Whether a file that should be PyTorch's is no archive and no pickle either."""
    if file.suffix == ".safetensors" or zipfile.is_zipfile(file):
        return False
    with file.open("rb") as stream:
        return stream.read(1) != pickle.PROTO


def _is_whole_model(file: Path) -> bool:
    """Whether a file holds a pickled module or TorchScript; its opcodes are read, never executed."""
    try:
        if not zipfile.is_zipfile(file):
            with file.open("rb") as stream:
                return _names_modules(stream)
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if any(name.endswith("/constants.pkl") for name in names):
                return True
            pickles = [name for name in names if name.endswith("data.pkl")]
            with archive.open(pickles[0]) as stream:
                return _names_modules(stream)
    except Exception:  # noqa: BLE001 - damaged in any way: not known to be one
        return False


def _names_modules(stream: IO[bytes]) -> bool:
    """Whether the pickles at the beginning of a stream have what every module has.

    Raises:
        ValueError: They end before.
    """
    left = set(_OF_MODULES)
    for _ in range(_PICKLES):
        for _, value, _ in pickletools.genops(stream):
            if isinstance(value, str):
                left.discard(value)
            if not left:
                return True
    return False
