"""How the allocator of the C library treats the activations of networks."""

import ctypes
import os
import platform
from typing import Final

# Parameters of mallopt(3), by number in its header, and bytes.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_SETTINGS: Final = {
    _MMAP_THRESHOLD: 2**25,  # the most that glibc takes
    _TRIM_THRESHOLD: 2**31 - 1,
    _TOP_PAD: 2**26,
}


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next layer instead of giving it back to the system.

    By default every layer's activations are fresh pages, which the system fills with zeros first:
    `tests/benchmarks/memory.py` tells what that costs. Other C libraries are left alone, and so is
    an allocator that the user has set up.

    Returns:
        Whether the settings were made.
    """
    set_up = any(n.startswith("MALLOC_") or n == "GLIBC_TUNABLES" for n in os.environ)
    if set_up or platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return all(library.mallopt(*setting) for setting in _SETTINGS.items())
