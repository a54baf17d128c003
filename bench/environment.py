"""What a result may depend on besides its inputs: versions, device, command line."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from typing import Any, TextIO, TypeGuard

from robobench.errors import RobobenchError

_DISTRIBUTIONS = (
    "robobench",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "numba",
    "scipy",
    "pandas",
    "pillow",
    "opencv-python",
    "scikit-image",
)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream leads to a terminal.

    Not one that was closed (``2>&-`` leaves None), nor an object that a program put in its place and
    that cannot tell.
    """
    return is_open(stream) and hasattr(stream, "isatty") and bool(stream.isatty())


def is_open(stream: TextIO | None) -> TypeGuard[TextIO]:
    """Whether a stream can be written to."""
    return stream is not None and not getattr(stream, "closed", False)


def versions() -> dict[str, str]:
    """Versions of everything that results may depend on."""
    from importlib.metadata import PackageNotFoundError, version

    from PIL import features

    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["libjpeg_turbo"] = str(features.version("libjpeg_turbo") or "another libjpeg")
    found["jpeg"] = str(features.version("jpg") or "none")
    return found


def machine(device: str, precision: str) -> dict[str, Any]:
    """What ties results to a machine, besides versions."""
    import torch

    name = platform.processor()
    if device.startswith("cuda"):
        elsewhere = is_missing_gpu(device)
        name = "of a Ray cluster" if elsewhere else torch.cuda.get_device_name(device)
    return {
        "device": device,
        "device_name": name or platform.machine(),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "platform": platform.platform(),
    }


def command_line() -> str:
    """The running command, as a user would type it to repeat it."""
    return shlex.join(["robobench", *sys.argv[1:]]) if "robobench" in sys.argv[0] else "python"


DEVICE_ADVICE = "auto, cpu, cuda, cuda:N or mps"


def choose_device(name: str) -> str:
    """The torch device that a name stands for.

    Raises:
        RobobenchError: The device is unknown or not available.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # nothing comes back from the device meta
    except (RuntimeError, AssertionError) as error:
        raise RobobenchError(
            f"--device {name} cannot be used here ({str(error).splitlines()[0]}); "
            f"expected one of {DEVICE_ADVICE}"
        ) from error
    return name


def is_missing_gpu(name: str) -> bool:
    """Whether a name stands for NVIDIA's GPUs, of which this machine has none."""
    import torch

    return name.partition(":")[0] == "cuda" and not torch.cuda.is_available()


def usable_processors() -> int:
    """How many processors this process may use; macOS does not tell, all of them there."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
