"""How the C library's allocator handles network activations."""

import ctypes
import os
import platform
from typing import Final

# Parameters of mallopt(3), numbered as in its header, with values in bytes.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_SETTINGS: Final = {
    _MMAP_THRESHOLD: 2**25,  # the most that glibc accepts
    _TRIM_THRESHOLD: 2**31 - 1,
    _TOP_PAD: 2**26,
}


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next layer instead of returning it to the system.

    By default every layer's activations are fresh pages, which the system zeroes first:
    `tests/benchmarks/memory.py` measures the cost. Other C libraries are left alone, and so is
    an allocator that the user has configured.

    Returns:
        Whether the settings were applied.
    """
    set_up = any(n.startswith("MALLOC_") or n == "GLIBC_TUNABLES" for n in os.environ)
    if set_up or platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return all(library.mallopt(*setting) for setting in _SETTINGS.items())
