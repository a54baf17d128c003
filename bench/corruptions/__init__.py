"""The corruptions of ImageNet-C and a few more, batched: uint8 in, uint8 out, any size.

`corrupt` is the function for users; `apply` and `apply_each` are what the runner and training code
call; `Corrupt` is a transform for a data loader. Conversely, `search_quality` infers from pixels
which JPEG quality they were saved at, `quality_of_file` from a file's header. Names, groups and
levels are in `robobench.corruptions.catalogue`, which is cheap to import. Each file holds one
family.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robobench.corruptions.engine import apply, apply_each, corrupt
    from robobench.corruptions.jpeg_quality import (
        quality_of_file,
        quality_of_tables,
        search_quality,
    )
    from robobench.corruptions.transforms import Corrupt

_LAZY = {
    "Corrupt": "robobench.corruptions.transforms",
    "apply": "robobench.corruptions.engine",
    "apply_each": "robobench.corruptions.engine",
    "corrupt": "robobench.corruptions.engine",
    "quality_of_file": "robobench.corruptions.jpeg_quality",
    "quality_of_tables": "robobench.corruptions.jpeg_quality",
    "search_quality": "robobench.corruptions.jpeg_quality",
}

__all__ = [
    "Corrupt",
    "apply",
    "apply_each",
    "corrupt",
    "quality_of_file",
    "quality_of_tables",
    "search_quality",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'robobench.corruptions' has no attribute {name!r}")
