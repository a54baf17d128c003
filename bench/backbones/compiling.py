"""Compile networks with ``torch.compile``; what is compiled is kept on disk."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from robobench.errors import RobobenchError

COMPILER: Final = "inductor"
_CACHE: Final = "TORCHINDUCTOR_CACHE_DIR"  # as torch names the folder of its cache
_MOST_NETWORKS: Final = 1000  # of one class in a process; beyond, torch would silently not compile
_ADVICE: Final = "leave out --compile"


def check_compiler(device: torch.device | str) -> None:
    """Refuse a machine that cannot compile for a device.

    Raises:
        RobobenchError: There is no C++ compiler, or no Triton for a GPU.
    """
    if torch.device(device).type == "cuda":
        if find_spec("triton") is None:
            raise RobobenchError(
                f"--compile: Triton, which compiles for GPUs, is not installed: {_ADVICE}"
            )
        return
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    name = os.environ.get("CXX", usual)
    if shutil.which(name) is None:
        raise RobobenchError(
            f"--compile: a C++ compiler is expected, there is no {name} on the PATH: install one, name "
            f"it in CXX, or {_ADVICE}"
        )


def compiled(network: nn.Module, example: Tensor, called: str) -> Callable[[Tensor], Tensor]:
    """A network compiled for inputs of one shape: some seconds, less once they are in the cache.

    The cache is torch's own, in the user's cache folder unless ``TORCHINDUCTOR_CACHE_DIR`` says otherwise.

    Args:
        network: In evaluation mode; its weights may not change afterwards.
        example: An input. It is to be called in the same mode and precision as this function.
        called: What it is, for messages.

    Raises:
        RobobenchError: It cannot be compiled.
    """
    _keep_cache()
    try:
        # Frozen weights let normalisation be folded into convolutions.
        options: dict[str, Any] = {"freezing": True, "fx_graph_cache": True}
        run: Callable[[Tensor], Tensor] = torch.compile(
            network, backend=COMPILER, dynamic=False, options=options
        )
        with _quiet(), _many_networks():
            run(example)
    except Exception as error:  # whatever tracing, code generation or the C++ compiler raises
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise RobobenchError(
            f"--compile: {called} cannot be compiled ({reason}): {_ADVICE}"
        ) from error
    return run


@contextmanager
def _many_networks() -> Iterator[None]:
    """Let networks of one class be compiled side by side, as the methods of a run are."""
    from torch._dynamo import config

    limits = dict.fromkeys(("cache_size_limit", "accumulated_cache_size_limit"), _MOST_NETWORKS)
    with config.patch(limits):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch tells its own developers, and without its advice to round to TF32.

    The logger warns of a machine that has CUDA's tools and no GPU.
    """
    logger = logging.getLogger("torch.utils.cpp_extension")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "TensorFloat32", UserWarning)
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            yield
    finally:
        logger.setLevel(before)


def _keep_cache() -> None:
    """Put torch's cache where it outlives a restart, unless the user has chosen a place."""
    import platformdirs

    by_torch = os.path.join(tempfile.gettempdir(), "torchinductor_")  # and the user's name
    if os.environ.get(_CACHE, by_torch).startswith(by_torch):
        os.environ[_CACHE] = str(Path(platformdirs.user_cache_dir("robobench")) / COMPILER)
