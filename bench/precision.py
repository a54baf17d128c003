"""In which precision a device computes: full means full, also where it would take a shortcut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision(device: torch.device | str) -> Iterator[None]:
    """Convolutions and products in all 24 bits of float32.

    On recent GPUs torch rounds the inputs of float32 convolutions to 10 bits (TF32) unless it is told
    otherwise, which moves grey levels of blurred images and probabilities.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = products.allow_tf32
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    ):
        products.allow_tf32 = False
        try:
            yield
        finally:
            products.allow_tf32 = before


@contextmanager
def in_precision(device: torch.device, precision: str) -> Iterator[None]:
    """The context in which a network runs.

    Args:
        device: Where it is.
        precision: ``fp32``, or ``bf16`` for torch's automatic mixed precision.
    """
    mixed = torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False
    )
    with full_precision(device), mixed:
        yield
