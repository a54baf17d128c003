"""Compile kernels, and distribute a batch over the cores.

A kernel is a function of plain arrays whose last two arguments delimit its share of the images in
the batch. It releases the GIL, so threads can each take a share; images never depend on each other,
so the result is the same however they are divided.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import numba
import torch
from numpy.typing import NDArray
from torch import Tensor

_Function = TypeVar("_Function", bound=Callable[..., Any])
Array = NDArray[Any]

_PLAIN: dict[str, Any] = {"error_model": "numpy"}
# Multiply-adds may be fused and sums reordered: for sums whose last bit does not matter.
_FUSED: dict[str, Any] = {**_PLAIN, "fastmath": {"contract", "reassoc", "nsz"}}
# Handing a share to a thread costs about as much as processing this many values.
_SHARE = 200_000


def compiled(function: _Function) -> _Function:
    """Compile a kernel on its first call, and cache the machine code on disk.

    The cache is next to the source, or in the user's cache folder if that is not writable; if
    neither is, the kernel is compiled again in each process.
    """
    return _jit(function, _PLAIN)


def fused(function: _Function) -> _Function:
    """Like `compiled`, for kernels whose sums may be rounded in any order."""
    return _jit(function, _FUSED)


def _jit(function: _Function, options: dict[str, Any]) -> _Function:
    try:
        made = numba.njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba found no writable folder
        made = numba.njit(nogil=True, **options)(function)
    return cast(_Function, made)


def piece(function: _Function) -> _Function:
    """A building block of kernels, compiled into each kernel that calls it.

    It is always inlined: a loop with a call in it is not vectorised.

    Numba only notices changes in the kernel's own file: after editing a piece that kernels in other
    files call, delete the cache (``bench/corruptions/__pycache__/*.nb?``).
    """
    return cast(_Function, numba.njit(forceinline=True, **_PLAIN)(function))


def fused_piece(function: _Function) -> _Function:
    """A building block of kernels made by `fused`."""
    return cast(_Function, numba.njit(**_FUSED)(function))


def on_cpu(images: Tensor) -> bool:
    """Whether to use compiled kernels for these images; otherwise tensor code is used."""
    return images.device.type == "cpu" and not _TENSOR_CODE


@contextmanager
def tensor_code() -> Iterator[None]:
    """Use on the CPU the code for other devices, to compare the two."""
    _TENSOR_CODE.append(True)
    try:
        yield
    finally:
        _TENSOR_CODE.pop()


_TENSOR_CODE: list[bool] = []


def run(kernel: Callable[..., None], images: Tensor, *arguments: Any) -> Tensor:
    """Run a kernel over all images of a batch, with as many threads as torch may use.

    Args:
        kernel: Called with the images and the result as arrays, the arguments (tensors become
            arrays), and the first and last image of a share.
        images: uint8 N x 3 x H x W, on the CPU.
        arguments: Further arguments of the kernel.

    Returns:
        The kernel's output: uint8, the same shape.
    """
    images = images.contiguous()
    out = torch.empty_like(images)
    given = [a.contiguous().numpy() if isinstance(a, Tensor) else a for a in arguments]
    share(kernel, images.numpy(), out.numpy(), *given)
    return out


def share(kernel: Callable[..., None], images: Array, out: Array, *arguments: Any) -> None:
    """Call a kernel with these arguments on all images, with as many threads as torch may use."""
    count = len(images)
    threads = min(torch.get_num_threads(), count, 1 + images.size // _SHARE)
    if threads <= 1:
        kernel(images, out, *arguments, 0, count)
        return
    bounds = [count * i // threads for i in range(threads + 1)]
    pool = _pool(os.getpid())
    shares = [
        pool.submit(kernel, images, out, *arguments, bounds[i], bounds[i + 1])
        for i in range(1, threads)
    ]
    kernel(images, out, *arguments, bounds[0], bounds[1])
    for each in shares:
        each.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The thread pool of this process; a forked child starts its own."""
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), "robobench-corrupt")
